"""Measuring: every server of a section in turn, round by round, so that whatever else the machine does hits them all alike."""

import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from cases import NGINX, SLOW
from front import Front, path_of
from generator import TOP, Fault, load, run_json
from peers import HTTP
from processes import NotRunning

LARGE_FILE = "large.bin"
SHARED_MEMORY, ENOUGH_ROOM = "/dev/shm", 1 << 30


class Bench:
    """The tools, the programs and the measure of a run."""

    def __init__(self, tools, programs, generator, rounds, share, large):
        self.tools = tools
        self.programs = programs
        self.generator = generator
        self.rounds = rounds
        self.share = share
        self.large = large

    def requests(self, case, peer, part=1):
        slower = SLOW.get(peer.kind.name, 1)
        return max(int(case.requests * self.share * part / slower), 1)


class Running:
    """The servers of a section, running. A server that cannot run has a fault instead."""

    def __init__(self, bench, section):
        self.bench, self.section = bench, section
        self.place = Path(tempfile.mkdtemp(prefix="pyfcgid-compare-", dir=in_memory()))
        self.place.chmod(0o755)
        self.servers, self.faults, self.front = {}, {}, None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in [self.front, *self.servers.values()]:
            if server:
                server.stop()
        shutil.rmtree(self.place, ignore_errors=True)

    def start(self):
        for file in (TOP / "benches/apps").iterdir():
            if file.is_file():
                shutil.copy(file, self.place)
        for peer in self.section.peers:
            self.start_one(peer)
        if self.section.through == NGINX:
            self.start_front()

    def start_one(self, peer):
        bench = self.bench
        missing = [needed for needed in [peer.kind.peer, *self.needs()] if needed in bench.tools.missing]
        if missing:
            self.faults[peer.name] = f"not installed: {missing[0]}: {bench.tools.missing[missing[0]]}"
            return
        environment = {"LARGE_FILE": str(bench.large), "HOME": str(self.place), "TMPDIR": str(self.place)}
        server = peer.start(bench.tools, bench.programs, self.place, self.section.module, environment)
        self.servers[peer.name] = server
        try:
            server.wait_until_it_listens()
        except NotRunning as fault:
            self.faults[peer.name] = str(fault)

    def needs(self):
        return ["Django"] if self.section.module.startswith("django") else []

    def start_front(self):
        if "nginx" in self.bench.tools.missing:
            self.faults = {peer.name: "not installed: nginx" for peer in self.section.peers}
            return
        pairs = [(peer, self.servers[peer.name]) for peer in self.section.peers if peer.name not in self.faults]
        self.front = Front(self.bench.tools, self.place, pairs)
        self.front.wait_until_it_listens()

    def warm_up(self):
        """The first requests are slower: imports, caches, memory that comes for the first time."""
        for peer in self.section.peers:
            if self.section.cases and peer.name not in self.faults:
                try:
                    self.measure(self.section.cases[0], peer, 0.05)
                except Fault as fault:
                    self.faults[peer.name] = f"FAILED: {fault}"

    def measure(self, case, peer, part=1):
        server = self.servers[peer.name]
        arguments = ["--requests", self.bench.requests(case, peer, part), "--parallel", case.parallel, "--patience", 30]
        arguments += case.arguments
        if self.section.through == NGINX:
            arguments += ["--http", "--path", path_of(peer)]
        else:
            arguments += ["--http"] if peer.kind.speaks == HTTP else []
            arguments += ["--one-shot"] if case.one_shot or not peer.kind.keeps else []
        address = self.front.address if self.front else server.address
        return load(self.bench.generator, address, server.pid, arguments)


def in_memory():
    """A directory for sockets and bodies that is no disk, whose speed is not what is measured. None if there is none with room."""
    if not os.access(SHARED_MEMORY, os.W_OK):
        return None
    room = os.statvfs(SHARED_MEMORY)
    return SHARED_MEMORY if room.f_bavail * room.f_frsize > ENOUGH_ROOM else None


def run_section(bench, section):
    """What was measured, by case and server: {"rounds": [...]} with the figures of each round, or {"fault": why}."""
    results = {case.key: {} for case in section.cases}
    with Running(bench, section) as running:
        running.warm_up()
        for number in range(bench.rounds):
            print(f"{section.title}: round {number + 1} of {bench.rounds}", file=sys.stderr)
            for case in section.cases:
                measure_case(running, case, number, results[case.key])
                measure_beside(running, results[case.key])
    return {key: {name: results[key][name] for name in names(section, results[key])} for key in results}


def names(section, measured):
    every = [peer.name for peer in section.peers] + [name for name, _ in section.beside]
    return [name for name in every if name in measured]


def measure_case(running, case, number, results):
    """Each round begins with another server than the one before."""
    peers = running.section.peers
    first = number % len(peers)
    for peer in peers[first:] + peers[:first]:
        record(results, peer.name, running.faults.get(peer.name), lambda peer=peer: running.measure(case, peer))


def measure_beside(running, results):
    for name, command in running.section.beside:
        missing = [needed for needed in running.needs() if needed in running.bench.tools.missing]
        fault = f"not installed: {missing[0]}" if missing else None
        whole = [running.bench.tools.python, *command]
        record(results, name, fault, lambda whole=whole: run_json(whole, cwd=running.place))


def record(results, name, fault, measure):
    """Adds a round's figures. A server that has failed once is not asked again."""
    entry = results.setdefault(name, {"rounds": []})
    if fault:
        entry["fault"] = fault
    if "fault" in entry:
        return
    try:
        entry["rounds"].append(measure())
    except Fault as fault:
        entry["fault"] = f"FAILED: {fault}"


def median(entry, figure):
    """The median of a figure over the rounds; None if it was not measured."""
    if not entry or "fault" in entry:
        return None
    values = [figures[figure] for figures in entry["rounds"] if figure in figures]
    return statistics.median(values) if values else None
