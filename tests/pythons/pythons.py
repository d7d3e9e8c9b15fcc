"""The Pythons that there are on this machine, and those of Debian sid; of each that is not there, why."""

import os
import subprocess
from pathlib import Path

from processes import Fault
from sid import Sid

DEBIAN = "/usr/bin/python3"
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
OF_PYENV = ("3.9", "3.10", "3.11", "3.12", "3.13")
OF_SID = ("3.14", "3.15")
REFUSED = ("2.7", "3.8")


class Python:
    """One of them: a program, or why there is none."""

    def __init__(self, name, program=None, missing=None):
        self.name, self.program, self.missing = name, program and Path(program), missing

    @property
    def version(self):
        return self.name.split()[-1]


class Pythons:
    def __init__(self, place, log):
        names = [f"python{version}{part}" for version in OF_SID for part in ("", "-venv")]
        # numpy's wheel takes the library of C++ from the system.
        self.sid, self.log = Sid(place / "sid", [*names, "libstdc++6", "pypy3"]), log

    def all(self):
        found = [debian()]
        found += [of_pyenv(version) for version in OF_PYENV]
        try:
            self.sid.unpack(self.log)
        except Fault as fault:
            return found + [Python(f"sid {version}", missing=str(fault)) for version in OF_SID]
        return found + [runs(Python(f"sid {version}", self.sid.program(f"python{version}"))) for version in OF_SID]

    def pypy(self):
        if not (self.sid.root / "usr/bin/pypy3").exists():
            return Python("PyPy", missing="sid could not be unpacked")
        return runs(Python("PyPy", self.sid.program("pypy3")))


def debian():
    if not Path(DEBIAN).exists():
        return Python("Debian", missing=f"there is no {DEBIAN}")
    python = runs(Python("Debian", DEBIAN))
    python.name = f"Debian {said(python.program)}"
    return python


def of_pyenv(version):
    found = sorted((PYENV / "versions").glob(f"{version}.*/bin/python{version}"))
    if not found:
        return Python(f"pyenv {version}", missing=f"pyenv has none: pyenv install {version}")
    return runs(Python(f"pyenv {version}", found[-1]))


def runs(python):
    """That it is there does not say that it runs."""
    try:
        said(python.program)
    except (OSError, subprocess.CalledProcessError) as error:
        return Python(python.name, missing=f"{python.program} does not run: {error}")
    return python


def said(program):
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([program, "-c", code], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
