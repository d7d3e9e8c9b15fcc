"""Names a file in the header that its query gives, and has another body as well, in the form that its path says."""

from urllib.parse import unquote


class Body:
    """A file and an iterable that log what is done with them."""

    def __init__(self, errors):
        self.errors = errors
        self.pieces = iter([b"one", b"two", b""])

    def read(self, size=-1):
        self.errors.write("the body was read\n")
        return next(self.pieces)

    def __iter__(self):
        return iter(self.read, b"")

    def close(self):
        self.errors.write("the body was closed\n")


def application(environ, start_response):
    headers = [("Content-Type", "text/plain")]
    if environ["QUERY_STRING"]:
        name, _, value = environ["QUERY_STRING"].partition("=")
        headers.append((name, unquote(value)))
    path = environ["PATH_INFO"]
    if path == "/measured":
        headers.append(("Content-Length", "6"))
    if path == "/late":
        return late(environ, start_response, headers)
    write = start_response("200 OK", headers)
    if path == "/write":
        write(b"written")
        return []
    if path == "/list":
        return [b"one", b"two"]
    body = Body(environ["wsgi.errors"])
    return environ["wsgi.file_wrapper"](body) if path == "/wrapped" else body


def late(environ, start_response, headers):
    start_response("200 OK", headers)
    yield b"one"
    environ["wsgi.errors"].write("the body was read\n")
    yield b"two"
