"""A running container, made of an image and a service of the compose file: a root that is mounted as the service says, in namespaces of
its own."""

import os
import signal
import subprocess
import time
from pathlib import Path

from fault import Fault

# $1 root, $2 user, $3 directory, $4 "ro" or "rw", then mounts until --, as SOURCE:TARGET:MODE and tmpfs:TARGET, then NAME=VALUE and the command.
START = r"""
root=$1 user=$2 directory=$3 mode=$4
shift 4
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [[ $1 != -- ]]; do
    IFS=: read -r source target access <<<"$1"
    if [[ $source == tmpfs ]]; then
        mount -t tmpfs -o mode=1777 tmpfs "$root$target"
    else
        mount --bind "$source" "$root$target"
        mount -o "remount,bind,$access" "$root$target"
    fi
    shift
done
shift
mount -o "remount,bind,$mode" "$root"
if [[ -x /usr/sbin/ip ]]; then ip link set lo up; fi
limits=()
[[ $user == 0 ]] || limits=(--no-new-privs --bounding-set=-all)
exec chroot "$root" setpriv --reuid "$user" --regid "$user" --clear-groups "${limits[@]}" env -C "$directory" -i "$@"
"""


class Container:
    def __init__(self, name, image, service, volumes, here, log):
        """`volumes` are directories by their names, `here` is where the compose file is."""
        self.name, self.image, self.log = name, image, log
        self.environment = {**image.environment, **service.get("environment", {})}
        mounts = [self.mount(text, volumes, here) for text in service.get("volumes", [])]
        mounts += [f"tmpfs:{target}" for target in service.get("tmpfs", [])]
        mode = "ro" if service.get("read_only") else "rw"
        self.unshare = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "--propagation", "private", "bash", "-ec",
                        START, "-", image.root, image.user, image.directory, mode, *mounts, "--", *self.variables()]
        self.process = None

    def mount(self, text, volumes, here):
        source, target, *access = text.split(":")
        # As Docker does it where there is no such place yet.
        place = volumes[source] if source in volumes else (here / source).resolve(strict=True)
        inside = self.image.root / target.lstrip("/")
        if place.is_dir():
            inside.mkdir(parents=True, exist_ok=True)
        elif not inside.exists():
            inside.touch()
        return f"{place}:{target}:{access[0] if access else 'rw'}"

    def variables(self):
        return [f"{name}={value}" for name, value in self.environment.items()]

    def start(self, command):
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen([str(word) for word in [*self.unshare, *command]], stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output)

    def pid(self):
        """The process that is number 1 in there."""
        while self.process.poll() is None:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            if children:
                return int(children[0])
            time.sleep(0.01)
        raise Fault(f"{self.name} has ended: {self.said()[-500:]}")

    def run(self, command, user=None):
        """A command inside, as `docker exec` runs one: its exit code, and what it says."""
        user = user or self.image.user
        words = ["nsenter", "--target", self.pid(), "--mount", "--pid", "--net", f"--root=/proc/{self.pid()}/root", "--wdns=/", "setpriv",
                 "--reuid", user, "--regid", user, "--clear-groups", "env", "-i", *self.variables(), *command]
        ended = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return ended.returncode, ended.stdout

    def fetch(self, url):
        """A page, from the network that is its own."""
        command = ["nsenter", "--target", self.pid(), "--net", "curl", "--silent", "--show-error", "--fail", "--max-time", "20", url]
        ended = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if ended.returncode:
            raise Fault(f"no page at {url}: {ended.stderr.strip()}; {self.said()[-500:]}")
        return ended.stdout

    def wait_until(self, what, is_so, seconds=60):
        end = time.monotonic() + seconds
        while not is_so():
            if self.process.poll() is not None:
                raise Fault(f"{self.name} has ended while waiting for {what}: {self.said()[-500:]}")
            if time.monotonic() > end:
                raise Fault(f"waited {seconds} s for {what}: {self.said()[-500:]}")
            time.sleep(0.1)

    def said(self):
        return self.log.read_text(errors="replace")

    def stop(self, seconds=10):
        """As Docker does: TERM to its process 1, and after ten seconds KILL. Returns how it ended and after how long."""
        begun = time.monotonic()
        os.kill(self.pid(), signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Fault(f"{self.name} does not end within {seconds} s") from None
        return code, time.monotonic() - begun

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
