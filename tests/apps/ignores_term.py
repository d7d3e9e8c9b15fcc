"""Takes the signals away from the server, or tries to."""
import signal

for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
