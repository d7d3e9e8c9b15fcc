"""Gets hold of the sockets that it shares with the other processes of its pool. The path says what it does to them."""
import array
import os
import resource
import select
import socket
import tempfile
import time

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
    elif what == "hog":
        try:
            while True:
                held.append(os.dup(0))
        except OSError:
            pass
    elif what == "release":
        while held:
            os.close(held.pop())
    elif what == "pause":
        time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
