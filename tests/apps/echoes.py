"""Answers with its cookie and its body, and logs that it ran. `?PATH` waits for the file PATH before it answers."""
import os
import time


def application(environ, start_response):
    cookie = environ.get("HTTP_COOKIE", "no cookie")
    environ["wsgi.errors"].write(f"the app ran for {cookie}\n")
    body = environ["wsgi.input"].read()
    wait_for(environ.get("QUERY_STRING"))
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Cookie", cookie)])
    return [cookie.encode("latin-1"), b"|", body]


def wait_for(path):
    deadline = time.monotonic() + 25
    while path and not os.path.exists(path):
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.002)
