"""Answers too much, too little, or never, and ends the process in a request."""
import ctypes
import os
import signal
import time

SECONDS = 20


def for_ever():
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        yield b"on and on "
        time.sleep(0.0005)


def endless(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return for_ever()


def endless_head(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return for_ever()


def endless_no_content(environ, start_response):
    start_response("204 No Content", [])
    return for_ever()


def short(environ, start_response):
    start_response("200 OK", [("Content-Length", "100")])
    return [b"short"]


def empty(environ, start_response):
    start_response("200 OK", [("Content-Length", "100")])
    return []


def leave(environ, start_response):
    os._exit(4)


def stop(environ, start_response):
    os.kill(os.getpid(), signal.SIGSTOP)
    return []


def hold(environ, start_response):
    ctypes.PyDLL(None).usleep(700_000)
    start_response("200 OK", [])
    return [b"at last"]


def forge(environ, start_response):
    environ["wsgi.errors"].write("fine\n2026-01-01 00:00:00.000 +0000 [info] shop[1]: forged\n\x1b[31mforged\x1b[2J\n")
    start_response("200 OK", [("X-Forged", "a\x1bb")])
    return [b"forged"]


def interrupt(environ, start_response):
    raise KeyboardInterrupt("\x1b[31mforged")


def sleep(environ, start_response):
    time.sleep(10)
    start_response("200 OK", [])
    return [b"late"]


ATTACKS = {
    "request_endless": endless,
    "request_endless_head": endless_head,
    "request_endless_no_content": endless_no_content,
    "request_short": short,
    "request_empty": empty,
    "request_exit": leave,
    "request_stop": stop,
    "request_hold": hold,
    "request_forge": forge,
    "request_interrupt": interrupt,
    "request_sleep": sleep,
}
