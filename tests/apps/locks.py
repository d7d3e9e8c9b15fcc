"""Computes for a millisecond or so, and takes the same lock all the time, as Django does for the current language."""
import threading

LOCK = threading.RLock()


def application(environ, start_response):
    number = 0
    for _ in range(10_000):
        with LOCK:
            number = one_more(number)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % number]


def one_more(number):
    """CPython takes the GIL away at the beginning of a function."""
    return number + 1
