"""Is in a time zone of its own, as Django sets it."""
import os
import time

os.environ["TZ"] = "WEST+3"
time.tzset()


def application(environ, start_response):
    start_response("200 OK", [])
    return [time.strftime("%z").encode()]
