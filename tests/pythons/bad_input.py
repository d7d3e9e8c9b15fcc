"""Pythons that cannot run a pool, and what has to be said of each: one line, with what to do."""

import shutil

from daemon import Pool
from processes import APPLICATION_USER, run
from pythons import PYENV, REFUSED

CONFIGURATION, SOFTWARE = 78, 70
MODULE = "usr/lib/pyfcgid/_pyfcgid.abi3.so"


class Case:
    """A pool with one fault; says are words of the line. Or why it was left out."""

    def __init__(self, name, says=(), codes=(CONFIGURATION,), left_out=None, **settings):
        self.name, self.says, self.codes, self.left_out = name, [says] if isinstance(says, str) else says, codes, left_out
        self.pool = Pool("bad", name, {key.replace("_", "-"): value for key, value in settings.items()})


def cases(place, pythons, chroot, module, log):
    """chroot is a root directory with a Python, or none; module is what it has of pyfcgid."""
    directory = place / "bad"
    directory.mkdir()
    return [*of_files(directory), *of_versions(pythons), *of_scripts(directory), *of_environments(directory),
            *of_chroots(directory, chroot, module, log)]


def of_files(directory):
    plain = directory / "not-executable"
    plain.write_text("#!/bin/sh\n")
    closed = directory / "closed"
    closed.mkdir(mode=0o700)
    shutil.copy("/usr/bin/python3", closed / "python3")
    garbage = script(directory / "no-program", b"\0\1\2 no program at all")
    return [
        Case("missing", ["/no/such/python3", "does not exist: install"], python="/no/such/python3"),
        Case("a directory", "is a directory: name the program", python="/usr/bin"),
        Case("not executable", "is not executable: name", python=str(plain)),
        Case("closed to the user", [f"permission denied at {closed}", "let the user"], python=str(closed / "python3"),
             user=APPLICATION_USER),
        Case("no program", "is not a program for this machine: name", python=str(garbage)),
        Case("another program", ["exited before", "exit code 0", "is it really Python?"], python="/bin/true"),
    ]


def of_versions(pythons):
    pypy = pythons.pypy()
    found = [Case("PyPy", "is pypy, but pyfcgid requires CPython 3.9 or newer", left_out=pypy.missing, python=str(pypy.program))]
    for version in REFUSED:
        program = next((PYENV / "versions").glob(f"{version}.*/bin/python{version}"), None)
        missing = None if program else f"pyenv has none: pyenv install {version}"
        found.append(Case(version, [f"is Python {version}.", "requires CPython 3.9 or newer"], left_out=missing, python=str(program)))
    return found


def of_scripts(directory):
    def case(name, text, *rest, **settings):
        path = script(directory / name.replace(" ", "-"), text.encode("latin-1"))
        return Case(f"a script that {name}", *rest, python=str(path), **settings)
    return [
        case("hangs", "#!/bin/sh\nexec sleep 600\n", ["startup-timeout (2 s)"], (CONFIGURATION, SOFTWARE), startup_timeout="2s"),
        case("prints garbage", "#!/bin/sh\nprintf 'gar\\bage\\n\\033[2Jof \\377\\376 bytes\\n' | tee /dev/stderr\nexit 1\n", ["bytes"]),
        case("prints nothing", "#!/bin/sh\nexit 1\n", ["exited before", "exit code 1", "is it really Python?"]),
        case("drops its arguments", "#!/bin/sh\nexec /usr/bin/python3\n", ["exited before", "exit code 0"]),
        case("does not exec", '#!/bin/sh\n/usr/bin/python3 "$@"\nexit $?\n', ["have the script start Python with exec"]),
        case("has no shell", "#!/no/such/shell\n", ["because /no/such/shell is missing: install"]),
        case("kills itself", "#!/bin/sh\nkill -9 $$\n", ["signal 9"]),
    ]


def of_environments(directory):
    gone = directory / "gone"
    empty = directory / "empty"
    empty.mkdir()
    (gone / "bin").mkdir(parents=True)
    (gone / "pyvenv.cfg").write_text("home = /no/such/bin\n")
    (gone / "bin/python").symlink_to("/no/such/bin/python3.9")
    leaving = directory / "leaving"
    leaving.mkdir()
    (leaving / "sitecustomize.py").write_text("raise SystemExit('this Python is for nobody')\n")
    return [
        Case("no encodings", "No module named 'encodings'", python="/usr/bin/python3", env={"PYTHONHOME": str(empty)}),
        Case("a venv without its base", "points to /no/such/bin/python3.9, which no longer exists: recreate the virtual environment",
             venv=str(gone)),
        Case("no venv", ["is missing, so", "create one with python3 -m venv"], venv=str(empty)),
        Case("a sitecustomize that ends it", "Failed to import the site module", python="/usr/bin/python3",
             env={"PYTHONPATH": str(leaving)}),
    ]


def of_chroots(directory, chroot, module, log):
    empty = directory / "empty-root"
    empty.mkdir()
    bare = directory / "bare-root"
    (bare / "usr/bin").mkdir(parents=True)
    shutil.copy("/usr/bin/python3", bare / "usr/bin/python3")
    put_module(bare, module)
    missing = None if chroot else "sid could not be unpacked"
    found = [
        Case("a chroot without Python", "is not in the pool's root directory (chroot)", chroot=str(empty), chdir="/"),
        Case("a chroot without libraries", ["is missing: a root directory (chroot) must contain"], chroot=str(bare), chdir="/"),
    ]
    other = "its pyfcgid module is not this program's"
    for name, content, says in [("no module", None, "no pyfcgid module"), ("garbage as its module", b"garbage", other),
                                ("a tenth of the module", module[: len(module) // 10], other),
                                ("another module", module + b"of another build", other)]:
        root = directory / name.replace(" ", "-")
        if chroot:
            run(["cp", "-al", chroot, root], log)
            (root / MODULE).unlink()
            if content is not None:
                put_module(root, content)
        found.append(Case(f"a chroot with {name}", [says, f'with "pyfcgid module > {root}/{MODULE}'], left_out=missing,
                          chroot=str(root), chdir="/srv/site", venv="/srv/venv"))
    return found


def put_module(root, content):
    (root / MODULE).parent.mkdir(parents=True, exist_ok=True)
    (root / MODULE).write_bytes(content)


def script(path, content):
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def expect(case, command, ended):
    """What is wrong with what this command has said of the case."""
    lines = lines_of(ended)
    if ended.returncode not in case.codes:
        yield f"exit code {ended.returncode} instead of {case.codes[0]}"
    first, *others = lines or [""]
    if command == "reload" and not first.startswith(NOT_RELOADED):
        yield f"{NOT_RELOADED!r} is not said"
    reasons = others if command == "reload" else lines
    if len(reasons) != 1:
        yield f"{len(reasons)} lines instead of one: {' | '.join(reasons[:6])}"
    for words in case.says:
        if not any(words in line for line in reasons):
            yield f"{words!r} is not said: {' | '.join(reasons[:6])}"
    if any(not character.isprintable() for line in lines for character in line):
        yield "something that does not belong into a terminal"


def lines_of(ended):
    return [line for line in ended.stderr.splitlines() if line.strip()]


NOT_RELOADED = "pyfcgid: reload failed; the previous code and settings stay in effect"
