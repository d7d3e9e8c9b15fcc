"""Announces 100 bytes and gives fewer, none of which was sent before that is known. The path says how."""
import tempfile


def generator(start_response, head):
    start_response(*head)
    return
    yield b"never"


def file():
    content = tempfile.TemporaryFile(buffering=0)
    content.write(b"seventeen bytes!!")
    content.seek(0)
    return content


def application(environ, start_response):
    head = ("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "100")])
    path = environ["PATH_INFO"]
    if path == "/generator":
        return generator(start_response, head)
    write = start_response(*head)
    if path == "/written":
        write(b"")
    return {
        "/list": [b"seventeen ", b"bytes!!"],
        "/empty-list": [],
        "/tuple": (b"seventeen bytes!!",),
        "/iterator": iter([]),
        "/empty-items": iter([b"", b""]),
        "/written": [],
        "/file": environ["wsgi.file_wrapper"](file()) if path == "/file" else [],
        "/fine": [b"x" * 100],
    }[path]
