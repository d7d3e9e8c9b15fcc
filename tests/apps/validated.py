"""wsgiref's validator around an application that uses everything PEP 3333 offers."""
import warnings
from wsgiref.validate import validator

warnings.simplefilter("error")


def inner(environ, start_response):
    return WAYS[environ["PATH_INFO"]](environ, start_response)


def get(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"got"]


def read(environ, start_response):
    body = b""
    while chunk := environ["wsgi.input"].read(7):
        body += chunk
    return echo(body, start_response)


def readline(environ, start_response):
    body = b""
    while line := environ["wsgi.input"].readline():
        body += line
    return echo(body, start_response)


def readlines(environ, start_response):
    return echo(b"".join(environ["wsgi.input"].readlines()), start_response)


def iterate(environ, start_response):
    return echo(b"".join(environ["wsgi.input"]), start_response)


def echo(body, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]


def chunks(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([b"a", b"b", b"c"])


def write(environ, start_response):
    put = start_response("200 OK", [("Content-Type", "text/plain")])
    put(b"written ")
    put(b"twice ")
    return [b"and returned"]


def errors(environ, start_response):
    environ["wsgi.errors"].write("a line from the validated app\n")
    environ["wsgi.errors"].writelines(["another\n"])
    environ["wsgi.errors"].flush()
    return echo(b"logged", start_response)


def empty(environ, start_response):
    start_response("204 No Content", [])
    return []


WAYS = {"/get": get, "/read": read, "/readline": readline, "/readlines": readlines, "/iterate": iterate, "/chunks": chunks,
        "/write": write, "/errors": errors, "/empty": empty}

application = validator(inner)
