"""Writes to its log, stdout and stderr what is no message, somebody else's, far too long, or without an end."""
import os
import socket

from its_channels import flood, of_kind, sockets

FORGED_ACCESS = b"Ashop 1 /?forged 200"
FORGED_RECORDS = [
    b"Ifine\n2026-01-01 00:00:00.000 +0000 [info] shop[1]: forged\n",
    b"CEPF9999forged with a code that is none",
    b"E\r2026-01-01 00:00:00.000 +0000 [error] pyfcgid[1]: forged by a carriage return",
    b"W\xe2\x80\xa82026-01-01 00:00:00.000 +0000 [warn] shop[1]: forged by a line separator",
]
ESCAPES = b"\x1b]0;forged title\x07\x1b[2J\x1b[31m\x9b31m\x00\x08\x7f\xc2\x9b31m"
MOST = 4 << 20


def malformed(until):
    flood(of_kind("messages"), [b"?", b"\0", b"\xff" * 1000, b"I", b"A", b"I\xff\xfe"], until, MOST)


def huge(until):
    flood(of_kind("messages"), [b"I" + b"x" * length for length in (32767, 32768, 65536, 150000)], until, MOST)


def forged(until):
    flood(of_kind("messages"), [FORGED_ACCESS, FORGED_ACCESS + b"\nshop 1 /?forged 200", *FORGED_RECORDS], until, MOST // 4)


def escapes(until):
    targets = of_kind("messages") + [1, 2]
    flood(targets, [b"E" + ESCAPES, b"A" + ESCAPES + b"\n", ESCAPES + b"\n"], until, MOST // 4)


def in_masses(until):
    flood(of_kind("messages"), [b"Ia line"], until, MOST)


def descriptors_in_the_log(until):
    null = os.open("/dev/null", os.O_RDONLY)
    for log in sockets("messages"):
        for _ in range(50):
            try:
                socket.send_fds(log, [b"Iwith descriptors"], [null] * 50, socket.MSG_DONTWAIT)
            except OSError:
                break
    os.close(null)


def endless_line(until):
    flood([1, 2], [b"x" * 65536], until, MOST)


def empty_lines(until):
    flood([1, 2], [b"\n" * 4096], until, MOST // 64)


def shut(until):
    for log in sockets("messages"):
        log.shutdown(socket.SHUT_RDWR)


def output_closed(until):
    os.close(1)
    os.close(2)


ATTACKS = {
    "log_malformed": malformed,
    "log_huge": huge,
    "log_forged": forged,
    "log_escapes": escapes,
    "log_in_masses": in_masses,
    "log_descriptors": descriptors_in_the_log,
    "log_shut": shut,
    "output_endless_line": endless_line,
    "output_empty_lines": empty_lines,
    "output_closed": output_closed,
}
