"""Never comes back from its atexit handler."""
import atexit
import time


def hang():
    while True:
        time.sleep(60)


atexit.register(hang)


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
