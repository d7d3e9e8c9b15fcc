"""Never stops yielding, or with `/write` writing, of its own will."""
import time


def application(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/write":
        try:
            while True:
                write(b"on and on ")
                time.sleep(0.001)
        finally:
            environ["wsgi.errors"].write("stopped writing\n")
    return body(environ)


def body(environ):
    try:
        while True:
            yield b"on and on "
            time.sleep(0.001)
    finally:
        environ["wsgi.errors"].write("the generator was closed\n")
