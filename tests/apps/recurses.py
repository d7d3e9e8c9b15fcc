"""Recurses without end, in Python and through C."""


class Nested:
    def __init__(self):
        self.inner = [self]

    def __repr__(self):
        return repr(self.inner[0].inner + [])

    def __getattr__(self, name):
        return getattr(self, name + "x")


def recurse(number):
    return recurse(number + 1) + 1


def through_map(number):
    return list(map(through_map, [number + 1]))


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/python":
        recurse(0)
    if path == "/map":
        through_map(0)
    if path == "/getattr":
        Nested().missing
    if path == "/sorted":
        key = lambda item: sorted([item], key=key)
        key(0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"fine"]
