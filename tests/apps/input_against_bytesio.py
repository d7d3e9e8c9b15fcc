"""Runs a random script of reads on wsgi.input and on a BytesIO of the same bytes, and reports the first difference.

The query is `seed,length`; the body is what `make_body` makes of it, which `/body` answers with.
"""
import io
import random


def make_body(seed, length):
    rng = random.Random(seed)
    share = rng.choice([0, 1, 20, 200])
    return bytes(10 if rng.randrange(256) < share else rng.randrange(256) for _ in range(length))


def application(environ, start_response):
    seed, length = map(int, environ["QUERY_STRING"].split(","))
    body = make_body(seed, length)
    if environ["PATH_INFO"] != "/body":
        body = check(environ["wsgi.input"], io.BytesIO(body), random.Random(seed + 1), length).encode()
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [body]


def check(stream, model, rng, length):
    steps = []
    after_end = 0
    while after_end < 6 and len(steps) < 600:
        step = rng.choice(STEPS)
        size = rng.choice([0, 1, 2, 7, 100, 8192, 65536, length, length + 1, rng.randrange(length + 2)])
        steps.append((step.__name__, size))
        got, expected = step(stream, model, size)
        if got != expected or type(got) is not type(expected):
            return f"after {steps[-8:]}: {got!r:.300} instead of {expected!r:.300}"
        after_end += model.tell() >= length
    if (stream.seek(0), stream.read()) != (model.seek(0), model.read()):
        return "the whole differs"
    return "ok" if stream.read() == model.read() else "the rest differs"


def read_size(stream, model, size):
    return stream.read(size), model.read(size)


def read_all(stream, model, size):
    if size % 5:
        return b"", b""
    return stream.read(), model.read()


def read_minus_one(stream, model, size):
    if size % 3:
        return b"", b""
    return stream.read(-1), model.read(-1)


def readline(stream, model, size):
    return stream.readline(), model.readline()


def readline_size(stream, model, size):
    return stream.readline(size), model.readline(size)


def readline_minus_one(stream, model, size):
    return stream.readline(-1), model.readline(-1)


def readlines(stream, model, size):
    if size % 4:
        return [], []
    return stream.readlines(), model.readlines()


def readlines_hint(stream, model, size):
    """The hint may be ignored (PEP 3333), but what comes must be whole lines."""
    got = stream.readlines(size)
    expected = []
    while len(expected) < len(got):
        expected.append(model.readline())
    return got, expected


def iterate(stream, model, size):
    return next(iter(stream), b"end"), next(iter(model), b"end")


def iterate_to_the_end(stream, model, size):
    if size % 6:
        return [], []
    return list(stream), list(model)


def seek(stream, model, size):
    whence = size % 3
    offset = size - model.tell() // 2 if whence == 1 else -size if whence == 2 else size
    return (stream.seek(offset, whence), stream.tell()), (model.seek(offset, whence), model.tell())


def readinto(stream, model, size):
    ours, theirs = bytearray(size), bytearray(size)
    return (stream.readinto(ours), ours), (model.readinto(theirs), theirs)


STEPS = [
    seek, readinto,
    read_size, read_size, read_size, readline, readline, readline_size, readline_size, readline_minus_one, iterate, iterate,
    read_all, read_minus_one, readlines, readlines_hint, iterate_to_the_end,
]
