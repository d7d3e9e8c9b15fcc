"""An application under wsgiref's validator, which raises AssertionError at the first breach of PEP 3333 on either side."""

import warnings
from wsgiref.validate import WSGIWarning, validator

warnings.simplefilter("error", WSGIWarning)


def checked_application(environ, start_response):
    kind = environ["PATH_INFO"].rpartition("/")[2]
    if kind == "write":
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"written ")
        write(b"twice ")
        return [b"and returned"]
    if kind == "iterate":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (piece for piece in (b"one ", b"", b"two ", b"three"))
    if kind == "lines":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["wsgi.input"].readline() for _ in range(2)]
    if environ["REQUEST_METHOD"] == "POST":
        body = b""
        while piece := environ["wsgi.input"].read(1000):
            body += piece
        start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))])
        return [body]
    environ["wsgi.errors"].write("")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"got"]


application = validator(checked_application)
