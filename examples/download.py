# pyfcgid serve examples/download.py
"""Sends a file with wsgi.file_wrapper: the bytes go from the file to the web server without passing through Python.

Sends its own source; set EXAMPLE_FILE to another path to send that.
"""

import mimetypes
import os

FILE = os.environ.get("EXAMPLE_FILE", os.path.abspath(__file__))


def application(environ, start_response):
    file = open(FILE, "rb")
    headers = [
        ("Content-Type", mimetypes.guess_type(FILE)[0] or "application/octet-stream"),
        ("Content-Length", str(os.fstat(file.fileno()).st_size)),
        ("Content-Disposition", f'attachment; filename="{os.path.basename(FILE)}"'),
    ]
    start_response("200 OK", headers)
    # The wrapper closes the file. It is optional in PEP 3333, so portable code has something else at hand.
    wrap = environ.get("wsgi.file_wrapper", lambda file: iter(lambda: file.read(65536), b""))
    return wrap(file)
