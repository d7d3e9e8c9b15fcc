"""Has both names."""


def app(environ, start_response):
    raise AssertionError("application comes first")


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"application"]
