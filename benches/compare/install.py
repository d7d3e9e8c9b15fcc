"""The peers: what can be installed is, and what cannot is told."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

# Measured versions. Where one does not exist for this Python, the newest that does is taken.
FROM_PYPI = {
    "uWSGI": "uWSGI==2.0.31",
    "flup6": "flup6==1.1.1",
    "bjoern": "bjoern==3.2.2",
    "Granian": "granian==2.8.7",
    "Gunicorn": "gunicorn==27.0.1",
    "Waitress": "waitress==3.0.2",
    "Django": "Django==5.2.19",
}
SYSTEM_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
MOD_WSGI = Path("/usr/lib/apache2/modules/mod_wsgi.so")


class Tools:
    """What there is to measure with, and why the rest is missing."""

    def __init__(self, python, missing):
        self.python = python
        self.python_version = ask_python(python, "sys.version.split()[0]")
        self.bin = python.parent
        self.missing = missing
        self.nginx = find_program("nginx")
        self.apache = find_program("apache2")
        self.php_fpm = find_program("php-fpm*")
        if not self.nginx:
            missing["nginx"] = "no program nginx"
        if not self.apache or not MOD_WSGI.exists():
            missing["mod_wsgi"] = f"no program apache2, or no {MOD_WSGI}"
        elif linked_python(MOD_WSGI) != minor(self.python_version):
            missing["mod_wsgi"] = f"it is for Python {linked_python(MOD_WSGI)}, and this is {self.python_version}"
        if not self.php_fpm:
            missing["PHP-FPM"] = "no program php-fpm"

    def versions(self):
        ask = [self.python, "-m", "pip", "--disable-pip-version-check", "freeze"]
        frozen = subprocess.run(ask, stdout=subprocess.PIPE, check=True).stdout.decode().split()
        wanted = {name.lower() for name in FROM_PYPI}
        return sorted(line.replace("==", " ") for line in frozen if line.partition("==")[0].lower() in wanted)


def find_program(pattern):
    for directory in SYSTEM_PATH.split(":"):
        for path in sorted(glob.glob(os.path.join(directory, pattern))):
            if os.access(path, os.X_OK):
                return Path(path)
    return None


def linked_python(library):
    """The version, as 3.11, whose library this one is linked with."""
    found = re.search(rb"libpython(\d+\.\d+)", library.read_bytes())
    return found and found[1].decode()


def minor(version):
    return ".".join(version.split(".")[:2])


def ask_python(python, what):
    command = [python, "-c", f"import sys; print({what})"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def install(place):
    """A virtual environment with the peers, whose Python is that of all servers, pyfcgid's pool and the floor included."""
    python, stamp = place / "venv/bin/python", place / "made-for.json"
    # Which `.ci/python` has chosen.
    base = os.environ.get("PYTHON", "python3")
    wanted = {"python": ask_python(base, "(sys.base_prefix, sys.version)"), "peers": FROM_PYPI}
    made = json.loads(stamp.read_text()) if stamp.exists() else {}
    if made.get("wanted") != wanted:
        shutil.rmtree(place / "venv", ignore_errors=True)
        subprocess.run([base, "-m", "venv", place / "venv"], check=True)
        made = {"wanted": wanted, "installed": []}
    missing = {}
    for name, requirement in FROM_PYPI.items():
        if name not in made["installed"]:
            why = install_one(python, name, requirement)
            made["installed"] += [] if why else [name]
            missing.update({name: why} if why else {})
            stamp.write_text(json.dumps(made))
    return Tools(python, missing)


def install_one(python, name, requirement):
    """Why it cannot be installed; None if it is."""
    print(f"Installing {requirement}", file=sys.stderr)
    why = pip_install(python, requirement)
    return why and pip_install(python, name)


def pip_install(python, requirement):
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", requirement]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if ended.returncode == 0:
        return None
    lines = [line.strip() for line in ended.stdout.decode(errors="replace").splitlines() if "error:" in line.lower()]
    return lines[0] if lines else f"pip failed with {ended.returncode}"
