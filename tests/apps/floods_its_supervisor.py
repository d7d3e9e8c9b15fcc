"""Writes to its link what is no report, half of one, or too many."""
import os
import socket
import struct
import time

from its_channels import flood, of_kind, sockets

ESCAPE = b"\x1b]0;forged title\x07\x1b[31mforged"


def report(kind, payload=b""):
    return kind + struct.pack(">I", len(payload)) + payload


SATURATED = report(b"S")
STATES = [report(kind) for kind in (b"S", b"L", b"W", b"R", b"D")]
MOST = 64 << 20


def skipped_reports(until):
    flood(of_kind("link"), [report(b"x") * 800], until, MOST)


def endless_length(until):
    flood(of_kind("link"), [b"F\xff\xff\xff\xff"] + [b"\0" * 65536] * 1000, until, MOST)


def half_a_report(until):
    flood(of_kind("link"), [b"F\0\0\0\x20\0"], until, 6)


def reports_byte_by_byte(until):
    flood(of_kind("link"), [bytes([byte]) for byte in b"".join(STATES)], until, MOST)


def reports_in_masses(until):
    flood(of_kind("link"), STATES, until, MOST)


def saturation_in_masses(until):
    flood(of_kind("link"), [SATURATED * 700], until, MOST)


def failures_in_masses(until):
    flood(of_kind("link"), [report(b"F", b"\0" + ESCAPE * 2000)], until, MOST)


def random_bytes(until):
    flood(of_kind("link"), [os.urandom(4096) for _ in range(16)], until, MOST)


def link_closed(until):
    for descriptor in of_kind("link"):
        os.close(descriptor)
    time.sleep(max(0, until - time.monotonic()))


def link_shut(until):
    for link in sockets("link"):
        link.shutdown(socket.SHUT_RDWR)
    time.sleep(max(0, until - time.monotonic()))


def link_half_shut(until):
    for link in sockets("link"):
        link.shutdown(socket.SHUT_WR)


def link_stolen(until):
    """Commands are read before the process hears them."""
    links = sockets("link")
    while time.monotonic() < until:
        for link in links:
            try:
                link.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                time.sleep(0.001)


def descriptors_on_the_link(until):
    null = os.open("/dev/null", os.O_RDONLY)
    for link in sockets("link"):
        for _ in range(100):
            socket.send_fds(link, [report(b"S")], [null] * 50, socket.MSG_DONTWAIT)
    os.close(null)


ATTACKS = {
    "link_skipped_reports": skipped_reports,
    "link_endless_length": endless_length,
    "link_half_a_report": half_a_report,
    "link_reports_byte_by_byte": reports_byte_by_byte,
    "link_reports_in_masses": reports_in_masses,
    "link_saturation_in_masses": saturation_in_masses,
    "link_failures_in_masses": failures_in_masses,
    "link_random_bytes": random_bytes,
    "link_closed": link_closed,
    "link_shut": link_shut,
    "link_half_shut": link_half_shut,
    "link_stolen": link_stolen,
    "link_descriptors": descriptors_on_the_link,
}
