"""Installs the wheel into a new environment of every Python that there is, serves a page from there, and looks that nothing is left when it
is removed.

    python3 tests/wheels WHEEL [--sdist FILE] [--keep]

With --sdist it is built from that file as well, by pip, which takes cargo and minutes. Takes the network for what makes environments.
Everything is in a temporary directory that is removed, unless --keep is said.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path += [str(REPOSITORY / "tests/applications"), str(REPOSITORY / "tests/pythons")]

import place
from processes import Fault, Process, run
from pythons import Pythons

TYPED = Path(__file__).resolve().with_name("typed.py")
# A pip that installs for Python 3.9, too.
TOOLS = ("pip==25.3", "uv", "mypy==" + next(
    line.partition("==")[2] for line in (REPOSITORY / "packaging/requirements.txt").read_text().split() if line.startswith("mypy==")))
APPLICATION = """\
import json, sys
import pyfcgid

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    shown = {"prefix": sys.prefix, "version": "%d.%d" % sys.version_info[:2], "module": pyfcgid.__file__,
             "aborted": pyfcgid.RequestAborted.__mro__[1].__name__}
    return [json.dumps(shown).encode()]
"""
# What a user of one machine has: the variables of pip, of certificates and of cargo.
KEPT = ("SSL_CERT_FILE", "SSL_CERT_DIR", "CARGO_HOME", "RUSTUP_HOME", "CARGO_HTTP_CAINFO")


def main():
    parser = place.parser(__doc__)
    parser.add_argument("wheel", type=lambda path: Path(path).resolve(strict=True))
    parser.add_argument("--sdist", type=lambda path: Path(path).resolve(strict=True))
    options = parser.parse_args()
    with place.temporary("wheels", options.keep) as directory:
        return Trial(options.wheel, options.sdist, directory).run()


class Trial:
    def __init__(self, wheel, sdist, place):
        self.wheel, self.sdist, self.place, self.log, self.faults = wheel, sdist, place, place / "made.log", []
        self.version, self.left_out = wheel.name.split("-")[1], []
        self.site = place / "site"
        self.site.mkdir()
        (self.site / "application.py").write_text(APPLICATION)

    def run(self):
        pythons = Pythons(self.place, self.log).all()
        debian = pythons[0]
        self.make_tools(debian.program)
        for python in pythons:
            self.try_one(python, self.make_environment, python)
        self.try_one(debian, self.make_by_uv, debian, name="uv venv")
        for option in ("--user", "--prefix", "--target"):
            self.attempt(f"pip install {option}", lambda: self.elsewhere(debian.program, option))
        self.attempt("mypy", lambda: self.check_types(debian))
        if self.sdist:
            self.try_one(debian, self.make_environment, debian, name="sdist", package=self.sdist)
        for name in self.left_out:
            print(f"left out: {name}")
        for fault in self.faults:
            print(f"FAILS: {fault}")
        print(f"\n{len(self.faults)} faults")
        return 1 if self.faults else 0

    def make_tools(self, python):
        run([python, "-m", "venv", self.place / "tools"], self.log)
        self.tool = self.place / "tools/bin"
        run([self.tool / "python", "-m", "pip", "-q", "--disable-pip-version-check", "install", "--upgrade", *TOOLS], self.log)

    def make_environment(self, python, directory):
        run([python.program, "-m", "venv", "--without-pip", directory], self.log)

    def make_by_uv(self, python, directory):
        run([self.tool / "uv", "-q", "venv", "--python", python.program, directory], self.log, {"UV_PYTHON_DOWNLOADS": "never"})

    def attempt(self, name, trial):
        try:
            print(f"{name:<20} {trial()}", flush=True)
        except (Fault, subprocess.CalledProcessError) as fault:
            print(f"{name:<20} FAILS", flush=True)
            self.faults.append(f"{name}: {fault}")

    def try_one(self, python, make, *arguments, name=None, package=None):
        name = name or python.name
        if python.missing:
            return self.left_out.append(f"{name}: {python.missing}")
        directory = self.place / name.replace(" ", "-")
        make(*arguments, directory)
        self.attempt(name, lambda: self.life(python, directory, package or self.wheel, by_uv=make == self.make_by_uv))

    def life(self, python, directory, package, by_uv):
        """From the installation to the removal, in one environment."""
        before = files(directory)
        begun = time.monotonic()
        self.install(directory, package, by_uv)
        installed = time.monotonic() - begun
        size = sum(path.lstat().st_size for path in files(directory) - before if path.is_file())
        self.serve(python, directory)
        said = output([directory / "bin/python", "-m", "pyfcgid", "--version"])
        if said != f"pyfcgid {self.version}":
            raise Fault(f"python -m pyfcgid --version says {said!r}")
        output([directory / "bin/python", "-c", "import pyfcgid, sys; assert issubclass(pyfcgid.RequestAborted, BaseException)"])
        self.remove(directory, by_uv)
        left = files(directory) ^ before
        if left:
            raise Fault(f"after its removal {sorted(map(str, left))} differ")
        return f"installed in {installed:.1f} s, {size / 1e6:.1f} MB; serves, and leaves nothing"

    def install(self, directory, package, by_uv):
        if by_uv:
            return run([self.tool / "uv", "-q", "pip", "install", "--python", directory / "bin/python", package], self.log, environment())
        self.pip(directory / "bin/python", "install", *(["--no-index"] if package == self.wheel else []), package)

    def remove(self, directory, by_uv):
        if by_uv:
            return run([self.tool / "uv", "-q", "pip", "uninstall", "--python", directory / "bin/python", "pyfcgid"], self.log)
        self.pip(directory / "bin/python", "uninstall", "--yes", "pyfcgid")

    def pip(self, python, command, *words):
        run([self.tool / "python", "-m", "pip", "-q", "--disable-pip-version-check", "--python", python, command, *words], self.log,
            environment(), seconds=3000)

    def serve(self, python, directory):
        """A page of the application, by the environment's own Python, though nobody has named it."""
        address, program = f"unix:{directory}.sock", directory / "bin/pyfcgid"
        as_root = ["--user", "root"] if os.geteuid() == 0 else []
        server = Process("pyfcgid", [program, "serve", "application:app", "--listen", address, *as_root], Path(f"{directory}.log"),
                         directory=self.site)
        try:
            server.wait_until(Path(f"{directory}.sock").exists, 60)
            shown = json.loads(output([program, "request", "--connect", address, "--fail", "/"]))
        finally:
            faults = server.stop()
        if faults:
            raise Fault("; ".join(faults))
        expected = {"prefix": str(directory), "version": python.version, "module": "pyfcgid", "aborted": "BaseException"}
        if shown != expected:
            raise Fault(f"the application sees {shown}, not {expected}")

    def elsewhere(self, python, option):
        """Where it is installed outside of an environment, and `python -m pyfcgid` finds its program."""
        home = self.place / option.strip("-")
        home.mkdir()
        variables = {**environment(), "HOME": str(home), "PYTHONUSERBASE": str(home / "base")}
        where = {"--user": ["--user"], "--prefix": ["--prefix", home], "--target": ["--target", home]}[option]
        # An older pip on another system does not know the last option, and does not need it.
        words = ["install", "--no-index", "--ignore-installed", *where, "--break-system-packages", self.wheel]
        run([self.tool / "python", "-m", "pip", "-q", "--disable-pip-version-check", "--python", python, *words], self.log, variables)
        package = next(home.rglob("pyfcgid/__main__.py")).parents[1]
        if option != "--user":
            variables["PYTHONPATH"] = str(package)
        said = output([python, "-m", "pyfcgid", "--version"], variables)
        if said != f"pyfcgid {self.version}":
            raise Fault(f"python -m pyfcgid --version says {said!r}")
        program = next(path for path in home.rglob("pyfcgid") if path.is_file())
        program.unlink()
        ended = subprocess.run([python, "-m", "pyfcgid", "--version"], env=variables, stderr=subprocess.PIPE, text=True)
        if ended.returncode != 1 or "pip install" not in ended.stderr:
            raise Fault(f"without its program it ends with {ended.returncode}: {ended.stderr.strip()}")
        return f"found in {program.relative_to(home)}, and missed where it is gone"

    def check_types(self, python):
        directory = self.place / "typed"
        self.make_environment(python, directory)
        self.install(directory, self.wheel, by_uv=False)
        mypy = [self.tool / "mypy", "--strict", "--no-incremental", "--cache-dir", os.devnull, "--python-executable", directory / "bin/python"]
        output([*mypy, TYPED])
        output([*mypy, "--package", "pyfcgid"])
        # One that must not pass, so that it is known to look.
        wrong = self.place / "wrong.py"
        wrong.write_text("import pyfcgid\n\npyfcgid.RequestAbortde\n")
        ended = subprocess.run([*mypy, wrong], stdout=subprocess.PIPE, text=True)
        if "attr-defined" not in ended.stdout:
            raise Fault(f"a name that is not there passes: {ended.stdout.strip()}")
        return "accepts `import pyfcgid` and the package itself, strictly"


def environment():
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    pip = {name: os.environ[name] for name in os.environ if name.startswith("PIP_")}
    return {"HOME": str(Path.home()), "PATH": os.environ["PATH"], **kept, **pip}


def output(command, env=None):
    ended = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, env=env, cwd="/")
    if ended.returncode:
        raise Fault(f"{' '.join(map(str, command))} ended with {ended.returncode}: {ended.stdout.strip()}")
    return ended.stdout.strip()


def files(directory):
    """All that is in it, but for uv's lock of it."""
    return set(directory.rglob("*")) - {directory / ".lock"}


if __name__ == "__main__":
    sys.exit(main())
