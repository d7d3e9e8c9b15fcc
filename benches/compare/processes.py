"""Processes that are measured: started, watched, and ended by their ids."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

PATIENCE = 30


class NotRunning(Exception):
    """A server that does not start, or has ended."""


class Server:
    """A running server with a Unix socket or a port of its own."""

    def __init__(self, name, command, place, address, environment=None, stop_signal=signal.SIGINT):
        self.name = name
        self.address = address
        self.stop_signal = stop_signal
        self.log = place / f"{safe(name)}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                cwd=place,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self):
        return self.process.pid

    def wait_until_it_listens(self):
        deadline = time.monotonic() + PATIENCE
        while not can_connect(self.address):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise NotRunning(f"{self.name} does not listen: {self.last_words()}")
            time.sleep(0.02)

    def last_words(self):
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it says nothing"

    def stop(self):
        """Ends the process, and what it leaves behind."""
        tree = descendants(self.pid) if self.process.poll() is None else []
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(PATIENCE / 3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid, started in tree:
            if start_time(pid) == started:
                os.kill(pid, signal.SIGKILL)


def safe(name):
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def can_connect(address):
    family = socket.AF_UNIX if isinstance(address, (str, Path)) else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.connect(str(address) if family == socket.AF_UNIX else address)
        except OSError:
            return False
        return True


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            pass
    return found


def descendants(pid):
    """Those of a process, each with the time of its start, by which it is known again."""
    found = []
    for child in children(pid):
        found += [(child, start_time(child)), *descendants(child)]
    return found


def start_time(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def program(pid):
    return os.readlink(f"/proc/{pid}/exe")


def pss(pid):
    """Bytes of memory, what is shared in proportion."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
