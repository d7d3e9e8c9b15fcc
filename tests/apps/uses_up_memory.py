"""Takes all the memory that it gets, in the ways that its paths name."""
import _thread
import os
import sys
import threading
import time


def at_once():
    bytearray(10**10)


def in_small_pieces():
    pieces = []
    while True:
        pieces.append(bytearray(1000))


def for_threads():
    end = threading.Event()
    try:
        while True:
            # threading.Thread waits for ever for one that had no memory left to say that it has begun.
            _thread.start_new_thread(end.wait, ())
    finally:
        end.set()


def until_it_is_told():
    """Keeps all that there is, down to the last bytes, from when there is a directory `held` until there is one `told`."""
    pieces, size, is_held = [], 1 << 24, False
    while True:
        try:
            if size:
                pieces.append(bytearray(size))
                continue
            if not is_held:
                os.mkdir("held")
                is_held = True
            if os.path.exists("told"):
                return
            time.sleep(0.01)
        except MemoryError:
            size //= 2


def in_its_last_words():
    """As if it were pyfcgid itself that gets none."""
    os.write(2, b"memory allocation of 7 bytes failed\n")
    os.abort()


TAKES = {"/at-once": at_once, "/small": in_small_pieces, "/threads": for_threads, "/held": until_it_is_told, "/dies": in_its_last_words}


def application(environ, start_response):
    path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    if path in TAKES:
        TAKES[path]()
    start_response("200 OK", [])
    if path == "/body":
        return [b"%d" % len(environ["wsgi.input"].read())]
    if path == "/line":
        return [b"%d" % len(environ["wsgi.input"].readline())]
    if path == "/list":
        return [b"x"] * 500_000
    if path == "/large":
        return [b"x" * 30_000_000]
    if path == "/prints":
        print("x" * 900_000)
        sys.stderr.write("y" * 100_000)
        environ["wsgi.errors"].write("z" * 900_000)
    if path == "/raises":
        raise ValueError("x" * 3_000_000)
    return [b"%d" % os.getpid()]
