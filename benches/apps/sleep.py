"""Waits 5 ms, as for a database."""

import time


def application(environ, start_response):
    time.sleep(0.005)
    body = b"Slept well.\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
