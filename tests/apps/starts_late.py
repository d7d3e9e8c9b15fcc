"""Calls start_response only when it is iterated over."""


def application(environ, start_response):
    start_response("202 Late", [("Content-Type", "text/plain")])
    yield b"late"
