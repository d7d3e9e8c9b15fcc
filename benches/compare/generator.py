"""The load generator's runs, and other programs that print one JSON object."""

import json
import os
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
# The kinds of targets that are measured, or measure.
MADE = {"bin", "bench", "cdylib"}


class Fault(Exception):
    """A measurement that failed, with why."""


def run_json(command, **options):
    ended = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
    if ended.returncode != 0:
        lines = ended.stderr.strip().splitlines()
        raise Fault(lines[-1] if lines else f"{command[0]} failed with {ended.returncode}")
    return json.loads(ended.stdout)


def load(program, address, pid, arguments):
    """Figures of a run. Raises Fault if an answer was wrong."""
    where = f"unix:{address}" if isinstance(address, (str, Path)) else f"{address[0]}:{address[1]}"
    figures = run_json([program, "--json", "--connect", where, "--pid", pid, *arguments])
    errors = sum(value for name, value in figures.items() if name.endswith("errors"))
    if errors:
        raise Fault(f"{errors:.0f} wrong answers: {figures['first_fault']}")
    return figures


def build(name, *arguments):
    """Builds a target in release mode, and returns its executable, or the library."""
    command = [os.environ.get("CARGO", "cargo"), "build", "--release", "--locked", *arguments]
    command.append("--message-format=json-render-diagnostics")
    # A module for Python takes none to build.
    environment = {**os.environ, "PYO3_NO_PYTHON": "1"}
    built = subprocess.run(command, cwd=TOP, env=environment, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        sys.exit(f"compare: {name} was not built")
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    artifacts = [message for message in messages if message["reason"] == "compiler-artifact" and message["target"]["name"] == name]
    found = [artifact for artifact in artifacts if MADE.intersection(artifact["target"]["kind"])]
    return found[-1]["executable"] or found[-1]["filenames"][0]
