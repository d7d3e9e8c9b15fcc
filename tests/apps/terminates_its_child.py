"""Forks a child and ends it with SIGTERM, as multiprocessing does; says how the child ended."""

import os
import signal
import time


def application(environ, start_response):
    child = os.fork()
    if child == 0:
        time.sleep(30)
        os._exit(0)
    os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.WTERMSIG(status) if os.WIFSIGNALED(status) else -1).encode()]
