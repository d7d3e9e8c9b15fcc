"""Tells its request id and whether it is aborted."""


def application(environ, start_response):
    aborted = environ["pyfcgid.aborted"]()
    identifier = environ["pyfcgid.request_id"]
    environ["wsgi.errors"].write("a line of this request\n")
    start_response("200 OK", [("X-Id", str(identifier)), ("X-Aborted", repr(aborted))])
    return [b"x"]
