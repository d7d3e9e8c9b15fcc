"""Dies the way the query string says."""
import ctypes
import os


def application(environ, start_response):
    if environ["QUERY_STRING"] == "abort":
        os.abort()
    if environ["QUERY_STRING"] == "segfault":
        ctypes.string_at(0)
    start_response("200 OK", [])
    return [b"alive"]
