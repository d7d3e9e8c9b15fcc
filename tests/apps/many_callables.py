"""Offers applications of every shape under other names than the default ones."""


def answer(text, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text]


def plain(environ, start_response):
    return answer(b"plain", start_response)


class Instance:
    def __call__(self, environ, start_response):
        return answer(b"instance", start_response)

    def method(self, environ, start_response):
        return answer(b"method", start_response)


class Class:
    """The class itself is the application: its instance is the iterable (PEP 3333)."""

    def __init__(self, environ, start_response):
        self.body = answer(b"class", start_response)

    def __iter__(self):
        yield from self.body


instance = Instance()


def factory():
    return lambda environ, start_response: answer(b"factory", start_response)


def failing_factory():
    raise RuntimeError("the factory burnt down")
