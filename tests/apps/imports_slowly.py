"""Takes a minute to import, and says when it begins."""
import os
import time

open(os.environ["STARTED"], "w").close()
time.sleep(60)


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"at last"]
