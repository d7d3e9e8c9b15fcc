"""Uses wsgi.input in the one way that its path names and answers with the repr of what came."""
import threading

WAYS = {
    "/readline-size": lambda stream: [stream.readline(4), stream.readline(4), stream.readline(4), stream.readline(4)],
    "/readline": lambda stream: [stream.readline(), stream.readline(), stream.readline()],
    "/readline-zero": lambda stream: [stream.readline(0), stream.readline()],
    "/read-minus-one": lambda stream: [stream.read(-1), stream.read(-1)],
    "/read": lambda stream: [stream.read(), stream.read()],
    "/read-none": lambda stream: [stream.read(None)],
    "/read-zero": lambda stream: [stream.read(0), stream.read(3)],
    "/read-too-much": lambda stream: [stream.read(10**9), stream.read(1)],
    "/read-huge": lambda stream: [stream.read(2**62)],
    "/iterate": lambda stream: list(stream),
    "/readlines": lambda stream: stream.readlines(),
    "/iter-is-itself": lambda stream: [next(iter(stream)), next(iter(stream))],
    "/mixed": lambda stream: [stream.read(2), stream.readline(), next(iter(stream)), stream.read()],
    "/nothing": lambda stream: [],
    "/in-a-thread": lambda stream: in_a_thread(stream),
    "/read-text": lambda stream: refused(lambda: stream.read("3")),
    "/count": lambda stream: [len(stream.read())],
}


def application(environ, start_response):
    result = WAYS[environ["PATH_INFO"]](environ["wsgi.input"])
    start_response("200 OK", [("X-Length", environ.get("CONTENT_LENGTH", "absent"))])
    return [repr(result).encode()]


def in_a_thread(stream):
    result = []
    thread = threading.Thread(target=lambda: result.append(stream.read()))
    thread.start()
    thread.join()
    return result


def refused(call):
    try:
        return [call()]
    except TypeError:
        return ["TypeError"]
