"""Writes to wsgi.errors, stdout and stderr."""
import os
import sys


def application(environ, start_response):
    errors = environ["wsgi.errors"]
    errors.write("by write\n")
    errors.writelines(["by writelines, one\n", "by writelines, two\n"])
    errors.write("with \u00e9 and \u20ac\n")
    errors.write("in two ")
    errors.write("pieces\n")
    errors.flush()
    print("by print")
    sys.stdout.buffer.write(bytearray(b"by bytearray\n"))
    sys.stdout.buffer.write(memoryview(b"by memoryview\n"))
    print("by print to wsgi.errors", file=errors)
    print("by print to stderr", file=sys.stderr)
    try:
        errors.write(b"bytes\n")
        refused = b"accepted"
    except TypeError:
        refused = b"TypeError"
    start_response("200 OK", [("X-Request-Id", str(environ["pyfcgid.request_id"])), ("X-Pid", str(os.getpid()))])
    return [refused]
