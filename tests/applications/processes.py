"""Processes that the runner starts, and that are gone when it is done."""

import itertools
import os
import pwd
import signal
import socket
import subprocess
import time

# Root's applications run as the user that Debian's web servers are.
APPLICATION_USER = "www-data" if os.geteuid() == 0 else None
NUMBERS = itertools.count()
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Fault(Exception):
    """What went wrong, in one line."""


class Process:
    """A process with all that it starts: whoever is in its session, or has its mark in the environment."""

    def __init__(self, name, command, log, env=None, directory="/", user=None):
        self.name, self.log = name, log
        self.mark = f"APPLICATIONS_MARK={os.getpid()}-{next(NUMBERS)}"
        output = open(log, "ab")
        with output:
            self.popen = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**clean_environment(user), **(env or {}), **dict([self.mark.split("=")])}, cwd=directory,
                start_new_session=True, **as_user(user))

    def wait_until(self, is_ready, seconds):
        """Waits until is_ready() is true; a Fault with the last lines of the log if the process ends, or never is."""
        end = time.monotonic() + seconds
        while not is_ready():
            if self.popen.poll() is not None:
                raise Fault(f"{self.name} ended with {self.popen.returncode}: {last_lines(self.log)}")
            if time.monotonic() > end:
                raise Fault(f"{self.name} is not ready after {seconds} s: {last_lines(self.log)}")
            time.sleep(0.05)

    def signal(self, number):
        self.popen.send_signal(number)

    def stop(self, seconds=40):
        """Asks it to stop; the Fault that it has to be killed, or that it leaves a process behind."""
        faults = []
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                faults.append(f"{self.name} does not stop within {seconds} s")
        left = self.members()
        end = time.monotonic() + 5
        while left and time.monotonic() < end and not faults:
            time.sleep(0.05)
            left = self.members()
        if left:
            faults.append(f"{self.name} leaves {len(left)} processes behind")
            for pid in left:
                kill(pid)
        self.popen.wait()
        return faults

    def members(self):
        """The processes of its session, and those that went into another one."""
        return [pid for pid, session in sessions() if (session == self.popen.pid or self.mark in environment(pid)) and not is_zombie(pid)]


def sessions():
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                yield int(name), os.getsid(int(name))
            except ProcessLookupError:
                pass


def environment(pid):
    """What a process was started with: forked ones have it, too. PostgreSQL and nginx write over theirs."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().decode(errors="replace").split("\0")
    except OSError:
        return []


def is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(command, log, env=None, directory="/", user=None, seconds=600):
    """Runs a command to its end."""
    with open(log, "ab") as output:
        output.write(("$ " + " ".join(str(word) for word in command) + "\n").encode())
        output.flush()
        try:
            ended = subprocess.run(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=seconds,
                env={**clean_environment(user), **(env or {})}, cwd=directory, **as_user(user))
        except subprocess.TimeoutExpired:
            raise Fault(f"{command[0]} does not end within {seconds} s") from None
    if ended.returncode != 0:
        raise Fault(f"{' '.join(str(word) for word in command[:4])} … ended with {ended.returncode}: {last_lines(log)}")


def as_user(user):
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def clean_environment(user):
    kept = {name: os.environ[name] for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")}
    return {**kept, "PATH": SYSTEM_PATH, "LANG": "C.UTF-8", **({"USER": user, "LOGNAME": user} if user else {})}


def give_away(path):
    """Makes a directory with all that is in it the application's user's."""
    if APPLICATION_USER is not None:
        subprocess.run(["chown", "-R", f"{APPLICATION_USER}:", str(path)], check=True)


def last_lines(log, number=3):
    try:
        with open(log, errors="replace") as lines:
            kept = [line.strip() for line in lines if line.strip()]
    except OSError:
        return "no log"
    return " | ".join(kept[-number:])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_open(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
