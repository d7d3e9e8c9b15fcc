"""Callables whose signature is that of an application, and some whose is not."""

import functools
import inspect


def answer(start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"answered"]


def of_one(request):
    return [b"answered"]


@functools.wraps(of_one)
def decorated(*args):
    return answer(args[-1])


@functools.wraps(of_one)
def adapted(environ, start_response):
    return answer(start_response)


def of_three(settings, environ, start_response):
    return answer(start_response)


partial = functools.partial(of_three, {})


def optional(environ, start_response, exc_info=None, *, debug=False):
    return answer(start_response)


def anything(*args, **kwargs):
    return answer(args[1])


class Static:
    @staticmethod
    def __call__(environ, start_response):
        return answer(start_response)


class OfClass:
    @classmethod
    def __call__(cls, environ, start_response):
        return answer(start_response)


class Proxy:
    def __init__(self, wrapped):
        self.wrapped = wrapped

    def __getattr__(self, name):
        return getattr(self.wrapped, name)

    def __call__(self, *args, **kwargs):
        return self.wrapped(*args, **kwargs)


class ByNew:
    def __new__(cls, environ, start_response):
        return answer(start_response)


class Meta(type):
    def __call__(cls, environ, start_response):
        return answer(start_response)


class ByMeta(metaclass=Meta):
    pass


def secretive(environ, start_response):
    return answer(start_response)


secretive.__signature__ = inspect.signature(of_one)
static, of_class, proxy = Static(), OfClass(), Proxy(optional)


def create_app():
    return optional


def create_app_of(settings=None):
    return optional


class Site:
    def __call__(self, environ, start_response):
        return answer(start_response)


async def asgi(scope, receive, send):
    pass


def keyword(environ, *, start_response):
    return answer(start_response)


def make_three():
    return of_three
