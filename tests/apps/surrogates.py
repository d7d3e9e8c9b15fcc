"""Says things about a file whose name is latin-1, as os.listdir gives it: with a surrogate that no UTF-8 has."""
import os
import sys

NAME = os.fsdecode(b"caf\xe9.txt")


def fail():
    try:
        open(NAME)
    except OSError:
        raise RuntimeError("cannot read " + NAME)


if os.environ.get("FAIL_AT_IMPORT"):
    fail()


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError("it has no text")


def application(environ, start_response):
    if environ["PATH_INFO"] == "/errors":
        environ["wsgi.errors"].write("wsgi.errors: " + NAME + "\n")
        print("print:", NAME)
        print("stderr:", NAME, file=sys.stderr)
    elif environ["PATH_INFO"] == "/group":
        try:
            fail()
        except RuntimeError:
            raise Unspeakable()
    else:
        fail()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"said"]
