"""Sleeps for as many seconds as the query string says, and tells the number of its process."""
import os
import time

time.sleep(float(os.environ.get("IMPORT_SECONDS", "0")))


def application(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or "0"))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
