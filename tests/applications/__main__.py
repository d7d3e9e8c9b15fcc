"""Runs other people's applications in pyfcgid, behind nginx at / and Apache under /app, and says what it has seen.

    python3 tests/applications [--proof] [--pin] [--front nginx|Apache] [NAME...]
    python3 tests/applications --table        prints docs/applications-tested.md from the last results of all
    python3 tests/applications --list

--proof runs those that fail once more under Gunicorn: what fails there, too, is the application's own.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import recipe as recipes
import report
from browser import Browser, together
from fronts import FRONTS, REPOSITORY
from processes import APPLICATION_USER, Fault, Process, is_open, run
from servers import Gunicorn, Pyfcgid

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).resolve()
PLACE = TARGET / "applications"
PYTHON = os.environ.get("PYTHON", "/usr/bin/python3")
PROOFS = 8
GUNICORN = "gunicorn==23.0.0"


def main():
    options = parse()
    if options.list:
        print("\n".join(recipes.names()))
    elif options.table:
        print(report.table(PLACE, [recipes.load(name) for name in recipes.names()]), end="")
    else:
        return run_all(options)
    return 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--proof", action="store_true", help="try what fails under Gunicorn, too")
    parser.add_argument("--under-gunicorn", action="store_true", help="run under Gunicorn alone")
    parser.add_argument("--processes", type=int, default=2, help="other than the 2 that the table is about")
    parser.add_argument("--pin", action="store_true", help="write constraints.txt")
    parser.add_argument("--front", choices=[front.name for front in FRONTS], help="behind one web server alone")
    parser.add_argument("--table", action="store_true", help="print the page of docs/ from the last results")
    parser.add_argument("--list", action="store_true", help="print the applications' names")
    return parser.parse_args()


def run_all(options):
    program = TARGET / "release/pyfcgid"
    if not program.exists():
        print(f"There is no {program}: run `make build` first.", file=sys.stderr)
        return 69
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGALRM, out_of_time)
    all_well = True
    for name in options.names or recipes.names():
        result = Application(recipes.load(name), program, options).run()
        print(report.in_short(result), flush=True)
        all_well = all_well and report.is_well(result)
    return 0 if all_well else 1


class OutOfTime(BaseException):
    """Not to be caught by what a step does."""


def out_of_time(*_):
    raise OutOfTime


class Application:
    """One application, behind each web server in turn."""

    def __init__(self, recipe, program, options):
        self.recipe, self.program, self.options = recipe, program, options
        self.place = PLACE / recipe.name
        self.environment = recipes.Environment(recipe, self.place, PYTHON)

    def run(self):
        result = {"name": self.recipe.name, "title": self.recipe.title, "runs": {}}
        self.place.mkdir(parents=True, exist_ok=True)
        try:
            self.install()
        except Fault as fault:
            return self.save({**result, "cannot": str(fault)})
        result["version"] = self.environment.version(self.recipe.setting("PACKAGE", self.recipe.name))
        result["steps"] = [about(step) for step in self.recipe.steps()]
        for front_type in FRONTS:
            if self.options.front in (None, front_type.name):
                result["runs"][front_type.name] = self.behind(front_type)
        return self.save(result)

    def install(self):
        missing = self.recipe.missing()
        if missing:
            raise Fault(f"missing, by the names of their Debian packages: {' '.join(missing)}")
        log = self.place / "pip.log"
        log.write_text("")
        self.environment.make(log)
        if self.options.pin:
            (self.recipe.directory / "constraints.txt").write_text(self.environment.frozen())
            self.environment.stamp.write_text(self.environment.wanted())

    def behind(self, front_type):
        if self.options.under_gunicorn:
            return self.under(Gunicorn, front_type)
        seen = self.under(Pyfcgid, front_type)
        if seen["faults"] and self.options.proof:
            seen["under Gunicorn"] = self.proof(front_type, seen["faults"])
            must_pass = self.recipe.setting("MUST_PASS", ())
            seen["must pass"] = [about(step) for step in self.recipe.steps() if step.__name__ in must_pass]
        return seen

    def proof(self, front_type, faults):
        """The faults under Gunicorn. What threads race for is seen now and then: it is tried until all have been seen."""
        proved = {}
        for _ in range(PROOFS):
            new = self.under(Gunicorn, front_type)["faults"]
            proved |= {step: fault for step, fault in new.items() if not report.is_the_same(faults.get(step, ""), proved.get(step))}
            if all(step in report.OURS or report.is_the_same(fault, proved.get(step)) for step, fault in faults.items()):
                break
        return proved

    def under(self, server_type, front_type):
        """What is seen of it under this server, behind this web server; nothing is left running."""
        front = front_type(self.place / "run/front")
        site = recipes.Site(self.recipe, self.place, front)
        site.set_up_log.write_text("")
        source = self.program if server_type is Pyfcgid else gunicorn_place(self.place / "pip.log")
        server = server_type(source, self.recipe, site, front, self.options.processes)
        seen = {"faults": {}, "passed": [], "requests": 0, "noise": 0}
        started = time.monotonic()
        running = []
        signal.alarm(self.recipe.seconds)
        try:
            site.make()
            start(self.recipe, server, front, site, running)
            exercise(self.recipe, server, site, seen)
            afterwards(self.recipe, server, site, running, seen)
        except Fault as fault:
            seen["faults"]["start"] = str(fault)
        except OutOfTime:
            seen["faults"]["time"] = f"not done within {self.recipe.seconds} s"
        finally:
            signal.alarm(0)
            faults = [fault for one in reversed(running) for fault in one.stop()]
        if faults:
            seen["faults"]["stop"] = "; ".join(faults)
        noise, warnings = (server.noise(), server.warnings()) if server.log.exists() else ([], [])
        if server.log.exists():
            shutil.copy(server.log, self.place / f"log-{server.name}-{front.name}.log")
        (self.place / f"noise-{server.name}-{front.name}.log").write_text("".join(line + "\n" for line in noise))
        seen |= {"noise": len(noise), "warnings": len(warnings), "seconds": round(time.monotonic() - started)}
        return seen

    def save(self, result):
        path = self.place / "result.json"
        if path.exists() and self.options.front and "runs" in result:
            result["runs"] = {**json.loads(path.read_text()).get("runs", {}), **result["runs"]}
        if not self.options.under_gunicorn and self.options.processes == 2:
            path.write_text(json.dumps(result, indent=1))
        return result


def start(recipe, server, front, site, running):
    for name, command, env, port in recipe.setting("helpers", lambda site: [])(site):
        helper = Process(name, command, site.place / f"{name}.log", env, site.data, APPLICATION_USER)
        running.append(helper)
        helper.wait_until(lambda: is_open(port), 60)
    recipe.setting("before_start", lambda site: None)(site)
    running.append(server)
    front.start(server, recipe, site)
    running.append(front)
    server.start()


def exercise(recipe, server, site, seen):
    browser = Browser(site)
    attempt(seen, first_requests, lambda: first_requests(recipe, browser))
    for step in recipe.steps():
        attempt(seen, step, lambda step=step: step(browser))
    attempt(seen, reload, lambda: reload(recipe, browser, server))
    seen["requests"] = browser.requests


def afterwards(recipe, server, site, running, seen):
    """Stops the server, while its helpers still run, and looks at what it has done last."""
    step = recipe.setting("afterwards", None)
    if step:
        running.remove(server)
        faults = server.stop()
        if faults:
            raise Fault("; ".join(faults))
        attempt(seen, step, lambda: step(site))


def attempt(seen, step, action):
    try:
        action()
        seen["passed"].append(about(step))
    except Fault as fault:
        seen["faults"][about(step)] = str(fault)
    except Exception as error:  # a recipe that expects something else to be there
        seen["faults"][about(step)] = f"{type(error).__name__}: {error}"


def first_requests(recipe, browser):
    """first requests at once"""
    path, expect = recipe.front_page
    together(8, lambda _: browser.another().get(path, expect=expect))


def reload(recipe, browser, server):
    """reload"""
    server.reload()
    path, expect = recipe.front_page
    together(8, lambda _: browser.another().get(path, expect=expect))


def about(step):
    return (step.__doc__ or step.__name__.replace("_", " ")).strip().splitlines()[0].rstrip(".")


def gunicorn_place(log):
    """Gunicorn, installed apart from the applications' own packages."""
    place = PLACE / GUNICORN.replace("==", "-")
    if not (place / "gunicorn").exists():
        run([PYTHON, "-m", "pip", "-q", "--disable-pip-version-check", "install", "--target", place, GUNICORN], log)
    return place


if __name__ == "__main__":
    sys.exit(main())
