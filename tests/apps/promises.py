"""Answers with what an application can find out about where it runs."""
import json
import os
import sys
import threading

IMPORTED = {
    "thread": threading.current_thread() is threading.main_thread(),
    "value": os.environ.get("VALUE"),
    "directory": os.getcwd(),
    "count": getattr(sys, "imported_so_often", 0) + 1,
    "stdin": sys.stdin.read(),
}
sys.imported_so_often = IMPORTED["count"]
BARRIER = threading.Barrier(4, timeout=20)
REQUESTS = []


class Body:
    """Notes the thread of each step."""

    def __init__(self):
        self.threads = [threading.get_ident()]
        self.steps = 0

    def __iter__(self):
        self.threads.append(threading.get_ident())
        return self

    def __next__(self):
        self.threads.append(threading.get_ident())
        self.steps += 1
        if self.steps > 5:
            raise StopIteration
        return b"piece"

    def close(self):
        self.threads.append(threading.get_ident())
        print("steps in", len(set(self.threads)), "thread of", len(self.threads))


def application(environ, start_response):
    REQUESTS.append(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "application/json")])
    if environ["PATH_INFO"] == "/steps":
        return Body()
    if environ["PATH_INFO"] == "/meet":
        return [b"%d" % BARRIER.wait()]
    return [json.dumps({**IMPORTED, "requests": REQUESTS}).encode()]
