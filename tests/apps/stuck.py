"""Requests that do not end by themselves, each for another reason, which its path names. Each says in the log that it runs."""
import os
import random
import re
import threading
import time

KEPT = threading.Lock()
KEPT.acquire()


def loops():
    while True:
        pass


def sleeps():
    time.sleep(0.5)
    loops()


def waits():
    KEPT.acquire()


def keeps_the_gil():
    re.match(r"(a+)+$", "a" * int(os.environ.get("LETTERS", "40")) + "b")


def gives_the_gil_up():
    threading.Event().wait(60)


def catches():
    caught = 0
    while caught < 2:
        try:
            loops()
        except BaseException as error:
            caught += 1
            print("caught", type(error).__name__, flush=True)


def dives(depth=900):
    dives(depth - 1) if depth else loops()


def yields():
    yield b"a piece"
    loops()


def application(environ, start_response):
    path = environ["PATH_INFO"][1:]
    print("running", path, flush=True)
    if path == "yields":
        start_response("200 OK", [])
        return yields()
    if path == "short":
        for _ in range(random.randrange(100)):
            sum(range(1000))
            # Who waits for the GIL gets it.
            time.sleep(0)
    else:
        globals()[path]()
    start_response("200 OK", [("X-Id", environ["pyfcgid.request_id"])])
    return [b"done"]
