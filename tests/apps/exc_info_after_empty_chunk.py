"""Replaces the head after an empty chunk, which must not have sent it."""
import sys


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b""
    try:
        raise RuntimeError("changed my mind")
    except RuntimeError:
        start_response("503 Changed", [("Content-Type", "text/plain")], sys.exc_info())
    yield b"replaced"
