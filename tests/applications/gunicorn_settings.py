"""Gunicorn's settings: a line in its log when a worker has imported the application."""


def post_worker_init(worker):
    worker.log.info("worker is ready")
