"""Writes where the query string says, past the log as far as it can."""
import atexit
import os
import sys


def application(environ, start_response):
    how = environ["QUERY_STRING"]
    if how == "print":
        print("by print")
        print("by print to stderr", file=sys.stderr)
    elif how == "descriptors":
        os.write(1, b"by descriptor 1\n")
        os.write(2, b"by descriptor 2\n")
    elif how == "shell":
        os.system("echo by a shell; echo by a shell to stderr >&2")
    elif how == "much":
        for number in range(2000):
            print("line %d" % number, "x" * 100)
    elif how == "partly":
        os.write(1, b"no line end")
    elif how == "partly-by-print":
        print("a whole line, then")
        print("no end of print", end="")
        print("no end of print to stderr", end="", file=sys.stderr, flush=True)
        atexit.register(lambda: print("nor any at exit", end=""))
    start_response("200 OK", [])
    return [b"spoken"]
