"""Has an empty body."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([])
