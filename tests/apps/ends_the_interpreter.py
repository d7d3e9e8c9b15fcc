"""Raises what is no Exception. The path names it; `?late` raises it in the middle of the body."""
import sys


def application(environ, start_response):
    if environ["QUERY_STRING"] == "late":
        return late(environ, start_response)
    end(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"fine"]


def late(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first half"
    end(environ["PATH_INFO"])


def end(path):
    if path == "/sys-exit":
        sys.exit()
    if path == "/sys-exit-3":
        sys.exit(3)
    if path == "/keyboard-interrupt":
        raise KeyboardInterrupt
    if path == "/generator-exit":
        raise GeneratorExit
    if path == "/base-exception":
        raise BaseException("of my own")
