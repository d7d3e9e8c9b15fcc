"""A generator with 1,000 small chunks and no Content-Length."""

CHUNK = b"sixty-four bytes in every chunk, which is not much of a chunk. \n"


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    for _ in range(1000):
        yield CHUNK
