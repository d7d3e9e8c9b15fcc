"""Gives a body without end. The path is its status, the query says how; close() logs how often it was asked."""
import itertools


class Body:
    def __init__(self, environ, items):
        self.environ = environ
        self.items = items
        self.asked = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.asked += 1
        return next(self.items)

    def close(self):
        self.environ["wsgi.errors"].write(f"closed, asked {self.asked} times\n")


class Empty(itertools.repeat):
    """Runs no Python code for an item."""

    def close(self):
        self.environ["wsgi.errors"].write("closed\n")


def lazy(start_response, head):
    start_response(*head)
    while True:
        yield b"item "


def application(environ, start_response):
    status = environ["PATH_INFO"][1:]
    how = environ["QUERY_STRING"]
    headers = [("Content-Type", "text/plain")]
    if status == "200":
        headers.append(("Content-Length", "10"))
    head = (status + " As Asked", headers)
    if how == "lazy":
        return Body(environ, lazy(start_response, head))
    if how in ("unknown", "repeat"):
        head = (head[0], headers[:1])
    write = start_response(*head)
    if how == "write":
        try:
            while True:
                write(b"item ")
        finally:
            environ["wsgi.errors"].write("stopped writing\n")
    if how == "tail":
        return tail(environ)
    if how == "fails":
        return fails()
    if how == "repeat":
        body = Empty(b"")
        body.environ = environ
        return body
    after = b"" if how in ("empty", "unknown") else b"more "
    return Body(environ, itertools.chain([b"item "] * 2, itertools.repeat(after)))


def tail(environ):
    yield b"item item "
    environ["wsgi.errors"].write("came to its end\n")


def fails():
    yield b"item item "
    raise ValueError("behind the end")
