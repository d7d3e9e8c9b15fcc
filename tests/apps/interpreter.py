"""Tells about the interpreter and what a subprocess of it inherits."""
import json
import signal
import subprocess
import sys


def application(environ, start_response):
    shown = {
        "argv": sys.argv,
        "executable": sys.executable,
        "prefix": sys.prefix,
        "version": "%d.%d" % sys.version_info[:2],
        "name": __name__,
        "set_handler": outcome(lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN)),
    }
    if environ["PATH_INFO"] == "/subprocess":
        status = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
        shown["signals"] = {name: int(value, 16) for name, _, value in lines(status) if name in ("SigBlk", "SigIgn")}
        files = ["ls", "/proc/self/fd"]
        shown["files"] = subprocess.run(files, close_fds=False, capture_output=True, text=True, check=True).stdout.split()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(shown).encode()]


def lines(text):
    return [line.partition(":\t") for line in text.splitlines()]


def outcome(call):
    try:
        call()
        return "set"
    except ValueError:
        return "ValueError"
