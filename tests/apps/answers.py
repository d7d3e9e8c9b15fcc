"""Answers every request with what it is and which process answered."""
import os


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))])
    return [b"answered"]
