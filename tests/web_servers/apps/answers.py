"""One kind of answer for each path."""

import os
import time

TEXT = ("Content-Type", "text/plain")


def hello(environ, start_response):
    start_response("200 OK", [TEXT, ("Content-Length", "6")])
    return [b"hello\n"]


def created(environ, start_response):
    start_response("201 Created", [TEXT, ("Location", "http://example.com/made/1")])
    return [b"made\n"]


def moved(environ, start_response):
    start_response("307 Temporary Redirect", [("Location", "/elsewhere"), TEXT])
    return [b"moved\n"]


def cookies(environ, start_response):
    start_response("200 OK", [TEXT, ("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/"), ("Set-Cookie", "c=3")])
    return [b"cookies\n"]


def teapot(environ, start_response):
    start_response("418 Short And Stout", [TEXT])
    return [b"teapot\n"]


def no_content(environ, start_response):
    start_response("204 No Content", [("X-Kind", "nothing")])
    return []


def not_modified(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"v1"')])
    return []


def not_modified_with_body(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"v1"')])
    return [b"a body that must not be sent"]


def big_header(environ, start_response):
    start_response("200 OK", [TEXT, ("X-Big", "b" * 6000)])
    return [b"big\n"]


def raises_before(environ, start_response):
    raise ValueError("before start_response")


def raises_first(environ, start_response):
    start_response("200 OK", [TEXT])
    raise ValueError("after start_response, before the body")


def raises_in_body(environ, start_response):
    start_response("200 OK", [TEXT])

    def body():
        yield b"x" * 100_000
        raise ValueError("in the body")

    return body()


def raises_in_measured_body(environ, start_response):
    start_response("200 OK", [TEXT, ("Content-Length", "200000")])

    def body():
        yield b"x" * 100_000
        raise ValueError("in the body")

    return body()


def longer_than_announced(environ, start_response):
    start_response("200 OK", [TEXT, ("Content-Length", "5")])
    return [b"12345", b"678"]


def stream(environ, start_response):
    """Waits after its first piece until the test has seen it."""
    start_response("200 OK", [TEXT, ("X-Accel-Buffering", "no")])
    yield b"first\n"
    give_up = time.monotonic() + 60
    while not os.path.exists(os.environ["TEST_GATE"]) and time.monotonic() < give_up:
        time.sleep(0.005)
    yield b"last\n"


def gated(environ, start_response):
    """Holds its worker until the test opens the gate."""
    give_up = time.monotonic() + 60
    while not os.path.exists(os.environ["TEST_GATE"]) and time.monotonic() < give_up:
        time.sleep(0.005)
    return hello(environ, start_response)


def complains(environ, start_response):
    environ["wsgi.errors"].write("a complaint before the head\n")
    start_response("200 OK", [TEXT])
    environ["wsgi.errors"].write("a complaint after the head\n")
    environ["wsgi.errors"].flush()
    return [b"complained\n"]


def token(environ, start_response):
    """A cookie and a body that belong to one request only."""
    name = environ["QUERY_STRING"]
    time.sleep(0.01)
    start_response("200 OK", [TEXT, ("Set-Cookie", "token=" + name), ("X-Token", name)])
    return [name.encode("latin-1"), b" ", name.encode("latin-1")]


def busy(environ, start_response):
    start_response("503 Service Unavailable", [TEXT, ("Retry-After", "1")])
    return [b"busy\n"]


ANSWERS = {
    function.__name__: function
    for function in (
        hello, created, moved, cookies, teapot, no_content, not_modified, not_modified_with_body, big_header, raises_before,
        raises_first, raises_in_body, raises_in_measured_body, longer_than_announced, stream, gated, complains, token, busy,
    )
}


def application(environ, start_response):
    return ANSWERS[environ["PATH_INFO"].rpartition("/")[2]](environ, start_response)
