"""Forks while it is imported, and both processes go on."""
import os

os.fork()


def application(environ, start_response):
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
