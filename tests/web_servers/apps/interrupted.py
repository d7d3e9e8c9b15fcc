"""Silent until the gate opens, or at once with `/stream`, it streams for ever, and says what ends it, and when."""
import os
import time


def application(environ, start_response):
    if environ["PATH_INFO"].endswith("/short"):
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"short\n"
        return
    silent = not environ["PATH_INFO"].endswith("/stream")
    stage, give_up = "while it was silent" if silent else "while it streamed", time.monotonic() + 40
    try:
        environ["wsgi.errors"].write("running\n")
        while silent and not os.path.exists(os.environ["TEST_GATE"]) and time.monotonic() < give_up:
            time.sleep(0.002)
        stage = "while it streamed"
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Accel-Buffering", "no")])
        while time.monotonic() < give_up:
            yield b"on and on\n"
            time.sleep(0.002)
        stage = "at its end"
    finally:
        environ["wsgi.errors"].write(f"it ended {stage}\n")
