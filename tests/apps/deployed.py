"""Answers with its version, its process, its path and its body, after `?SECONDS`. Tests deploy it with other versions."""
import os
import time

VERSION = 0


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    if environ.get("QUERY_STRING"):
        time.sleep(float(environ["QUERY_STRING"]))
    head = f"{VERSION} {os.getpid()} {environ['PATH_INFO']} {len(body)}\n"
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [head.encode() + body]
