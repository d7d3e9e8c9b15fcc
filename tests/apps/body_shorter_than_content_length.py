"""Sends less than it announced."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "100")])
    return iter([b"seventeen bytes!!"])
