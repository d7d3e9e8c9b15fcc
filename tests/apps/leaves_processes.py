"""Leaves processes behind, which hold what they have inherited. Those that are left on purpose are noted in `own/left`."""
import ctypes
import os
import signal
import time

SECONDS = 12


def live_on():
    """Ends by itself: nobody is to be left for long."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)
    while True:
        time.sleep(1)


def fork_away(then):
    """A grandchild, which has no parent."""
    child = os.fork()
    if child == 0:
        try:
            if os.fork() == 0:
                then()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def note_itself():
    descriptor = os.open("own/left", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(descriptor, b"%d\n" % os.getpid())
    os.close(descriptor)


def orphan(until):
    def then():
        note_itself()
        live_on()
    fork_away(then)


def short_orphans(until):
    for _ in range(20):
        fork_away(lambda: os._exit(7))


def deaf_orphan(until):
    def then():
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        note_itself()
        live_on()
    fork_away(then)


def daemon(until):
    def then():
        os.setsid()
        note_itself()
        live_on()
    fork_away(then)


def daemon_behind_python(until):
    """Past Python's and the C library's fork, so that nothing is closed in it."""
    libc = ctypes.PyDLL(None)
    if libc.syscall(57 if os.uname().machine == "x86_64" else 1079) == 0:
        try:
            # Another thread may have asked for the GIL, and who gives it away in this copy waits for that thread, which is not here.
            signal.alarm(1)
            os.setsid()
            note_itself()
            signal.alarm(SECONDS)
            while True:
                libc.usleep(100_000)
        finally:
            # Another attack may have taken away what a note needs, and here nothing of Python's ends as it should.
            os._exit(0)


def zombies(until):
    for _ in range(20):
        if os.fork() == 0:
            os._exit(0)


ATTACKS = {
    "orphan": orphan,
    "orphans_short": short_orphans,
    "orphan_deaf": deaf_orphan,
    "daemon": daemon,
    "daemon_behind_python": daemon_behind_python,
    "zombies": zombies,
}
