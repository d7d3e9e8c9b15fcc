"""Virtual environments, made in each of the ways that people make them, with Flask and what has parts in C."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from processes import Fault, run

HERE = Path(__file__).resolve().parent
TOOLS = ("uv", "virtualenv")
FLASK = "Flask==3.1.3"
# A package, and the module of it that is in C.
WITH_C = {"numpy": "numpy.linalg", "lxml": "lxml.etree", "cryptography": "cryptography.hazmat.bindings._rust",
          "psycopg2-binary": "psycopg2"}
# The machine's certificates instead of uv's own, and no Python but those that there are.
UV = {"UV_NATIVE_TLS": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}


class Tools:
    """What makes environments, installed beside them."""

    def __init__(self, place, python, log):
        self.place, self.log = place / "tools", log
        run([python, "-m", "venv", self.place], log)
        run([self.place / "bin/python", "-m", "pip", "-q", "--disable-pip-version-check", "install", *TOOLS], log)

    def venv(self, python, directory):
        run([python, "-m", "venv", "--without-pip", directory], self.log)

    def copies(self, python, directory):
        run([python, "-m", "venv", "--without-pip", "--copies", directory], self.log)

    def virtualenv(self, python, directory):
        run([self.place / "bin/virtualenv", "-q", "--no-pip", "-p", python, directory], self.log)

    def uv(self, python, directory):
        self.run_uv("venv", "--python", python, directory)

    def relocated(self, python, directory):
        """Somebody has moved it since."""
        before = directory.with_name(directory.name + ".made")
        self.venv(python, before)
        before.rename(directory)

    def prefix(self, python, directory):
        """No virtual environment, but a whole Python of its own, as conda makes them."""
        whole = Path(os.path.realpath(python)).parents[1]
        shutil.copytree(whole, directory, symlinks=True, ignore=shutil.ignore_patterns("test", "__pycache__", "site-packages", "*.a"))

    def install(self, directory):
        """Returns, for each package with parts in C, nothing, or why it is not there."""
        python = directory / "bin/python"
        self.pip(python, FLASK)
        left_out = {}
        for package in WITH_C:
            try:
                self.pip(python, "--only-binary", ":all:", package)
            except Fault:
                left_out[package] = "PyPI has no wheel for it"
        return left_out

    def pip(self, python, *words):
        self.run_uv("pip", "install", "--break-system-packages", "--python", python, *words)

    def run_uv(self, *words):
        kept = {name: os.environ[name] for name in ("HOME", "SSL_CERT_FILE") if name in os.environ}
        index = {"UV_DEFAULT_INDEX": os.environ["PIP_INDEX_URL"]} if "PIP_INDEX_URL" in os.environ else {}
        run([self.place / "bin/uv", "-q", *words], self.log, {**kept, **index, **UV})


def place_of(python):
    """What this Python says of itself when a shell starts it."""
    code = "import json, application; print(json.dumps(application.place()))"
    command = [python, "-c", code]
    env = {"PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE, env=env)
    if ended.returncode:
        raise Fault(f"{python} does not run: {ended.stderr.strip().splitlines()[-1]}")
    return json.loads(ended.stdout)
