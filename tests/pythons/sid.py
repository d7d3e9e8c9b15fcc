"""Pythons of Debian sid, unpacked into a directory: they run there with the C library that came along, whatever this machine's is."""

import os
import re
from pathlib import Path

from processes import Fault, run

LOADER = "usr/lib64/ld-linux-x86-64.so.2"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Where Debian's archive is, as this machine has been told.
SOURCES = ["/etc/apt/sources.list", *sorted(Path("/etc/apt/sources.list.d").glob("*"))]


class Sid:
    """A root directory with the packages of these names, and what they depend on."""

    def __init__(self, place, packages):
        self.place, self.packages, self.root = place, packages, place / "root"

    def unpack(self, log):
        """Without any of their scripts, and nothing of this machine's packages is touched."""
        if os.uname().machine != "x86_64":
            raise Fault("only tried on amd64")
        self.configure()
        self.apt(log, "update")
        self.apt(log, "install", "--download-only", *self.packages)
        for directory in ("lib", "lib64", "bin", "sbin"):
            (self.root / "usr" / directory).mkdir(parents=True, exist_ok=True)
            (self.root / directory).symlink_to(f"usr/{directory}")
        for package in sorted((self.place / "cache/archives").glob("*.deb")):
            run(["dpkg-deb", "-x", package, self.root], log)
            package.unlink()

    def configure(self):
        for directory in ("state/lists/partial", "cache/archives/partial", "preferences.d"):
            (self.place / directory).mkdir(parents=True)
        (self.place / "status").touch()
        (self.place / "sources.list").write_text(f"deb [signed-by={KEYRING}] {archive()} sid main\n")
        (self.place / "apt.conf").write_text(APT.format(place=self.place))

    def apt(self, log, *words):
        run(["apt-get", "-q", "-y", *words], log, {"APT_CONFIG": str(self.place / "apt.conf"), "DEBIAN_FRONTEND": "noninteractive"})

    def program(self, name):
        """The program of this name as one that runs outside of that root directory. Python looks for its library beside itself."""
        wrapper = self.place / "usr/bin" / name
        if not wrapper.exists():
            wrapper.parent.mkdir(parents=True, exist_ok=True)
            lib = self.place / "usr/lib"
            if not lib.is_symlink():
                lib.symlink_to(self.root / "usr/lib")
            wrapper.write_text(WRAPPER.format(root=self.root, loader=LOADER, libraries=LIBRARIES, name=name))
            wrapper.chmod(0o755)
        return wrapper


def archive():
    for path in SOURCES:
        if os.path.isfile(path):
            with open(path, errors="replace") as lines:
                found = re.search(r"^(?:deb |URIs:).*?(\S+://\S+/debian)/?(?:\s|$)", lines.read(), re.MULTILINE)
            if found:
                return found[1]
    raise Fault("no apt source of this machine names an archive of Debian")


APT = """\
Dir::State "{place}/state";
Dir::State::status "{place}/status";
Dir::Cache "{place}/cache";
Dir::Etc::sourcelist "{place}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferencesparts "{place}/preferences.d";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
"""
# Its own name is what Python is told, as if it was the program.
WRAPPER = """\
#!/bin/sh
exec {root}/{loader} --argv0 "$0" --library-path {root}/{libraries} {root}/usr/bin/{name} "$@"
"""
