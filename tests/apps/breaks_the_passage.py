"""Sends through the passage what is no connection, takes what comes, and shuts what all processes of its pool share."""
import os
import select
import socket
import tempfile
import time

from its_channels import sockets

SO_TIMESTAMP = 29


def send(data, descriptors):
    for passage in sockets("messages"):
        with passage:
            try:
                if descriptors:
                    socket.send_fds(passage, [data], descriptors, socket.MSG_DONTWAIT)
                else:
                    passage.send(data, socket.MSG_DONTWAIT)
            except OSError:
                pass  # It is full, or shut.


def again_and_again(until, *messages):
    while time.monotonic() < until:
        for message in messages:
            send(*message)
        time.sleep(0.005)


def credentials(until):
    for passage in sockets("messages"):
        passage.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    again_and_again(until, (b"\0", []), (b"\1" + b"x" * 100, []))


def timestamps(until):
    for passage in sockets("messages"):
        passage.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMP, 1)
    again_and_again(until, (b"\0", []))


def ten_descriptors(until):
    pair = socket.socketpair()
    again_and_again(until, (b"\0", [end.fileno() for end in pair] * 5))


def no_descriptor(until):
    again_and_again(until, (b"", []), (b"\0", []), (b"\0" * 100_000, []))


def wrong_kinds(until):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("")
    listener.listen()
    datagrams = socket.socketpair(type=socket.SOCK_DGRAM)
    unconnected = socket.socket(socket.AF_INET)
    pipe, poll = os.pipe(), select.epoll()
    with tempfile.TemporaryFile(dir="own") as file:
        kinds = [*pipe, poll.fileno(), file.fileno(), listener.fileno(), datagrams[0].fileno(), unconnected.fileno()]
        again_and_again(until, *[(b"\0half a record", [kind]) for kind in kinds])
    os.close(pipe[0])
    os.close(pipe[1])


def unread_in_masses(until):
    near, far = socket.socketpair()
    again_and_again(until, (b"\1" + os.urandom(60_000), [near.fileno()]), (b"\1" + b"\xff" * 65_600, [far.fileno()]))


def full(until):
    near, far = socket.socketpair()
    with near, far:
        while time.monotonic() < until:
            send(b"\0", [near.fileno()])


def taken(until):
    passages = sockets("messages")
    while time.monotonic() < until:
        for passage in passages:
            try:
                _, received, _, _ = socket.recv_fds(passage, 1 << 17, 32, socket.MSG_DONTWAIT)
                for descriptor in received:
                    os.close(descriptor)
            except OSError:
                time.sleep(0.001)


def shut(until):
    for passage in sockets("messages"):
        passage.shutdown(socket.SHUT_RDWR)


def listener_shut(until):
    for listener in sockets("listener"):
        listener.shutdown(socket.SHUT_RDWR)


def listener_emptied(until):
    """Connections are accepted, and kept for nobody."""
    kept, listeners = [], sockets("listener")
    while time.monotonic() < until and len(kept) < 200:
        for listener in listeners:
            listener.setblocking(False)
            try:
                kept.append(listener.accept())
            except OSError:
                time.sleep(0.001)


ATTACKS = {
    "passage_credentials": credentials,
    "passage_timestamps": timestamps,
    "passage_ten_descriptors": ten_descriptors,
    "passage_no_descriptor": no_descriptor,
    "passage_wrong_kinds": wrong_kinds,
    "passage_unread_in_masses": unread_in_masses,
    "passage_full": full,
    "passage_taken": taken,
    "passage_shut": shut,
    "listener_shut": listener_shut,
    "listener_emptied": listener_emptied,
}
