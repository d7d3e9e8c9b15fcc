"""Attacks what the processes of a pool share to wait in line, and the queue process, which runs as their user."""
import ctypes
import os
import random
import resource
import signal
import socket
import time

from its_channels import sockets
from leaves_processes import note_itself
from signals_everybody import PTRACE_ATTACH, PTRACE_SEIZE, continued_later, siblings, tried

WORDS = b"pyfcgid-scoreboard"


def queue_processes():
    def name(process):
        try:
            with open(f"/proc/{process}/comm") as file:
                return file.read().strip()
        except OSError:
            return ""
    return [process for process in siblings() if name(process) == "pyfcgid: queue"]


def stop_the_queue(until):
    for process in queue_processes():
        tried(os.kill, process, signal.SIGSTOP)


def stop_the_queue_for_a_moment(until):
    for process in queue_processes():
        continued_later(process, 1)
        tried(os.kill, process, signal.SIGSTOP)


def kill_the_queue(until):
    while time.monotonic() < until:
        for process in queue_processes():
            tried(os.kill, process, signal.SIGKILL)
        time.sleep(0.005)


def signal_the_queue(until):
    """What it has no use for, and what ends it gracefully."""
    while time.monotonic() < until:
        for process in queue_processes():
            number = random.choice([signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGCONT, signal.SIGTTIN])
            tried(os.kill, process, number)
        time.sleep(0.01)


def starve_the_queue(until):
    for process in queue_processes():
        tried(resource.prlimit, process, resource.RLIMIT_NOFILE, (4, 4))
        tried(resource.prlimit, process, resource.RLIMIT_AS, (1 << 20, 1 << 20))
        tried(resource.prlimit, process, resource.RLIMIT_CPU, (1, 1))
        tried(os.setpriority, os.PRIO_PROCESS, process, 19)


def trace_the_queue(until):
    libc = ctypes.CDLL(None, use_errno=True)
    for process in queue_processes():
        for request in (PTRACE_ATTACH, PTRACE_SEIZE):
            libc.ptrace(request, process, 0, 0)
        descriptor = tried(os.open, f"/proc/{process}/mem", os.O_RDWR)
        if descriptor is not None:
            os.close(descriptor)


def held_by_a_tracer(until):
    """What becomes of a traced process is told to its tracer first, and this one never asks."""
    libc, traced = ctypes.CDLL(None), os.getpid()
    libc.prctl(4, 1, 0, 0, 0)
    libc.prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
    child = os.fork()
    if child == 0:
        try:
            if os.fork() == 0:
                os.setsid()
                note_itself()
                signal.alarm(12)
                libc.ptrace(PTRACE_SEIZE, traced, 0, 0)
                while True:
                    time.sleep(1)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def traced_by_the_supervisor(until):
    ctypes.CDLL(None).ptrace(0, 0, 0, 0)
    os.kill(os.getpid(), signal.SIGUSR1)


def fill(until):
    """Requests that wait as the line has them, with any time."""
    near, far = socket.socketpair()
    kept = [near, far]
    while time.monotonic() < until:
        for passage in sockets("messages"):
            with passage:
                for when in (0, 1, 2**63, 2**64 - 1):
                    try:
                        socket.send_fds(passage, [b"\0" + when.to_bytes(8, "big") + b"\1"], [near.fileno()], socket.MSG_DONTWAIT)
                    except OSError:
                        time.sleep(0.001)
    for end in kept:
        end.close()


def scoreboards():
    with open("/proc/self/maps") as maps:
        for line in maps:
            if WORDS.decode() in line:
                first, last = (int(number, 16) for number in line.split()[0].split("-"))
                yield (ctypes.c_uint32 * ((last - first) // 4)).from_address(first)


def scribble(until):
    values = [0, 1, 2, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
    boards = list(scoreboards())
    if not boards:
        raise RuntimeError("there is no scoreboard")
    while time.monotonic() < until:
        for board in boards:
            for _ in range(200):
                board[random.randrange(len(board))] = random.choice(values)
            board[:64] = [random.choice(values) for _ in range(64)]
        time.sleep(0.0005)


def all_are_full(until):
    """It says that for each process, again and again, and that nobody may wait."""
    boards = list(scoreboards())
    while time.monotonic() < until:
        for board in boards:
            board[:] = [2] * len(board)
        time.sleep(0.0005)


def slots(board):
    """The words of the first slots, behind the header and the seats, as numbers of 64 bits."""
    words = (ctypes.c_uint64 * (len(board) // 2)).from_address(ctypes.addressof(board))
    first = 16 + 8 * 2049
    return [(words, first + 96 * number) for number in range(256)]


def forge(until):
    """Requests that nobody has sent, with control characters, beyond all lengths, half of the time in the middle of a change."""
    text = int.from_bytes(b"\x1b]0;hi\x07", "little")
    for board in scoreboards():
        for words, first in slots(board):
            for index in range(96):
                words[first + index] = text
            words[first + 1], words[first + 2], words[first + 6] = 1, random.randrange(1 << 64), (1 << 64) - 1
    while time.monotonic() < until:
        for board in scoreboards():
            for words, first in random.sample(slots(board), 16):
                words[first] = random.randrange(1 << 64)
                words[first + 3] = random.choice([0, 1, (1 << 64) - 1])
        time.sleep(0.0005)


def tear(until):
    """What is said changes whenever somebody may be reading it."""
    boards = [place for board in scoreboards() for place in slots(board)[:8]]
    while time.monotonic() < until:
        for _ in range(1000):
            for words, first in boards:
                words[first] += 1
        time.sleep(0)


def shorten(until):
    """A mapping that has no file behind it any more ends whoever reads it."""
    for directory in ("/proc/self/map_files", *(f"/proc/{process}/fd" for process in [*siblings(), os.getpid()])):
        for name in tried(os.listdir, directory) or ():
            path = f"{directory}/{name}"
            if WORDS.decode() not in (tried(os.readlink, path) or ""):
                continue
            descriptor = tried(os.open, path, os.O_RDWR)
            if descriptor is not None:
                tried(os.ftruncate, descriptor, 0)
                tried(os.ftruncate, descriptor, 1 << 40)
                os.close(descriptor)


def block(until):
    """Whether a socket blocks is said by its open file, which all who have it share."""
    while time.monotonic() < until:
        for kind in ("messages", "listener", "link"):
            for found in sockets(kind):
                with found:
                    found.setblocking(True)
        time.sleep(0.01)


ATTACKS = {
    "queue_stopped": stop_the_queue,
    "queue_stopped_for_a_moment": stop_the_queue_for_a_moment,
    "queue_killed": kill_the_queue,
    "queue_signalled": signal_the_queue,
    "queue_starved": starve_the_queue,
    "queue_traced": trace_the_queue,
    "line_filled": fill,
    "line_blocking": block,
    "scoreboard_scribbled": scribble,
    "scoreboard_all_full": all_are_full,
    "scoreboard_forged": forge,
    "scoreboard_torn": tear,
    "scoreboard_shortened": shorten,
    "traced_by_an_orphan": held_by_a_tracer,
    "traced_by_the_supervisor": traced_by_the_supervisor,
}
