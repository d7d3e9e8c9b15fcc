"""Reads the request's body, 64 KB at a time, and says how long it was."""

BLOCK = 65536


def application(environ, start_response):
    stream, length = environ["wsgi.input"], 0
    left = int(environ.get("CONTENT_LENGTH") or 0)
    while left > 0:
        block = stream.read(min(BLOCK, left))
        if not block:
            break
        length += len(block)
        left -= len(block)
    body = b"%d\n" % length
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
