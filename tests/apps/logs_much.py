"""Writes long lines and many of them to wsgi.errors."""


def application(environ, start_response):
    environ["wsgi.errors"].write("long " * 40_000 + "line\n")
    for number in range(1000):
        environ["wsgi.errors"].write(f"line {number}\n")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"logged"]
