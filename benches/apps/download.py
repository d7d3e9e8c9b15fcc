"""A file of 50 MB, with wsgi.file_wrapper where the server has one. LARGE_FILE names it."""

import os

BLOCK = 65536


def application(environ, start_response):
    file = open(os.environ["LARGE_FILE"], "rb")
    length = os.fstat(file.fileno()).st_size
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(length))])
    wrap = environ.get("wsgi.file_wrapper")
    return wrap(file, BLOCK) if wrap else iter(lambda: file.read(BLOCK), b"")
