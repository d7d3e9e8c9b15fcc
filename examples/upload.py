# pyfcgid serve examples/upload.py
"""Takes an upload of any size without holding it in memory, and answers with its length and SHA-256.

    curl -T some-file http://127.0.0.1:8080/

The whole body is there before the application runs, in memory or in a temporary file: reading it never waits for the network.
"""

import hashlib

PAGE = b"""<!doctype html><title>Upload</title>
<form method="post" enctype="text/plain"><textarea name="text"></textarea><button>Send</button></form>
"""


def application(environ, start_response):
    if environ["REQUEST_METHOD"] in ("POST", "PUT"):
        content_type, body = "text/plain", describe(environ["wsgi.input"])
    else:
        content_type, body = "text/html", PAGE
    start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
    return [body]


def describe(stream):
    digest, length = hashlib.sha256(), 0
    while piece := stream.read(65536):
        digest.update(piece)
        length += len(piece)
    return f"{length} bytes, SHA-256 {digest.hexdigest()}\n".encode("ascii")
