"""Packages of the same files under other versions, and one whose program refuses to serve."""

import subprocess
from pathlib import Path

REASON = "this program refuses everything"
REFUSING = f"#!/bin/sh\necho 'pyfcgid: {REASON}' >&2\nexit 78\n"


class Packages:
    """`first` is what `make deb` made; `second` is newer, `refusing` the newest."""

    def __init__(self, first, place):
        self.place, self.first = place, Path(first)
        self.version = field(self.first, "Version")
        self.second = self.another("+second")
        self.refusing = self.another("+third", REFUSING)

    def another(self, suffix, program=None):
        """The same package under a later version, perhaps with another program."""
        tree = self.place / f"package{suffix}"
        package = self.place / f"pyfcgid{suffix}.deb"
        if tree.exists():
            return package
        subprocess.run(["dpkg-deb", "-R", self.first, tree], check=True)
        control = tree / "DEBIAN/control"
        control.write_text(control.read_text().replace(f"Version: {self.version}", f"Version: {self.version}{suffix}"))
        if program is not None:
            (tree / "usr/bin/pyfcgid").write_text(program)
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "-z0", "-b", tree, package], check=True, stdout=subprocess.DEVNULL)
        return package


def field(package, name):
    return subprocess.run(["dpkg-deb", "-f", package, name], check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout.strip()
