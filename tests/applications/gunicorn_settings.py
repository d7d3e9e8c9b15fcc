"""Gunicorn's settings: a line in its log when a worker has imported the application."""

import sys


def post_worker_init(_worker):
    # Not by its logger, which an application's logging.config may have silenced.
    print("worker is ready", file=sys.stderr, flush=True)
