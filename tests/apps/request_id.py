"""Answers with the number of the request, as it is told in every place where an application runs."""
from concurrent.futures import ThreadPoolExecutor

import pyfcgid
from pyfcgid import request_id

AT_IMPORT = request_id()
EXECUTOR = ThreadPoolExecutor(1)


class Body:
    def __init__(self, environ):
        self.environ = environ

    def __iter__(self):
        yield " ".join([self.environ["pyfcgid.request_id"], request_id(), self.environ["called"], self.environ["thread"]]).encode()

    def close(self):
        print("closed", request_id(), "imported", AT_IMPORT)


def application(environ, start_response):
    environ["called"] = pyfcgid.request_id()
    environ["thread"] = str(EXECUTOR.submit(request_id).result())
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Body(environ)
