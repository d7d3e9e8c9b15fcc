"""Sends MEBIBYTES (100) in the way that its path names; `/small` sends its query string."""
import functools
import os
import tempfile

MEBIBYTE = b"x" * (1 << 20)
COUNT = int(os.environ.get("MEBIBYTES", "100"))


@functools.cache
def file():
    """A file without a name: nothing is left of it when its process is killed."""
    made = tempfile.TemporaryFile()
    for _ in range(COUNT):
        made.write(MEBIBYTE)
    made.flush()
    return made


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return body(environ["PATH_INFO"], environ)


def body(path, environ):
    if path == "/small":
        return [environ["QUERY_STRING"].encode()]
    if path == "/pieces-of-8k":
        return (MEBIBYTE[:8192] for _ in range(COUNT * 128))
    if path == "/pieces-of-64k":
        return (MEBIBYTE[:65_536] for _ in range(COUNT * 16))
    if path == "/list":
        return [MEBIBYTE] * COUNT
    if path == "/bytes":
        return [MEBIBYTE * COUNT]
    if path == "/file":
        return environ["wsgi.file_wrapper"](open(f"/proc/self/fd/{file().fileno()}", "rb"))
    if path == "/many-small-items":
        return [b"x"] * (COUNT * 10_000)
    raise KeyError(path)
