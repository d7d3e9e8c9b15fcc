"""Does what its path says, to see what it leaves behind. `/count` tells how many objects there are."""
import gc
import io
import sys


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise ValueError(path)
    if path == "/exc-info":
        return replaced(start_response)
    write = start_response("200 OK", [("Content-Type", "text/plain"), ("X-Path", path)])
    if path == "/cycle":
        environ["myself"] = environ
        environ["write"] = write
        environ["start_response"] = start_response
    if path == "/write":
        write(b"written")
    if path == "/file":
        return environ["wsgi.file_wrapper"](io.BytesIO(b"file"))
    if path == "/raise-late":
        return raise_late()
    if path == "/count":
        gc.collect()
        return [str(len(gc.get_objects())).encode()]
    return [environ["wsgi.input"].read()]


def replaced(start_response):
    start_response("200 OK", [])
    try:
        raise KeyError("replaced")
    except KeyError:
        start_response("500 Replaced", [], sys.exc_info())
    return [b"replaced"]


def raise_late():
    yield b"half"
    raise ValueError("late")
