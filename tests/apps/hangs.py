"""Requests that take too long, each in a way of its own, which its path names, and some that run beside them."""
import atexit
import ctypes
import math
import os
import re
import socket
import subprocess
import sys
import threading
import time

import pyfcgid

LIBC, LIBC_WITH_GIL = ctypes.CDLL(None), ctypes.PyDLL(None)
LOCK = threading.Lock()
LOCK.acquire()
READS, WRITES = socket.socketpair()
# So long is a request beside a hang, and so long is the GIL kept.
BESIDE, KEEPS = (float(os.environ.get(name, "3")) for name in ("BESIDE", "KEEPS"))
TOGETHER = threading.Barrier(int(os.environ.get("TOGETHER", "8")))


def loops():
    while True:
        pass


def sleeps():
    time.sleep(3600)


def naps():
    while True:
        time.sleep(0.01)


def waits():
    LOCK.acquire()


def reads():
    READS.recv(1)


def sleeps_in_c():
    while True:
        LIBC.sleep(3600)


def matches():
    re.match(r"(a+)+$", "a" * LETTERS + "b")


def letters():
    """With one more it takes twice as long."""
    count = 16
    while True:
        begun = time.thread_time()
        re.match(r"(a+)+$", "a" * count + "b")
        took = time.thread_time() - begun
        if took > 0.05:
            return count + int(math.log2(KEEPS / took))
        count += 1


def keeps_the_gil():
    """In a read that no signal ends."""
    with subprocess.Popen(["sleep", str(KEEPS)], stdout=subprocess.PIPE) as sleep:
        LIBC_WITH_GIL.read(sleep.stdout.fileno(), ctypes.create_string_buffer(1), 1)


def catches():
    while True:
        try:
            loops()
        except BaseException:
            continue


def joins():
    """A thread that is no daemon, and does not end."""
    thread = threading.Thread(target=sleeps)
    thread.start()
    thread.join()


def forks():
    child = os.fork()
    if not child:
        time.sleep(3600)
    os.waitpid(child, 0)


def in_destructor():
    class Hangs:
        def __del__(self):
            loops()

    Hangs()


class Response:
    def __init__(self, pieces, close=None, delete=None):
        self.pieces, self.delete = pieces, delete
        if close:
            self.close = close

    def __iter__(self):
        return iter(self.pieces)

    def __del__(self):
        if self.delete:
            self.delete()


def streams(hang):
    yield b"a piece"
    hang()


def writes_late(environ, start_response):
    """Goes on when its time is over, and tries all there is to answer after all."""
    write = start_response("200 OK", [])
    if environ["QUERY_STRING"] == "begun":
        write(b"a piece")
    try:
        loops()
    except pyfcgid.RequestTimeout:
        print("caught RequestTimeout", flush=True)
    # Time for the next request on the connection.
    time.sleep(0.3)
    outcomes = []
    threading.Thread(target=lambda: (time.sleep(0.6), attempt(write, b"LATE thread"))).start()
    for call, arguments in [(write, (b"LATE write",)), (start_response, ("200 OK", [("LATE", "head")])),
                            (start_response, ("200 OK", [], (ValueError, ValueError("LATE"), None)))]:
        outcomes.append(attempt(call, *arguments))
    print("late:", *outcomes, flush=True)
    return [b"LATE body"]


def attempt(call, *arguments):
    try:
        call(*arguments)
        return "done"
    except BaseException as error:
        return type(error).__name__


def beside(start_response):
    """As long as a hang takes, with a piece now and then."""
    start_response("200 OK", [])
    begun = time.monotonic()
    yield b"begin "
    while time.monotonic() < begun + BESIDE:
        time.sleep(0.02)
        yield b"."
    yield b" end"


def in_a_loop():
    begun, sum_ = time.monotonic(), 0
    while time.monotonic() < begun + BESIDE:
        time.sleep(0.005)
        sum_ += sum(range(100))


def big(start_response):
    start_response("200 OK", [("Content-Length", str(64 << 20))])
    for _ in range(64):
        yield bytes(1 << 20)


def deadlines(environ):
    """What is left of the time, and what is after the times that the query names were set, one after another."""
    left = environ["pyfcgid.deadline"]
    told = [left()]
    for seconds in environ["QUERY_STRING"].split(","):
        if seconds:
            pyfcgid.set_deadline(None if seconds == "None" else float(seconds))
            told.append(left())
    return " ".join(str(each if each is None else round(each, 1)) for each in told)


def lasts(seconds):
    """In a call that does not last longer if its process is stopped for a while. Older Pythons sleep in select(2), which does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        LIBC.poll(None, 0, int((end - time.monotonic()) * 1000) + 1)


def application(environ, start_response):
    path = environ["PATH_INFO"].rstrip("/").rsplit("/", 1)[-1]
    if path == "together":
        TOGETHER.wait(20)
    elif path == "beside":
        return beside(start_response)
    elif path == "in_a_loop":
        in_a_loop()
    elif path == "works":
        time.sleep(0.01)
    elif path == "keeps_the_gil_behind":
        threading.Timer(0.3, keeps_the_gil).start()
    elif path == "starts_a_thread":
        threading.Thread(target=sleeps).start()
    elif path == "big":
        return big(start_response)
    elif path == "deadline":
        start_response("200 OK", [])
        return [deadlines(environ).encode()]
    elif path == "lasts":
        deadlines(environ)
        lasts(float(environ.get("HTTP_SECONDS", "1")))
    elif path == "uploads":
        start_response("200 OK", [])
        return [str(len(environ["wsgi.input"].read())).encode()]
    elif path == "writes_late":
        return writes_late(environ, start_response)
    elif path == "streams":
        start_response("200 OK", [])
        return streams(loops)
    elif path == "streams_with_length":
        start_response("200 OK", [("Content-Length", "100")])
        return streams(sleeps)
    elif path == "in_close":
        start_response("200 OK", [])
        return Response([b"a piece"], close=loops)
    elif path == "in_close_of_c":
        start_response("200 OK", [])
        return Response([b"a piece"], close=waits)
    elif path == "in_del":
        start_response("200 OK", [])
        return Response([b"a piece"], delete=loops)
    elif path == "in_del_of_environ":
        environ["test.hangs"] = Response([], delete=loops)
    elif path != "hello":
        getattr(sys.modules[__name__], path)()
    start_response("200 OK", [("X-Pid", str(os.getpid())), ("X-Id", environ["pyfcgid.request_id"])])
    return [b"hello"]


LETTERS = letters() if "KEEPS" in os.environ else 0
if os.path.exists("hang-at-import"):
    sleeps()
elif os.environ.get("HANGS") == "exit":
    atexit.register(sleeps)
