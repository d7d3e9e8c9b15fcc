"""Fails. The path says when."""


class Secret(Exception):
    pass


def application(environ, start_response):
    when = environ["PATH_INFO"]
    if when == "/before-start-response":
        raise Secret("the hidden reason")
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    if when == "/before-the-body":
        raise Secret("the hidden reason")
    if when == "/after-write":
        write(b"first half")
        raise Secret("the hidden reason")
    return body(when)


def body(when):
    if when == "/in-the-first-step":
        raise Secret("the hidden reason")
    yield b"first half"
    if when == "/in-the-middle":
        raise Secret("the hidden reason")
    yield b" second half"
