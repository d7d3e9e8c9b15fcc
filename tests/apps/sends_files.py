"""Returns wsgi.file_wrapper around what its path names. FILE is the file, its bytes are known to the test."""
import gzip
import io
import os


class OnlyRead:
    """Has no fileno, no close, no seek."""

    def __init__(self, data):
        self.read = io.BytesIO(data).read


class LyingFileno(io.BytesIO):
    def fileno(self):
        return -1


class Watched(io.FileIO):
    closed_by = None

    def close(self):
        if not self.closed and Watched.closed_by is not None:
            Watched.closed_by.write("the file was closed\n")
        super().close()


def application(environ, start_response):
    wrap = environ["wsgi.file_wrapper"]
    path = environ["PATH_INFO"]
    name = os.environ["FILE"]
    headers = [("Content-Type", "application/octet-stream")]
    if environ["QUERY_STRING"]:
        headers.append(("Content-Length", environ["QUERY_STRING"]))
    start_response("200 OK", headers)
    if path == "/middleware":
        return (chunk.upper() for chunk in wrap(open(name, "rb"), 7))
    return wrap(made(path, name, environ), 4096)


def made(path, name, environ):
    if path == "/whole":
        return open(name, "rb")
    if path == "/unbuffered":
        return open(name, "rb", buffering=0)
    if path == "/seek":
        file = open(name, "rb")
        file.seek(1000)
        return file
    if path == "/after-buffered-read":
        file = open(name, "rb")
        assert len(file.read(3)) == 3
        return file
    if path == "/at-the-end":
        file = open(name, "rb")
        file.seek(0, 2)
        return file
    if path == "/bytesio":
        file = io.BytesIO(open(name, "rb").read())
        file.seek(5)
        return file
    if path == "/gzip":
        packed = name + ".gz"
        with gzip.open(packed, "wb") as out:
            out.write(open(name, "rb").read())
        return gzip.open(packed, "rb")
    if path == "/only-read":
        return OnlyRead(open(name, "rb").read())
    if path == "/lying-fileno":
        return LyingFileno(open(name, "rb").read())
    if path == "/pipe":
        reader, writer = os.pipe()
        os.write(writer, b"through a pipe")
        os.close(writer)
        return os.fdopen(reader, "rb")
    if path == "/watched":
        Watched.closed_by = environ["wsgi.errors"]
        return Watched(name)
    if path == "/closed":
        file = open(name, "rb")
        file.close()
        return file
    if path == "/text":
        return open(name, "r", encoding="latin-1")
    raise KeyError(path)
