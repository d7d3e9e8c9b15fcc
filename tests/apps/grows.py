"""Keeps as many megabytes as the query string says, and tells the number of its process."""
import os

kept = []


def application(environ, start_response):
    kept.append(b"x" * (int(environ["QUERY_STRING"] or "0") << 20))
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
