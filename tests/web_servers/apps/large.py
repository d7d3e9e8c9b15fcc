"""Takes and gives 200 MiB without ever holding more than one block of it."""

import hashlib

BLOCKS = 200


def block(number):
    return number.to_bytes(8, "big") * 131_072


def application(environ, start_response):
    if environ["REQUEST_METHOD"] in ("POST", "PUT"):
        digest = hashlib.sha256()
        while piece := environ["wsgi.input"].read(65_536):
            digest.update(piece)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [digest.hexdigest().encode("ascii")]
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(BLOCKS * 1_048_576))])
    return map(block, range(BLOCKS))
