"""Prints in the way that the path says, and answers with the number of the request."""
import json
import logging
import os
import sys
import threading
import time
import traceback

LOGGER = logging.getLogger("prints")
LOGGER.addHandler(logging.StreamHandler(sys.stderr))


def fall(way, depth):
    if depth:
        return fall(way, depth - 1)
    try:
        {}["cause"]
    except KeyError:
        raise ValueError("of " + way)


def pieces(number):
    for _ in range(50):
        for _ in range(20):
            print(number, end=" ")
            time.sleep(0)
        print("end of", number)


def in_a_thread():
    print("a line of a thread")
    print("the rest of a thread", end="")


def flush(gate):
    print("whole before the flush\nbegun before the flush ", end="", flush=True)
    while not os.path.exists(gate):
        time.sleep(0.01)
    print("and ended after it")


def write_json(file, way):
    for length in (10, 100_000):
        print(json.dumps({"way": way, "text": "x" * length}), file=file)


def run(thread):
    thread.start()
    thread.join()


def fail(way, errors):
    try:
        fall(way, 19)
    except ValueError:
        if way == "/logging":
            LOGGER.exception("it fell")
        elif way == "/print_exc":
            traceback.print_exc()
        elif way == "/wsgi.errors":
            traceback.print_exc(file=errors)
        else:
            sys.excepthook(*sys.exc_info())


def application(environ, start_response):
    way, query, errors = environ["PATH_INFO"], environ["QUERY_STRING"], environ["wsgi.errors"]
    text = f"first of {way}\nsecond of {way}"
    if way == "/stdout":
        print(text)
    elif way == "/stderr":
        print(text, file=sys.stderr)
    elif way.startswith("/descriptor-"):
        os.write(int(way[-1]), f"first of {way}\n".encode())
    elif way == "/pieces":
        pieces(query)
    elif way == "/no-end":
        print("a beginning", end="")
    elif way == "/long":
        print("y" * 200_000)
    elif way == "/own-thread":
        run(threading.Thread(target=in_a_thread))
    elif way == "/thread":
        run(threading.Thread(target=fall, args=(way, 19)))
    elif way == "/flush":
        flush(query)
    elif way == "/json":
        write_json(sys.stdout, "print")
    elif way == "/errors-json":
        write_json(errors, "wsgi.errors")
    elif way == "/escape":
        print("\x1b[31mred\x1b[0m")
    else:
        fail(way, errors)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["pyfcgid.request_id"].encode()]
