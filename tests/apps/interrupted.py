"""What becomes of each kind of application when RequestAborted is raised in it."""
import threading
import time

import pyfcgid

BUSY = 20


def application(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)


def log(environ, text):
    environ["wsgi.errors"].write(text + "\n")


def compute(seconds):
    """Runs bytecode, as computing does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pass


def until_aborted(environ):
    """Runs bytecode until the abort is known, and then long enough for an exception to arrive."""
    deadline = time.monotonic() + BUSY
    while not environ["pyfcgid.aborted"]() and time.monotonic() < deadline:
        pass
    compute(0.1)


def hello(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]


def computes(environ, start_response):
    log(environ, "running")
    try:
        compute(BUSY)
    finally:
        log(environ, "cleaned up")
    return hello(environ, start_response)


def sleeps(environ, start_response):
    log(environ, "running")
    for _ in range(BUSY * 1000):
        time.sleep(0.001)
    return hello(environ, start_response)


def framework(environ, start_response):
    """As frameworks do: every Exception becomes an error page."""
    try:
        return computes(environ, start_response)
    except Exception as error:
        log(environ, f"an error page for {error!r}")
        start_response("500 Internal Server Error", [])
        return [b"sorry"]


def catches(environ, start_response):
    """Catches it, and computes on."""
    caught = 0
    log(environ, "running")
    for _ in range(2):
        try:
            until_aborted(environ)
        except pyfcgid.RequestAborted as error:
            caught += 1
            log(environ, f"caught {error!r}")
    log(environ, f"caught {caught}")
    return hello(environ, start_response)


def yields(environ, start_response):
    start_response("200 OK", [])
    try:
        yield b"running"
        compute(BUSY)
    except pyfcgid.RequestAborted:
        log(environ, "raised in the generator")
        raise
    finally:
        log(environ, "the generator has ended")


class Closes:
    """Computes in `__next__`, or breaks there, and computes in `close`."""

    def __init__(self, environ, where):
        self.environ, self.where, self.first = environ, where, True

    def __iter__(self):
        return self

    def __next__(self):
        if self.first:
            self.first = False
            return b"running"
        if self.where == "next":
            compute(BUSY)
        raise ValueError("broken before close")

    def close(self):
        log(self.environ, "closing")
        try:
            until_aborted(self.environ)
        except BaseException as error:
            log(self.environ, f"close was disturbed by {error!r}")
        else:
            log(self.environ, "closed undisturbed")


def interrupted_in_next(environ, start_response):
    start_response("200 OK", [])
    return Closes(environ, "next")


def interrupted_in_close(environ, start_response):
    start_response("200 OK", [])
    return Closes(environ, "close")


def writes(environ, start_response):
    """Writes until that fails, and then once more."""
    write = start_response("200 OK", [])
    try:
        write(b"running")
        while True:
            write(b"more")
    except BaseException as error:
        log(environ, f"the first is {type(error).__name__}")
    compute(0.1)
    try:
        write(b"more")
    except BaseException as error:
        log(environ, f"the second is {type(error).__name__}")
    return []


def writes_in_a_thread(environ, start_response):
    """A thread of its own writes; the worker waits for it."""
    write = start_response("200 OK", [])
    failed, begun = [], threading.Event()

    def write_on():
        begun.wait(BUSY)
        try:
            while True:
                write(b"more")
        except BaseException as error:
            log(environ, f"the thread has {type(error).__name__}")
            failed.append(True)

    threading.Thread(target=write_on).start()
    try:
        write(b"running")
        begun.set()
        while not failed:
            time.sleep(0.001)
        compute(0.1)
    except pyfcgid.RequestAborted:
        log(environ, "the worker has RequestAborted")
        begun.set()
        while not failed:
            time.sleep(0.001)
    return []


def raises_it_itself(environ, start_response):
    raise pyfcgid.RequestAborted("for no reason")


def about(environ, start_response):
    """What the exception is."""
    start_response("200 OK", [])
    kind = pyfcgid.RequestAborted
    return [f"{kind.__module__}.{kind.__qualname__} {kind.__base__.__name__}".encode()]
