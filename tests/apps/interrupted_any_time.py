"""A few milliseconds of everything that may be interrupted, and a probe that must not be."""
import threading
import time

import pyfcgid


def compute(milliseconds):
    deadline = time.monotonic() + milliseconds / 1000
    while time.monotonic() < deadline:
        sum(range(20))


def computes(write):
    compute(4)
    return [b"done"]


def sleeps(write):
    for _ in range(4):
        time.sleep(0.001)
    return [b"done"]


def yields(write):
    for _ in range(4):
        yield b"piece"
        compute(1)


def writes(write):
    for _ in range(4):
        write(b"piece")
        compute(1)
    return []


def catches(write):
    try:
        compute(4)
    except pyfcgid.RequestAborted:
        compute(1)
    return [b"done"]


def ends_at_once(write):
    return [b"done"]


class closes:
    def __init__(self, write):
        self.pieces = iter([b"piece"] * 2)

    def __iter__(self):
        return self

    def __next__(self):
        compute(1)
        return next(self.pieces)

    def close(self):
        compute(2)


def probe(write):
    compute(1)
    return [threading.current_thread().name.encode()]


def application(environ, start_response):
    write = start_response("200 OK", [("X-Path", environ["PATH_INFO"])])
    return globals()[environ["PATH_INFO"].split("/")[1]](write)
