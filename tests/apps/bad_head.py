"""Says things to start_response that no web server may get. The path names the fault, `?catch` catches the exception."""
import sys

TYPE = ("Content-Type", "text/plain")
HEADS = {
    "/crlf-in-value": ("200 OK", [TYPE, ("X-A", "a\r\nX-Injected: yes")]),
    "/lf-in-value": ("200 OK", [TYPE, ("X-A", "a\nX-Injected: yes")]),
    "/cr-in-value": ("200 OK", [TYPE, ("X-A", "a\rX-Injected: yes")]),
    "/nul-in-value": ("200 OK", [TYPE, ("X-A", "a\0b")]),
    "/crlf-in-name": ("200 OK", [TYPE, ("X-A: a\r\nX-Injected", "yes")]),
    "/crlf-in-status": ("200 OK\r\nX-Injected: yes", [TYPE]),
    "/nul-in-status": ("200 O\0K", [TYPE]),
    "/colon-in-name": ("200 OK", [TYPE, ("X-A:", "a")]),
    "/space-in-name": ("200 OK", [TYPE, ("X A", "a")]),
    "/empty-name": ("200 OK", [TYPE, ("", "a")]),
    "/non-latin-1-value": ("200 OK", [TYPE, ("X-A", "\u20ac")]),
    "/non-latin-1-name": ("200 OK", [TYPE, ("X-\u20ac", "a")]),
    "/non-latin-1-status": ("200 \u20ac", [TYPE]),
    "/bytes-value": ("200 OK", [TYPE, ("X-A", b"a")]),
    "/bytes-name": ("200 OK", [TYPE, (b"X-A", "a")]),
    "/number-value": ("200 OK", [TYPE, ("X-A", 1)]),
    "/lone-string": ("200 OK", ["X-A: a"]),
    "/triple": ("200 OK", [("X-A", "a", "b")]),
    "/headers-are-none": ("200 OK", None),
    "/status-without-number": ("OK", [TYPE]),
    "/status-of-two-digits": ("20 OK", [TYPE]),
    "/status-of-four-digits": ("2000 OK", [TYPE]),
    "/status-without-space": ("200OK", [TYPE]),
    "/status-below-100": ("099 Low", [TYPE]),
    "/interim-status": ("103 Early Hints", [TYPE]),
    "/empty-status": ("", [TYPE]),
    "/bytes-status": (b"200 OK", [TYPE]),
    "/number-status": (200, [TYPE]),
    "/status-header": ("200 OK", [TYPE, ("Status", "404 Not Found")]),
    "/content-length-of-letters": ("200 OK", [TYPE, ("Content-Length", "many")]),
    "/negative-content-length": ("200 OK", [TYPE, ("Content-Length", "-3")]),
    "/two-content-lengths": ("200 OK", [TYPE, ("Content-Length", "3"), ("Content-Length", "4")]),
    "/connection": ("200 OK", [TYPE, ("Connection", "close")]),
    "/keep-alive": ("200 OK", [TYPE, ("Keep-Alive", "timeout=5")]),
    "/proxy-authenticate": ("200 OK", [TYPE, ("Proxy-Authenticate", "Basic")]),
    "/proxy-authorization": ("200 OK", [TYPE, ("Proxy-Authorization", "Basic eDp5")]),
    "/te": ("200 OK", [TYPE, ("TE", "trailers")]),
    "/trailer": ("200 OK", [TYPE, ("Trailer", "X-A")]),
    "/transfer-encoding": ("200 OK", [TYPE, ("transfer-encoding", "chunked")]),
    "/upgrade": ("200 OK", [TYPE, ("Upgrade", "h2c")]),
}


def application(environ, start_response):
    head = HEADS[environ["PATH_INFO"]]
    if environ["QUERY_STRING"] != "catch":
        start_response(*head)
        return [b"never to be seen"]
    try:
        start_response(*head)
    except Exception as error:
        start_response("200 OK", [TYPE], sys.exc_info())
        return [type(error).__name__.encode()]
    return [b"accepted"]
