"""Notes each request where it begins, one line in a file, and answers it: `hold` not before the gate is opened, `NUMBER&SECONDS` after
so long."""
import os
import re
import time

STARTED = "started"
GATE = "gate"
time.sleep(float(os.environ.get("IMPORT_SECONDS", "0")))


def application(environ, start_response):
    number, _, seconds = environ["QUERY_STRING"].partition("&")
    line = f"{number} {os.getpid()} {time.monotonic_ns()}\n"
    notes = os.open(STARTED, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(notes, line.encode())
    os.close(notes)
    if number == "hold":
        while not os.path.exists(GATE):
            time.sleep(0.005)
    elif number == "hog":
        # Some seconds in C, with the GIL.
        re.match(r"(a+)+$", "a" * int(seconds) + "b")
    else:
        time.sleep(float(seconds or "0"))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [line.encode()]
