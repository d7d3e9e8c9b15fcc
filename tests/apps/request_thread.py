"""Starts a thread that goes on after the request, until the file that GATE names is there."""
import atexit
import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

EXECUTOR = ThreadPoolExecutor(1)
print("imported,\nand nothing more", end="")
atexit.register(print, "atexit ran")


def send_mail():
    while not os.path.exists(os.environ["GATE"]):
        time.sleep(0.01)
    print("mail sent", flush=True)


def hang():
    print("hanging", flush=True)
    print("and has begun to say so", end="")
    while True:
        time.sleep(0.01)


def start(**options):
    thread = threading.Thread(target=send_mail, name="mailer", **options)
    thread.start()
    return b"daemon %s" % str(thread.daemon).encode()


def fork():
    process = multiprocessing.get_context("fork").Process(target=print, args=("forked",))
    process.start()
    process.join(20)
    return b"exit code %d" % process.exitcode


WAYS = {
    "/": start,
    "/daemon": lambda: start(daemon=True),
    "/executor": lambda: repr(EXECUTOR.submit(send_mail)).encode(),
    "/hang": hang,
    "/nothing": lambda: b"nothing",
    "/process": fork,
}


def application(environ, start_response):
    body = WAYS[environ["PATH_INFO"]]()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]
