"""Yields empty chunks between the others."""


def application(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"")
    return iter([b"", b"a", b"", b"", b"b", b""])
