"""Replaces a head that is not out yet, as PEP 3333 allows with exc_info."""
import sys


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-First", "1")])
    try:
        raise RuntimeError("changed my mind")
    except RuntimeError:
        start_response("503 Changed", [("Content-Type", "text/plain"), ("X-Second", "2")], sys.exc_info())
    return [b"replaced"]
