"""Calls start_response with exc_info when the head is out: the exception has to come back."""
import sys


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first half "
    try:
        raise LookupError("too late")
    except LookupError:
        try:
            start_response("500 Late", [("Content-Type", "text/plain")], sys.exc_info())
        except LookupError:
            environ["wsgi.errors"].write("the exception came back\n")
            raise
    yield b"second half"
