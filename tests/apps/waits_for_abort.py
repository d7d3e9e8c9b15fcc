"""Runs until the request is aborted, and says so in the log."""
import time


def application(environ, start_response):
    aborted = environ["pyfcgid.aborted"]
    write = start_response("200 OK", [("X-Aborted", repr(aborted()))])
    write(b"running")
    deadline = time.monotonic() + 20
    while not aborted():
        if time.monotonic() > deadline:
            environ["wsgi.errors"].write("never aborted\n")
            return [b" to the end"]
        time.sleep(0.002)
    environ["wsgi.errors"].write(f"aborted is {aborted()!r}\n")
    return [b" aborted"]
