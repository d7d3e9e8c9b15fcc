"""Compares the files that pyfcgid gives an application with those of `io`, and answers with what differs."""
import array
import csv
import gc
import inspect
import io
import sys
import zipfile

OPERATIONS = [
    # What is done, with `f` for the file.
    "f.readable()", "f.seekable()", "f.closed", "f.isatty()", "f.tell()", "f.read(2)", "f.tell()",
    "f.read1(3)", "f.read1()", "f.read1(-1)", "f.seek(0)", "f.read1(0)", "f.readline()", "f.tell()", "f.seek(2)", "f.read()",
    "f.seek(-3, 2)", "f.read()", "f.seek(-2, 1)", "f.read(1)", "f.seek(0, 1)", "f.seek(100)", "f.read()", "f.tell()",
    "f.readline()", "f.readlines()", "list(f)", "f.seek(-1000, 2)", "f.seek(-1000, 1)", "f.seek(1, 0)", "next(f)",
    "f.seek(-1)", "f.seek(0, 7)", "f.seek('x')", "f.seek(None)", "f.tell()", "f.seek(0)", "f.seek(1 << 70)", "f.seek(0)",
    "into(f.readinto, bytearray(5))", "into(f.readinto1, bytearray(3))", "into(f.readinto, bytearray(99))", "f.tell()",
    "f.seek(0)", "into(f.readinto, array.array('H', [0, 0]))", "f.seek(0)", "into(f.readinto, memoryview(bytearray(6))[1:4])",
    "f.readinto(b'read only')", "f.readinto('text')", "f.tell()", "f.readinto(bytearray())", "f.fileno()", "f.detach()",
    "f.seek(0)", "f.flush()", "f.__enter__() is f", "isinstance(f, io.IOBase)", "isinstance(f, io.BufferedIOBase)",
    "isinstance(f, io.TextIOBase)", "isinstance(f, io.RawIOBase)", "f.seek(3)", "io.BufferedReader(f).read(4)",
]
# A BytesIO can be written to, which a body cannot: here it is compared with a file that was opened for reading.
FOR_READING = ["f.writable()", "f.write(b'x')", "f.writelines([b'x'])", "f.truncate()", "f.truncate(1)"]
# What there is no place to go to in, compared with what has no methods of its own.
NOT_A_FILE = ["f.seekable()", "f.seek(0)", "f.tell()", "f.truncate()", "f.detach()", "f.closed"]
WHEN_CLOSED = [
    "f.closed", "f.close()", "f.closed", "f.read()", "f.readline()", "f.readlines()", "f.tell()", "f.seek(0)", "next(f)",
    "f.readinto(bytearray(1))", "f.readable()", "f.seekable()", "f.isatty()", "f.flush()", "f.__enter__()", "f.close()",
    "f.read1()", "list(f)",
]
SIGNATURES = {
    "isatty": "()", "read": "(size=-1, /)", "readline": "(size=-1, /)", "readlines": "(hint=-1, /)", "truncate": "(pos=None, /)",
    "seek": "(offset, whence=0, /)", "tell": "()", "detach": "()",
}


def into(method, target):
    return method(target), bytes(target)


def outcome(operation, f):
    try:
        value = eval(operation, {**globals(), "f": f})
        return type(value).__name__, value
    except Exception as error:
        return type(error).__name__, ""


def differences(operations, ours, model):
    for operation in operations:
        got, expected = outcome(operation, ours), outcome(operation, model)
        if got != expected:
            yield f"{operation}: {got} instead of {expected}\n"


def other_signatures(f):
    for name, expected in SIGNATURES.items():
        found = str(inspect.signature(getattr(f, name)))
        if found != expected:
            yield f"{name}: {found} instead of {expected}\n"


def check_input(stream):
    body = stream.read()
    stream.seek(0)
    with open("/dev/null", "rb") as model:
        yield from differences(FOR_READING, stream, model)
    yield from differences(OPERATIONS, stream, io.BytesIO(body))


def check_close(stream):
    yield from differences(WHEN_CLOSED, stream, io.BytesIO(stream.read()))


def check_errors(stream):
    model = open("/dev/null", "w", encoding="utf-8", errors="backslashreplace")
    yield from differences([
        "f.readable()", "f.writable()", "f.isatty()", "f.encoding", "f.errors", "f.newlines",
        "f.write('')", "f.write('four\\n')", "f.write(b'')", "f.writelines(['lines\\n', 'and others\\n'])",
        "f.writelines([b''])", "f.read()", "f.readline()", "f.readlines()", "next(f)", "f.flush()",
        "f.__enter__() is f", "isinstance(f, io.IOBase)", "isinstance(f, io.TextIOBase)", "isinstance(f, io.BufferedIOBase)",
        "f.mode", "print('a line', file=f)",
    ], stream, model)
    yield from differences(NOT_A_FILE + ["f.fileno()"], stream, io.TextIOBase())
    yield from other_signatures(stream)
    with stream:
        pass
    stream.close()
    print("written after it was closed", file=stream)


def check_output(stream):
    model = open("/dev/null", "wb")
    yield from differences([
        "f.closed", "f.readable()", "f.writable()", "f.isatty()", "f.mode", "f.write(b'')", "f.write(b'bytes\\n')",
        "f.write('text')", "f.writelines([b'of writelines, one\\n', b'of writelines, two\\n'])", "f.writelines(['text'])",
        "f.read()", "f.readline()", "f.readlines()", "f.readinto(bytearray(1))", "f.read1()", "next(f)", "f.flush()",
        "f.__enter__() is f", "isinstance(f, io.IOBase)", "isinstance(f, io.BufferedIOBase)", "isinstance(f, io.TextIOBase)",
        "f.write(array.array('H', [97, 98]))", "f.write(memoryview(b'part')[1:3])",
    ], stream, model)
    yield from differences(NOT_A_FILE, stream, io.BufferedIOBase())
    yield from other_signatures(stream)
    if stream.fileno() != 1:
        yield "f.fileno() is another's\n"
    stream.write(repr(list(array.array("H", [97, 98]))).encode() + b"\n")
    wrapper = io.TextIOWrapper(stream, encoding="utf-8")
    print("through another wrapper", file=wrapper)
    del wrapper
    gc.collect()
    stream.write(b"after it was closed\n")


def check_text(stream):
    return repr(list(csv.reader(io.TextIOWrapper(stream, "utf-8"))))


def check_twice(stream):
    first = stream.read()
    stream.seek(0)
    return repr([first, stream.read()])


def read_zip(stream):
    try:
        return zipfile.ZipFile(stream).read("hello")
    except zipfile.BadZipFile:
        return "needs a body"


def make_zip(_):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("hello", "hello from the archive")
    return made.getvalue()


CHECKS = {
    "/input": check_input, "/close": check_close, "/text": check_text, "/twice": check_twice, "/zip": read_zip,
    "/make-zip": make_zip,
}


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/errors":
        found = check_errors(environ["wsgi.errors"])
    elif path == "/output":
        found = check_output(sys.stdout.buffer)
    else:
        found = CHECKS[path](environ["wsgi.input"])
    body = found if isinstance(found, bytes) else "".join(found).encode()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]
