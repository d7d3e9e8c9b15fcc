"""Runs one pyfcgid with a pool for every Python that there is, behind one nginx, and tries what has to be refused.

    python3 tests/pythons [--keep]

Takes root, and the network for what is installed into the environments. Everything is in a temporary directory that is removed, unless
--keep is said.
"""

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "tests/applications"))

import bad_input
import place
from checks import CHECKS, LeftOut
from daemon import Daemon, Nginx, Pool
from environments import Tools, place_of
from processes import APPLICATION_USER, Fault, run
from pythons import Pythons

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).resolve()
CLIENTS, RELOADS = 4, 3
# What the Pythons' environments are made by, in turn.
MAKERS = ("venv", "copies", "virtualenv", "uv")
HERE = Path(__file__).resolve().parent


def main():
    options = place.parser(__doc__).parse_args()
    program = TARGET / "release/pyfcgid"
    if os.geteuid() != 0 or not program.exists():
        print(f"This takes root and {program}: run `make pythons` as root.", file=sys.stderr)
        return 69
    with place.temporary("pythons", options.keep) as directory:
        return Trial(program, directory).run()


class Trial:
    def __init__(self, program, place):
        self.program, self.place, self.log = program, place, place / "made.log"
        self.faults, self.left_out, self.chroot = [], [], None

    def run(self):
        self.pythons = Pythons(self.place, self.log)
        pools = self.pools()
        daemon, nginx = Daemon(self.program, self.place, pools), Nginx(self.place, pools)
        try:
            daemon.start()
            nginx.start()
            self.answers(nginx, pools)
            self.reload_under_load(daemon, nginx)
            self.bad_input(daemon, nginx)
        except Fault as fault:
            self.fail("start", str(fault))
        finally:
            for one in (nginx, daemon):
                for fault in one.stop():
                    self.fail("stop", fault)
        self.say()
        return 1 if self.faults else 0

    def pools(self):
        """A pool for each Python and each way to have one."""
        run(["install", "-D", "-m", "644", HERE / "application.py", self.place / "site/application.py"], self.log)
        found = self.pythons.all()
        self.left_out += [f"{python.name}: {python.missing}" for python in found if python.missing]
        there = [python for python in found if python.program]
        self.tools = Tools(self.place, there[0].program, self.log)
        wanted = [(python, MAKERS[index % len(MAKERS)], {}) for index, python in enumerate(there)]
        wanted.append((there[0], "uv", {"user": APPLICATION_USER}))
        wanted.append((there[-1], "relocated", {}))
        wanted += [(python, "prefix", {}) for python in there if python.name.startswith("pyenv")][-1:]
        pools = [self.attempt(f"{python.name} {maker}", self.pool, f"p{number}", python, maker, settings)
                 for number, (python, maker, settings) in enumerate(wanted)]
        pools.append(self.attempt("chroot", self.pool_in_chroot, pools))
        return [pool for pool in pools if pool]

    def attempt(self, what, make, *arguments):
        try:
            return make(*arguments)
        except Fault as fault:
            self.fail(what, str(fault))

    def pool(self, name, python, maker, settings):
        directory = self.place / "environments" / name
        directory.parent.mkdir(exist_ok=True)
        getattr(self.tools, maker)(python.program, directory)
        left_out = self.tools.install(directory)
        expected = place_of(directory / "bin/python")
        expected["virtual_env"] = None if maker == "prefix" else str(directory)
        # Either option leads there.
        named = {"python": str(directory / "bin/python")} if maker in ("prefix", "copies") else {"venv": str(directory)}
        about = f"{python.name}, {maker}" + (f", {settings['user']}" if settings else "")
        return Pool(name, about, {**named, **settings}, expected, left_out)

    def pool_in_chroot(self, pools):
        """The root directory of sid's, with the environment of the pool that has the same Python."""
        like = next((pool for pool in pools if pool and pool.about.startswith("sid 3.14")), None)
        if like is None:
            self.left_out.append("chroot: sid's python3.14 is not there")
            return None
        root = self.pythons.sid.root
        for directory in ("srv/site", "tmp", "dev/shm"):
            (root / directory).mkdir(parents=True)
        for directory in ("tmp", "dev/shm"):
            (root / directory).chmod(0o1777)
        shutil.copy(HERE / "application.py", root / "srv/site")
        packages = "lib/python3.14/site-packages"
        run(["chroot", root, "/usr/bin/python3.14", "-m", "venv", "--without-pip", "/srv/venv"], self.log)
        shutil.copytree(Path(like.expected["prefix"]) / packages, root / "srv/venv" / packages, dirs_exist_ok=True)
        bad_input.put_module(root, self.module())
        self.chroot = root
        place = {"version_info": like.expected["version_info"], "prefix": "/srv/venv", "executable": "/srv/venv/bin/python",
                 "base_prefix": "/usr", "virtual_env": "/srv/venv"}
        settings = {"chroot": str(root), "chdir": "/srv/site", "venv": "/srv/venv", "user": APPLICATION_USER}
        return Pool("chroot", f"sid 3.14, chroot, {APPLICATION_USER}", settings, place, like.left_out)

    def module(self):
        """What a root directory without /proc needs."""
        return subprocess.run([self.program, "module"], stdout=subprocess.PIPE, check=True).stdout

    def answers(self, nginx, pools):
        print(row("pool", CHECKS))
        for pool in pools:
            cells = {}
            for name, check in CHECKS.items():
                try:
                    check(nginx, pool)
                    cells[name] = "ok"
                except LeftOut as reason:
                    cells[name] = "-"
                    self.left_out.append(f"{pool.about}: {name}: {reason}")
                except Fault as fault:
                    cells[name] = "FAILS"
                    self.fail(f"{pool.about}: {name}", str(fault))
            print(row(pool.about, cells.values()), flush=True)

    def reload_under_load(self, daemon, nginx):
        before = {pool.name: nginx.ask(pool)["pid"] for pool in daemon.pools}
        load = Load(nginx, daemon.pools)
        seconds = []
        for _ in range(RELOADS):
            begun = time.monotonic()
            ended = daemon.reload()
            seconds.append(time.monotonic() - begun)
            if ended.returncode:
                self.fail("reload", ended.stderr)
        for fault in load.stop():
            self.fail("request during a reload", fault)
        kept = [pool.about for pool in daemon.pools if nginx.ask(pool)["pid"] == before[pool.name]]
        if kept:
            self.fail("reload", f"the old process still answers: {'; '.join(kept)}")
        print(f"\n{RELOADS} reloads of {len(daemon.pools)} pools under load, {max(seconds):.1f} s at most: {load.count} requests, "
              f"{len(load.faults)} lost\n")

    def bad_input(self, daemon, nginx):
        for case in bad_input.cases(self.place, self.pythons, self.chroot, self.module(), self.log):
            if case.left_out:
                self.left_out.append(f"{case.name}: {case.left_out}")
                continue
            daemon.configure(case.pool)
            said = {"check": daemon.check(case.pool), "reload": daemon.reload()}
            faults = [f"{command}: {fault}" for command, ended in said.items() for fault in bad_input.expect(case, command, ended)]
            daemon.configure()
            for pool in daemon.pools:
                try:
                    nginx.ask(pool)
                except Fault as fault:
                    faults.append(f"{pool.about} beside it: {fault}")
            codes = "/".join(str(ended.returncode) for ended in said.values())
            last = (bad_input.lines_of(said["check"]) or ["nothing is said"])[-1]
            print(f"{'FAILS' if faults else 'ok':5} {codes:6} {case.name}\n             {last}", flush=True)
            for fault in faults:
                self.fail(case.name, fault)

    def fail(self, what, why):
        self.faults.append(f"{what}: {why.strip()}")

    def say(self):
        for title, lines in (("left out", self.left_out), ("FAILS", self.faults)):
            print("".join(f"\n{title}: {line}" for line in lines), end="\n" if lines else "")
        print(f"\n{len(self.faults)} faults")


class Load:
    """Clients that ask one pool after the other, until they are stopped."""

    def __init__(self, nginx, pools):
        self.nginx, self.pools, self.count, self.faults, self.is_over = nginx, pools, 0, [], threading.Event()
        self.clients = [threading.Thread(target=self.ask) for _ in range(CLIENTS)]
        for client in self.clients:
            client.start()

    def ask(self):
        while not self.is_over.is_set():
            pool = random.choice(self.pools)
            try:
                self.nginx.ask(pool)
            except Fault as fault:
                self.faults.append(f"{pool.about}: {fault}")
            self.count += 1

    def stop(self):
        self.is_over.set()
        for client in self.clients:
            client.join()
        return self.faults


def row(first, cells):
    return f"{first:<28}" + "".join(f" {cell:<12}" for cell in cells).rstrip()


if __name__ == "__main__":
    sys.exit(main())
