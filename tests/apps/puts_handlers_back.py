"""Takes the handlers of signals away at its import, puts them back, and tells which they were."""
import signal

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGQUIT", "SIGALRM", "SIGPIPE")


def told(handler):
    return getattr(handler, "name", None) or getattr(handler, "__name__", None) or repr(handler)


found = []
for name in NAMES:
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_IGN)
    signal.signal(number, before)
    found.append(f"{name} {told(before)}\n")


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["".join(found).encode()]
