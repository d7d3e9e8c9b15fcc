"""What runs the application: pyfcgid, and for proof Gunicorn, each with processes of 4 threads."""

import json
import re
import signal
from pathlib import Path

from processes import APPLICATION_USER, Process, free_port, is_open

HERE = Path(__file__).resolve().parent
THREADS = 4


class Pyfcgid:
    """pyfcgid with a recipe's pool file."""

    name, is_fastcgi = "pyfcgid", True

    def __init__(self, program, recipe, site, front, processes):
        self.program, self.recipe, self.site, self.front, self.processes = program, recipe, site, front, processes
        self.port, self.socket = free_port(), site.place / "pyfcgid.sock"
        self.log, self.process = site.place / "pyfcgid.log", None

    def start(self):
        configuration = self.site.place / "pyfcgid.toml"
        configuration.write_text(self.configuration())
        self.log.write_text("")
        # Nothing but -c: some wrapper commands take for their own what looks like their options.
        command = [*self.recipe.wrapper(self.site), self.program, "serve", "-c", configuration]
        env = self.recipe.wrapper_env(self.site)
        self.process = Process("pyfcgid", command, self.site.place / "output.log", env, self.site.place)
        self.process.wait_until(lambda: READY.search(self.text()), self.recipe.start_seconds)

    def configuration(self):
        """The recipe's pool file with what is the same for all: its first table is the pool's."""
        pool = {"processes": self.processes, "threads": THREADS, "venv": str(self.site.venv), "mount": self.front.prefix,
                "startup-timeout": self.recipe.start_seconds, "chdir": str(self.site.data),
                "listen": [f"unix:{self.socket}", f"127.0.0.1:{self.port}"]}
        if APPLICATION_USER:
            pool |= {"user": APPLICATION_USER, "socket-group": APPLICATION_USER}
        server = {"log": f"file:{self.log}", "control-socket": str(self.site.place / "control")}
        before, header, after = re.split(r"^(\[pool\.[^]]+\]\n)", self.site.fill(self.recipe.pool_text), maxsplit=1, flags=re.MULTILINE)
        return toml(server) + before + header + toml(pool, but=self.recipe.pool) + after

    def text(self):
        return self.log.read_text(errors="replace")

    def reload(self):
        """A reload, after which every process is a new one."""
        before = self.text().count("reloaded")
        self.process.signal(signal.SIGHUP)
        self.process.wait_until(lambda: self.text().count("reloaded") > before, self.recipe.start_seconds)

    def stop(self):
        return self.process.stop(45) if self.process else []

    def noise(self):
        """The lines of the log that are neither pyfcgid's own account of starting and stopping, nor asked for."""
        lines = [line for line in self.text().splitlines() if line.strip()]
        return [line for line in lines if not OWN.search(line)]

    def warnings(self):
        """Those of them that belong to a message at level warn or error."""
        kept, is_warning = [], False
        for line in self.noise():
            begins = MESSAGE.search(line)
            is_warning = begins[1] in ("warn", "error") if begins else is_warning
            kept += [line] if is_warning else []
        return kept


def toml(table, but=()):
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items() if name not in but)


# What pyfcgid says of itself: the supervisor at level info, and a child that it serves.
READY = re.compile(r"\[info\] pyfcgid\[\d+\]: PF0101 ready$", re.MULTILINE)
OWN = re.compile(r"\[info\] (pyfcgid\[\d+\]: |[^ ]+\[\d+\]: PF0201 serving [^ ]+ on )")
# What a message begins with; its further lines are indented.
MESSAGE = re.compile(r"^\S+ \S+ \S+ \[(\w+)\] ")


class Gunicorn:
    """The same application under Gunicorn, behind the same web server by HTTP."""

    name, is_fastcgi = "Gunicorn", False

    def __init__(self, installed, recipe, site, front, processes):
        self.installed, self.recipe, self.site, self.front = installed, recipe, site, front
        self.processes = recipe.pool.get("processes", processes)
        self.port, self.log, self.process = free_port(), site.place / "gunicorn.log", None

    def start(self):
        pool = self.recipe.filled_pool(self.site)
        env = {**pool.get("env", {}), **self.recipe.wrapper_env(self.site), "SCRIPT_NAME": pool.get("mount", self.front.prefix),
               "PYTHONPATH": f"{self.installed}:{HERE}", "APPLICATION": json.dumps([pool["app"], pool.get("python-path", [])])}
        python = self.site.venv / "bin/python"
        gunicorn = [python, "-m", "gunicorn", "-w", self.processes, "--threads", pool.get("threads", THREADS), "-k", "gthread",
                    "-c", HERE / "gunicorn_settings.py", "-b", f"127.0.0.1:{self.port}", "-t", self.recipe.start_seconds,
                    "--chdir", pool.get("chdir", self.site.data), "wsgi_by_name:application"]
        command = [*self.recipe.wrapper(self.site), *gunicorn]
        self.process = Process("Gunicorn", command, self.log, env, self.site.data, APPLICATION_USER)
        self.process.wait_until(lambda: is_open(self.port) and self.ready() >= self.processes, self.recipe.start_seconds)

    def ready(self):
        return self.log.read_text(errors="replace").count("worker is ready")

    def reload(self):
        before = self.ready()
        self.process.signal(signal.SIGHUP)
        self.process.wait_until(lambda: self.ready() >= before + self.processes, self.recipe.start_seconds)

    def stop(self):
        return self.process.stop(45) if self.process else []

    def noise(self):
        return []

    def warnings(self):
        return []
