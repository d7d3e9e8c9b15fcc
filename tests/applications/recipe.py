"""An application's directory below recipes/, and the place where it is set up and run.

    requirements.txt  what pip installs: pinned
    constraints.txt   every package that this brought along, pinned (written by --pin)
    pool.toml         pyfcgid's pool file, less what is the same for all: processes, threads, venv, mount, addresses, user
    recipe.py         how it is set up, and what a browser does with it
    the rest          files of the application, copied to {data}

recipe.py has a docstring of one line, the application's name, and
    PACKAGE           whose version the table names
    APPLICATION       a file beside this one that is the application, where several recipes have the same
    set_up(site)      makes what one finds before the first start: configuration, database, an administrator
    helpers(site)     further processes that it needs: (name, command, environment, port to wait for)
    before_start(site)  what is to be done when the helpers run and the application does not yet
    afterwards(site)  what is looked at when the application has stopped; the helpers still run
    step functions    every other function whose first parameter is named browser, in their order; the docstring is what the table says
    PACKAGES          Debian packages it needs: {program or file: package}
    STATIC            what the web server serves itself: {path: directory}
    LOGIN_PATHS       what the web server asks for a name and a password for: a Basic login, REMOTE_USER
    WRAPPER, WRAPPER_ENV   a command before pyfcgid's own, and its environment
    MUST_PASS         the names of steps that fail under Gunicorn, and are no fault of the application for all that
    NOTES             sentences for the notes of the page
    FRONT_PAGE        asked eight times at once as the very first requests, and again after a reload; what it may answer
    START_SECONDS, SECONDS   how long an import may take, and all of it
In pool.toml and these strings {data}, {venv}, {prefix}, {origin} and {port:NAME} stand for this run's.
"""

import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from processes import APPLICATION_USER, free_port, give_away, run

RECIPES = Path(__file__).resolve().parent / "recipes"
NO_FILES_OF_THE_APPLICATION = {"requirements.txt", "constraints.txt", "pool.toml", "recipe.py", "__pycache__"}


class Recipe:
    """What recipes/NAME says."""

    def __init__(self, name):
        self.name, self.directory = name, RECIPES / name
        spec = importlib.util.spec_from_file_location(f"recipe_{name.replace('-', '_')}", self.directory / "recipe.py")
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.title = self.module.__doc__.strip().splitlines()[0].rstrip(".")
        self.pool_text = (self.directory / "pool.toml").read_text()
        self.pool = next(iter(tomllib.loads(self.pool_text)["pool"].values()))
        self.static = self.setting("STATIC", {})
        self.login_paths = self.setting("LOGIN_PATHS", ())
        self.start_seconds = self.setting("START_SECONDS", 60)
        self.seconds = self.setting("SECONDS", 240)
        self.front_page = self.setting("FRONT_PAGE", ("/", (200,)))

    def setting(self, name, default):
        return getattr(self.module, name, default)

    def files(self):
        """Those of the application."""
        shared = self.setting("APPLICATION", None)
        own = [path for path in self.directory.iterdir() if path.name not in NO_FILES_OF_THE_APPLICATION]
        return own + ([RECIPES.parent / shared] if shared else [])

    def steps(self):
        functions = inspect.getmembers(self.module, inspect.isfunction)
        own = [function for _, function in functions if function.__module__ == self.module.__name__]
        steps = [function for function in own if next(iter(inspect.signature(function).parameters), "") == "browser"]
        return sorted(steps, key=lambda function: function.__code__.co_firstlineno)

    def filled_pool(self, site):
        return next(iter(tomllib.loads(site.fill(self.pool_text))["pool"].values()))

    def wrapper(self, site):
        return [site.fill(word) for word in self.setting("WRAPPER", [])]

    def wrapper_env(self, site):
        return {name: site.fill(value) for name, value in self.setting("WRAPPER_ENV", {}).items()}

    def missing(self):
        """The Debian packages that are not there."""
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        return [package for what, package in self.setting("PACKAGES", {}).items()
                if not (os.path.exists(what) if what.startswith("/") else shutil.which(what, path=path))]


class Site:
    """Where one application is set up and run, behind one web server."""

    def __init__(self, recipe, place, front):
        self.recipe, self.front, self.place = recipe, front, place / "run"
        self.venv, self.data, self.set_up_log = place / "venv", place / "run/data", place / "set-up.log"
        self.bin = self.venv / "bin"
        self.origin, self.prefix, self.ports = front.origin, front.prefix, {}

    def make(self):
        """A fresh place, and in it what set_up makes. All but the data stays root's: it has the socket, the log and the control socket."""
        shutil.rmtree(self.place, ignore_errors=True)
        self.data.mkdir(parents=True)
        for path in self.recipe.files():
            copy = shutil.copytree if path.is_dir() else shutil.copy
            copy(path, self.data / path.name)
        give_away(self.data)
        self.recipe.setting("set_up", lambda site: None)(self)
        give_away(self.data)

    def run(self, *command, env=None, directory=None, seconds=600):
        """A command of set_up, as the application's user, with the pool's environment; a bare name is a program of the venv."""
        words = [self.fill(str(word)) for word in command]
        if "/" not in words[0] and (self.bin / words[0]).exists():
            words[0] = str(self.bin / words[0])
        whole = {"HOME": str(self.data), **self.recipe.filled_pool(self).get("env", {}), **(env or {})}
        run(words, self.set_up_log, whole, directory or self.data, APPLICATION_USER, seconds)

    def write(self, name, text):
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.fill(text))
        give_away(path)
        return path

    def port(self, name):
        return self.ports.setdefault(name, free_port())

    def fill(self, text):
        values = {"data": self.data, "venv": self.venv, "prefix": self.prefix, "origin": self.origin}

        def value(match):
            name = match[1]
            return str(self.port(name[5:]) if name.startswith("port:") else values[name])

        return re.sub(r"\{(data|venv|prefix|origin|port:\w+)\}", value, text)


class Environment:
    """An application's virtual environment, which is made again when the requirements or the Python are others."""

    def __init__(self, recipe, place, python):
        self.recipe, self.place, self.python = recipe, place, python
        self.venv, self.stamp = place / "venv", place / "venv/made-for"

    def wanted(self):
        texts = [path.read_text() for path in self.files() if path.exists()]
        return "\n".join([os.path.realpath(self.python), *texts])

    def files(self):
        return [self.recipe.directory / "requirements.txt", self.recipe.directory / "constraints.txt"]

    def make(self, log):
        if self.stamp.exists() and self.stamp.read_text() == self.wanted():
            return
        shutil.rmtree(self.venv, ignore_errors=True)
        self.place.mkdir(parents=True, exist_ok=True)
        run([self.python, "-m", "venv", self.venv], log)
        requirements, constraints = self.files()
        pinned = ["-c", constraints] if constraints.exists() else []
        command = [self.venv / "bin/python", "-m", "pip", "-q", "--disable-pip-version-check", "install", "-r", requirements, *pinned]
        run(command, log, {"HOME": str(self.place)}, seconds=1500)
        self.stamp.write_text(self.wanted())

    def frozen(self):
        command = [self.venv / "bin/python", "-m", "pip", "--disable-pip-version-check", "freeze"]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()

    def version(self, package):
        lines = dict(line.lower().replace("_", "-").split("==", 1) for line in self.frozen().splitlines() if "==" in line)
        return lines.get(package.lower().replace("_", "-"), "?")


def names():
    return sorted(path.parent.name for path in RECIPES.glob("*/recipe.py"))


def load(name):
    if not (RECIPES / name / "recipe.py").exists():
        print(f"There is no application {name}. There are: {' '.join(names())}", file=sys.stderr)
        sys.exit(64)
    return Recipe(name)
