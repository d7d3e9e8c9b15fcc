"""Tells what the thread is that runs it. `/meet?N` waits until N requests run at once."""
import json
import threading

LOCAL = threading.local()
BARRIERS = {}
LOCK = threading.Lock()


def application(environ, start_response):
    LOCAL.count = getattr(LOCAL, "count", 0) + 1
    if environ["PATH_INFO"] == "/meet":
        meet(int(environ["QUERY_STRING"]))
    thread = threading.current_thread()
    shown = {
        "name": thread.name,
        "type": type(thread).__name__,
        "daemon": thread.daemon,
        "ident": thread.ident == threading.get_ident(),
        "listed": thread in threading.enumerate(),
        "is_main": thread is threading.main_thread(),
        "main_alive": threading.main_thread().is_alive(),
        "count": LOCAL.count,
        "multithread": environ["wsgi.multithread"],
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(shown).encode()]


def meet(parties):
    with LOCK:
        barrier = BARRIERS.setdefault(parties, threading.Barrier(parties, timeout=20))
    barrier.wait()
