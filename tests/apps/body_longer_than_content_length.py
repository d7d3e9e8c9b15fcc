"""Sends more than it announced. The path says how."""


def application(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    if environ["PATH_INFO"] == "/write":
        write(b"hel")
        write(b"lo world")
        return []
    if environ["PATH_INFO"] == "/one":
        return [b"hello world"]
    return iter([b"hel", b"lo w", b"orld"])
