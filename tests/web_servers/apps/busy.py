"""Always too busy, as a back end whose queue is full."""


def application(environ, start_response):
    start_response("503 Service Unavailable", [("Content-Type", "text/plain"), ("Retry-After", "1")])
    return [b"busy\n"]
