"""Gives 8 MiB, each block of it different; any path but / is a short answer."""

BLOCKS = 128


def block(number):
    return number.to_bytes(8, "big") * 8_192


def application(environ, start_response):
    if environ["PATH_INFO"] != "/":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"short\n"]
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(BLOCKS * 65_536))])
    return map(block, range(BLOCKS))
