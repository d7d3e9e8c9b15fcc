"""Answers with the length and the SHA-256 of its body, which it reads in pieces."""
import hashlib


def application(environ, start_response):
    digest = hashlib.sha256()
    length = 0
    while chunk := environ["wsgi.input"].read(65536):
        digest.update(chunk)
        length += len(chunk)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{length} {digest.hexdigest()}".encode()]
