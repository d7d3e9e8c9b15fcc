"""What each pool runs: it says where it is, and does what applications do with the Python that they are in."""

import ctypes
import importlib
import multiprocessing
import os
import sqlite3
import ssl
import subprocess
import sys

import flask

app = flask.Flask(__name__)
FIELDS = ("executable", "prefix", "base_prefix", "exec_prefix")


def place():
    """What a Python says of itself; outside of pyfcgid, too."""
    return {"version_info": list(sys.version_info), **{name: getattr(sys, name) for name in FIELDS}}


def square(number):
    return number * number


@app.get("/")
def whereabouts():
    return {**place(), "virtual_env": os.environ.get("VIRTUAL_ENV"), "flask": flask.__file__, "user": os.getuid(), "pid": os.getpid()}


@app.get("/standard-library")
def standard_library():
    one = sqlite3.connect(":memory:").execute("select 1").fetchone()[0]
    context = ssl.create_default_context()
    return {"sqlite3": one, "ssl": context.verify_mode.name, "ctypes": ctypes.CDLL(None).getpid() == os.getpid()}


@app.get("/multiprocessing/<method>")
def of_processes(method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        return {"squares": pool.map(square, range(4))}


@app.get("/subprocess")
def of_subprocess():
    """By its own name, and, in an environment, by that which PATH finds."""
    code = "import sys, flask; print(sys.prefix)"
    programs = [sys.executable, "python3" if "VIRTUAL_ENV" in os.environ else sys.executable]
    commands = [[program, "-c", code] for program in programs]
    return {"prefixes": [subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.strip() for command in commands]}


@app.get("/import/<module>")
def of_import(module):
    return {"file": importlib.import_module(module).__file__}
