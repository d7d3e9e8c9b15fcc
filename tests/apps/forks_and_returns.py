"""Forks in the way that its path names; `/` tells the number of its process."""
import os
import time

PARENT = os.getpid()


def returns():
    return os.fork() == 0


def raises():
    if os.fork() == 0:
        raise ValueError("in the forked process")


def exits():
    """As a daemon is started."""
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            raise SystemExit("the grandchild")
        raise SystemExit(7)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def yields():
    yield b"first "
    os.fork()
    yield b"second"


def lingers():
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)


def application(environ, start_response):
    way = environ["PATH_INFO"][1:]
    if way == "yields":
        start_response("200 OK", [])
        return yields()
    result = globals()[way]() if way else None
    start_response("200 OK", [])
    return [f"{os.getpid() == PARENT} {os.getpid()} {result}".encode()]
