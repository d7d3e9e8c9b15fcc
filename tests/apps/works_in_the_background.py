"""Has a thread of its own that counts, request or no request."""
import os
import threading
import time


def count():
    path = os.environ["COUNT_FILE"]
    for number in range(1, 1_000_000):
        with open(path + ".new", "w") as file:
            file.write(str(number))
        os.replace(path + ".new", path)
        time.sleep(0.005)


threading.Thread(target=count, daemon=True).start()


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
