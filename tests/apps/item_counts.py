"""Returns as many items as its path says, as a list."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"item "] * int(environ["PATH_INFO"][1:])
