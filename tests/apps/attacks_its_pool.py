"""Gets hold of the sockets that it shares with the other processes of its pool. The path says what it does to them."""
import array
import os
import select
import signal
import socket
import struct
import tempfile
import time

import its_channels

held = []
failures = set()


def sockets():
    # All of them first: the number that the listing itself had is free again, and the first copy may get it.
    copies = []
    for name in os.listdir("/proc/self/fd"):
        try:
            os.fstat(int(name))
        except OSError:
            continue
        copies.append(name)
    for name in copies:
        copy = os.dup(int(name))
        try:
            yield socket.socket(fileno=copy)
        except OSError:
            os.close(copy)


def passage():
    """Not the way to the log, which has a time limit for sending."""
    ends = [end for end in sockets() if end.type & 0xF == socket.SOCK_SEQPACKET]
    return [end for end in ends if end.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16) == bytes(16)]


def listeners():
    return [end for end in sockets() if end.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)]


def send(end, message, *things):
    numbers = array.array("i", [thing.fileno() for thing in things])
    control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)] if things else []
    try:
        end.sendmsg([message], control, socket.MSG_DONTWAIT)
    except OSError as error:
        failures.add(error.errno)


def strays(end):
    near, far = socket.socketpair()
    listening = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    send(end, b"\0", *[near] * 10)
    for message in (b"", b"\0", b"\1" + b"x" * 60000, b"y" * 70000):
        send(end, message)
    send(end, b"", near)
    with tempfile.TemporaryFile() as file, select.epoll() as epoll:
        for thing in (file, epoll, listening, udp, end):
            send(end, b"\0", thing)


def lingering():
    """A socket whose last close waits for an hour, unless a process that ends does it: its peer, which is held, reads nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        held.append(server.accept()[0].detach())
    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
    near.setblocking(False)
    try:
        while True:
            near.send(bytes(65536))
    except BlockingIOError:
        return near


def leave_lingering_ones():
    """In what the pool shares, while nobody reads it: the process that does so lives on, and is the only one that has them."""
    ends, things = passage(), [lingering() for _ in range(5)]
    pid = os.fork()
    if pid:
        for thing in things:
            thing.close()
        return pid
    os.setsid()
    kept = {*held, *(thing.fileno() for thing in [*ends, *things])}
    for number in set(map(int, os.listdir("/proc/self/fd"))) - kept:
        try:
            os.close(number)
        except OSError:
            pass
    time.sleep(0.5)
    os.kill(os.getppid(), signal.SIGSTOP)
    for end in ends:
        for thing in things:
            send(end, b"\2", thing)
    # The end of a process would not linger.
    for thing in ends:
        thing.close()
    for thing in things:
        thing.close()
    while True:
        time.sleep(60)


def application(environ, start_response):
    what = environ["PATH_INFO"][1:]
    if what == "passcred":
        for end in passage():
            for option in (socket.SO_PASSCRED, 34, 29, 76):
                try:
                    end.setsockopt(socket.SOL_SOCKET, option, 1)
                except OSError:
                    pass
    elif what == "strays":
        for end in passage():
            strays(end)
    elif what == "strangers":
        for end in passage():
            near, far = socket.socketpair()
            held.append(far.detach())
            send(end, b"\0", near)
            send(end, b"\1no FastCGI at all", near)
    elif what == "shut-passage":
        for end in passage():
            end.shutdown(socket.SHUT_RDWR)
    elif what == "shut-listeners":
        for end in listeners():
            end.shutdown(socket.SHUT_RD)
    elif what in ("hog", "hog-later"):
        time.sleep(0.5 if what == "hog-later" else 0)
        try:
            while True:
                held.append(os.dup(0))
        except OSError:
            pass
    elif what == "release":
        while held:
            os.close(held.pop())
    elif what == "linger":
        shared = {os.fstat(end.fileno()).st_ino for end in passage()}
        for end in its_channels.sockets("messages"):
            if os.fstat(end.fileno()).st_ino not in shared:
                send(end, b"Ihello", lingering())
    elif what == "leave-lingering":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(leave_lingering_ones()).encode()]
    elif what == "pause":
        time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
