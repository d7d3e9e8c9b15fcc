"""Keeps the objects of its first request and uses them in the second."""

KEPT = {}


def application(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    if not KEPT:
        KEPT.update(environ=environ, write=write, start_response=start_response)
        return [b"kept"]
    old = KEPT["environ"]
    attempts = {
        "input.read": lambda: old["wsgi.input"].read(),
        "input.readline": lambda: old["wsgi.input"].readline(),
        "input.readlines": lambda: old["wsgi.input"].readlines(),
        "input.next": lambda: list(old["wsgi.input"]),
        "write": lambda: KEPT["write"](b"late"),
        "start_response": lambda: KEPT["start_response"]("200 OK", []),
        "errors.write": lambda: old["wsgi.errors"].write("late\n"),
        "errors.flush": lambda: old["wsgi.errors"].flush(),
        "aborted": lambda: old["pyfcgid.aborted"](),
    }
    return ["\n".join(f"{name}: {outcome(call)}" for name, call in attempts.items()).encode()]


def outcome(call):
    try:
        return repr(call())
    except Exception as error:
        return type(error).__name__
