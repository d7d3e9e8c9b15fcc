"""What a process of a pool and its supervisor talk through, as any application finds it."""
import os
import socket
import stat
import time


def descriptors():
    return [int(name) for name in os.listdir("/proc/self/fd")]


def kind_of(descriptor):
    """`link` for any connected stream, `messages` for the log and the passage, `listener`, `output` for a pipe, or nothing."""
    try:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return "output"
        found = socket.socket(fileno=os.dup(descriptor))
    except OSError:
        return None
    with found:
        if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return "listener"
        if found.family != socket.AF_UNIX:
            return None
        # Requests come on streams that have a name.
        has_name = bool(found.getsockname())
        return {socket.SOCK_STREAM: None if has_name else "link", socket.SOCK_SEQPACKET: "messages"}.get(found.type)


def of_kind(kind):
    return [descriptor for descriptor in descriptors() if kind_of(descriptor) == kind]


def sockets(kind):
    """Copies, so that closing them closes nothing."""
    return [socket.socket(fileno=os.dup(descriptor)) for descriptor in of_kind(kind)]


def flood(targets, pieces, until, most):
    """Writes the pieces in turn to all of them, until then or until so many bytes are written."""
    written = number = 0
    while targets and time.monotonic() < until and written < most:
        piece = pieces[number % len(pieces)]
        number += 1
        for target in list(targets):
            try:
                written += os.write(target, piece)
            except BlockingIOError:
                time.sleep(0.0005)
            except OSError:
                targets.remove(target)
