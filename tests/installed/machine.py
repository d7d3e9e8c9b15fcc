"""Debian in a directory: made by debootstrap, and booted by systemd-nspawn, with a network of its own, or entered without a systemd."""

import os
import shutil
import signal
import subprocess
import time

from processes import Fault, last_lines

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What a machine has that was installed with the usual installer, as far as it concerns us.
BASE = "systemd-sysv,ca-certificates,curl,init-system-helpers,procps"
# Fetched while there is a network; installed when the machine runs.
LATER = ("nginx", "python3-flask", "logrotate", "rsyslog")


class Base:
    """A new root of a release, from which machines are copied. Nothing in it has ever been booted."""

    def __init__(self, release, place):
        self.release, self.root, self.log = release, place / f"{release}.base", place / f"{release}.log"

    def make(self):
        """Does nothing if it is there."""
        if self.root.exists():
            return
        unfinished = self.root.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        # What it mounts goes with it, also when it is killed.
        self.run(["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child",
                  "debootstrap", "--variant=minbase", f"--include={BASE}", self.release, unfinished])
        (unfinished / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
        shutil.copy("/etc/resolv.conf", unfinished / "etc/resolv.conf")
        Entered(unfinished, self.log).run("apt-get install -y --download-only " + " ".join(LATER), seconds=600, network=True)
        unfinished.rename(self.root)

    def copy(self, name):
        root = self.root.with_name(f"{self.release}.{name}")
        shutil.rmtree(root, ignore_errors=True)
        self.run(["cp", "-a", "--reflink=auto", self.root, root])
        return root

    def run(self, command):
        with open(self.log, "ab") as log:
            ended = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if ended.returncode != 0:
            raise Fault(f"{command[0]} … ended with {ended.returncode}: {last_lines(self.log)}")


class Shell:
    """Runs commands in a root."""

    def __init__(self, root, log):
        self.root, self.log = root, log

    def enter(self):
        """The words before a command that make it run inside."""
        raise NotImplementedError

    def try_run(self, command, seconds=120, **settings):
        """The exit code, and all that was said."""
        words = [*self.enter(**settings), "bash", "-c", command]
        try:
            ended = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, timeout=seconds, encoding="utf-8", errors="replace")
        except subprocess.TimeoutExpired:
            raise Fault(f"{command} does not end within {seconds} s") from None
        with open(self.log, "a") as log:
            log.write(f"$ {command}\n{ended.stdout}= {ended.returncode}\n")
        return ended.returncode, ended.stdout

    def run(self, command, **settings):
        """What was said by a command that succeeds."""
        code, said = self.try_run(command, **settings)
        if code != 0:
            raise Fault(f"{command} ended with {code}: {said.strip()[-600:]}")
        return said

    def start(self, command):
        """A command that runs on beside the test."""
        words = [*self.enter(), "bash", "-c", f"exec {command}"]
        return subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                encoding="utf-8", errors="replace")

    def wait_for(self, what, is_so, seconds=30):
        """Returns after how many seconds it was so."""
        begin = time.monotonic()
        while not is_so():
            if time.monotonic() > begin + seconds:
                raise Fault(f"{what}: not within {seconds} s")
            time.sleep(0.1)
        return time.monotonic() - begin

    def write(self, path, text):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        # As an editor does: nobody sees half a file.
        new = file.with_name(file.name + ".new")
        new.write_text(text)
        new.rename(file)

    def install_file(self, file, path):
        """Copies a file of ours into it."""
        shutil.copy(file, self.root / path.lstrip("/"))

    def environment(self, network):
        kept = ("http_proxy", "https_proxy", "no_proxy") if network else ()
        settings = {name: os.environ[name] for name in kept if name in os.environ}
        settings.update(PATH=PATH, HOME="/root", LANG="C.UTF-8", DEBIAN_FRONTEND="noninteractive", TERM="dumb")
        return ["env", "-i", *(f"{name}={value}" for name, value in settings.items())]


class Entered(Shell):
    """A root without a systemd, as after chroot(8) or in a container: each command has its mounts, and all that it starts ends with
    the first process of the root, `sleep`."""

    def __init__(self, root, log):
        super().__init__(root, log)
        self.keeper = None

    def __enter__(self):
        self.keeper = subprocess.Popen([*APART, MOUNTS + 'exec chroot "$1" sleep infinity', "-", str(self.root)], stdin=subprocess.DEVNULL)
        self.wait_for("the root", lambda: self.leader() is not None)
        return self

    def __exit__(self, *_):
        self.keeper.kill()
        self.keeper.wait()

    def leader(self):
        pid = child_of(self.keeper.pid)
        return pid if pid and comm(pid) == "sleep" else None

    def enter(self, network=False):
        if self.keeper is not None:
            return [*nsenter(self.leader()), "chroot", self.root, *self.environment(network)]
        return [*APART, MOUNTS + 'exec chroot "$@"', "-", self.root, *self.environment(network)]


class Booted(Shell):
    """A machine whose systemd runs, in a network of its own."""

    def __init__(self, root, log):
        super().__init__(root, log)
        self.nspawn, self.leader = None, None

    def __enter__(self):
        self.boot()
        return self

    def __exit__(self, *_):
        self.shut_down()

    def boot(self):
        with open(self.log, "ab") as log:
            self.nspawn = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "systemd-nspawn", "-q", "-D", str(self.root), "--register=no", "--keep-unit",
                 "--private-network", "--console=pipe", "-b"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
        self.wait_for("systemd", self.is_up, seconds=90)

    def is_up(self):
        if self.nspawn.poll() is not None:
            raise Fault(f"systemd-nspawn ended with {self.nspawn.returncode}: {last_lines(self.log)}")
        pid = child_of(self.nspawn.pid)
        if pid is None or comm(pid) != "systemd":
            return False
        self.leader = pid
        return self.try_run("systemctl is-system-running")[1].strip() in ("running", "degraded")

    def shut_down(self):
        """In order if it can."""
        self.nspawn.send_signal(signal.SIGTERM)
        try:
            self.nspawn.wait(60)
        except subprocess.TimeoutExpired:
            self.nspawn.kill()
            self.nspawn.wait()

    def enter(self, network=False):
        return [*nsenter(self.leader), *self.environment(network)]


def nsenter(pid):
    return ["nsenter", "--target", str(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"]


def child_of(pid):
    """Its first child, or that one's if it has one only to wait for it."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            found = children.read().split()
    except OSError:
        return None
    return int(found[0]) if found else None


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm") as name:
            return name.read().strip()
    except OSError:
        return None


# Mounts and processes end with it, and it with us.
APART = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "slave", "bash", "-euc"]
MOUNTS = """
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount --rbind /sys "$1/sys"
# Not this machine's /dev/log.
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
for name in null zero full random urandom tty; do
    : >"$1/dev/$name"
    mount --bind "/dev/$name" "$1/dev/$name"
done
mkdir -m 1777 "$1/dev/shm"
ln -s /proc/self/fd "$1/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$1/run"
"""
