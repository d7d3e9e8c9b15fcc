"""Sends a chunk, then waits for the file named in its query before it sends another. `/write` uses write()."""
import os
import time


def application(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/write":
        write(b"first")
        wait_for(environ["QUERY_STRING"])
        return [b" second"]
    return body(environ)


def body(environ):
    yield b"first"
    wait_for(environ["QUERY_STRING"])
    yield b" second"


def wait_for(path):
    deadline = time.monotonic() + 20
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise TimeoutError("the first chunk was never seen")
        time.sleep(0.005)
