"""Leaves traces of its end in the directory that TRACES names."""
import atexit
import os
import threading
import time


def trace(name, text):
    with open(os.path.join(os.environ["TRACES"], name), "w") as file:
        file.write(text)


def watch_main_thread():
    while threading.main_thread().is_alive():
        time.sleep(0.005)
    trace("joined", "joined")


# Neither is closed, nor as much as a buffer holds written.
text = open(os.path.join(os.environ["TRACES"], "text"), "w")
text.write("text")
binary = open(os.path.join(os.environ["TRACES"], "binary"), "wb")
binary.write(b"binary")
atexit.register(lambda: trace("atexit", threading.current_thread().name))
threading.Thread(target=watch_main_thread).start()


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
