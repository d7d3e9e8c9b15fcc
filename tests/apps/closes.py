"""Logs the call of close(). The path says what happens before."""


class Body:
    def __init__(self, environ):
        self.environ = environ
        self.chunks = iter([b"one", b"two", b"three"])

    def __iter__(self):
        return self

    def __next__(self):
        if self.environ["PATH_INFO"] == "/raises":
            raise ValueError("in the body")
        if self.environ["PATH_INFO"] == "/str":
            return "text"
        return next(self.chunks)

    def close(self):
        self.environ["wsgi.errors"].write("close was called\n")
        if self.environ["PATH_INFO"] == "/close-raises":
            raise ValueError("in close")


def application(environ, start_response):
    path = environ["PATH_INFO"]
    headers = [("Content-Length", "4")] if path == "/cut" else []
    if path == "/short":
        headers = [("Content-Length", "400")]
    if path != "/never-started":
        start_response("204 No Content" if path == "/204" else "200 OK", headers)
    return Body(environ)
