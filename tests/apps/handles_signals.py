"""Sets handlers of signals at its import, as HANDLES names them, and prints what comes."""
import atexit
import faulthandler
import os
import signal
import socket
import threading
import time

WANTED = os.environ.get("HANDLES", "").split()
ticks = 0


def note(number, frame):
    where = "main" if threading.current_thread() is threading.main_thread() else "another"
    print(f"heard {signal.Signals(number).name} in the {where} thread", flush=True)


def fail(number, frame):
    raise ValueError("of the handler")


def take_long(number, frame):
    print("long begins", flush=True)
    time.sleep(float(os.environ["LONG"]))
    print("long ends", flush=True)


def tick(number, frame):
    global ticks
    ticks += 1
    if "raise" in WANTED:
        raise ValueError(f"tick {ticks}")


for name in WANTED:
    if name.startswith("SIG"):
        signal.signal(getattr(signal, name), note)
if "fail" in WANTED:
    signal.signal(signal.SIGWINCH, fail)
if "long" in WANTED:
    signal.signal(signal.SIGWINCH, take_long)
if "ticks" in WANTED or "raise" in WANTED:
    signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, 1 if "raise" in WANTED else 0.05, 0.02)
if "faulthandler" in WANTED:
    faulthandler.register(signal.SIGUSR2)
if "wakeup" in WANTED:
    ours, pythons = socket.socketpair()
    pythons.setblocking(False)
    signal.set_wakeup_fd(pythons.fileno())
atexit.register(print, "the end", flush=True)


def application(environ, start_response):
    path = environ["QUERY_STRING"]
    while path and not os.path.exists(path):
        time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(ticks).encode()]
