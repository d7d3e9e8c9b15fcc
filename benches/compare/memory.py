"""How much memory it takes: a child, its supervisor, and connections that do nothing."""

import os
import subprocess
import sys

from cases import ALONE, HELLO, P1, P8, Section
from generator import Fault, load
from processes import children, program, pss
from rounds import Running, record

IDLE = 10000
# A child hides from its own user, so that the processes of other pools learn nothing from it.
HIDDEN = None if os.geteuid() == 0 else "not measured: only root can see the memory of a child"
WAIT = "import sys, {module}; print(flush=True); sys.stdin.read()"


def run_memory(bench):
    """As rounds.run_section: figures by case and server."""
    results = {"sizes": {}, "idle": {}}
    for number in range(bench.rounds):
        print(f"memory: round {number + 1} of {bench.rounds}", file=sys.stderr)
        for module in ("hello", "django_page"):
            measure_sizes(bench, module, results["sizes"])
        with Running(bench, Section("memory", "", "hello", ALONE, [P8], [], "")) as running:
            record(results["idle"], P8.name, running.faults.get(P8.name) or HIDDEN, lambda: measure_idle(running))
    return results


def measure_sizes(bench, module, sizes):
    """One after the other: libraries that both have loaded would count as half of each."""
    with Running(bench, Section("memory", "", module, ALONE, [P1], [], "")) as running:
        fault = running.faults.get(P1.name)
        record(sizes, f"child, {module}", fault or HIDDEN, lambda: {"pss": child_size(running)})
        record(sizes, f"supervisor, {module}", fault, lambda: {"pss": pss(running.servers[P1.name].pid)})
    with Running(bench, Section("memory", "", module, ALONE, [], [], "")) as nothing:
        record(sizes, f"python3, {module}", fault, lambda: {"pss": python_size(nothing, module)})


def child_size(running):
    """After a few requests."""
    server = running.servers[P1.name]
    load(running.bench.generator, server.address, server.pid, ["--requests", 100, "--parallel", 1])
    # The queue process is a copy of the supervisor, and has its program.
    found = [child for child in children(server.pid) if program(child) != program(server.pid)]
    if len(found) != 1:
        raise Fault(f"{len(found)} children instead of 1")
    return pss(found[0])


def python_size(running, module):
    command = [running.bench.tools.python, "-c", WAIT.format(module=module)]
    with subprocess.Popen(command, cwd=running.place, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as python:
        try:
            python.stdout.readline()
            return pss(python.pid)
        finally:
            python.stdin.close()


def measure_idle(running):
    server = running.servers[P8.name]
    requests = int(40000 * running.bench.share)
    arguments = ["--requests", requests, "--parallel", 16, "--idle", IDLE, *HELLO]
    return load(running.bench.generator, server.address, server.pid, arguments)
