"""Installs the Debian package on new machines that systemd boots, as an administrator would, and tries what it promises.

    python3 tests/installed --package FILE.deb --load PROGRAM [--keep] RELEASE...

Takes root, debootstrap, systemd-nspawn, and a mirror of Debian for the roots. A line for each step; the first one that fails ends its
machine. With --keep the roots that debootstrap made stay for the next time, and the logs.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.append(str(REPOSITORY / "tests/applications"))

import steps
import without_systemd
from machine import Base, Booted, Entered
from package import Packages
from processes import Fault

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).resolve()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", required=True, help="what `make deb` made")
    parser.add_argument("--load", required=True, help="the load generator of benches/load")
    parser.add_argument("--keep", action="store_true", help="leave the roots that debootstrap made, and the logs, in target/installed")
    parser.add_argument("releases", nargs="+", metavar="RELEASE")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("This takes root: run `make installed` as root.", file=sys.stderr)
        return 69
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    place = TARGET / "installed"
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o755)
    packages = Path(tempfile.mkdtemp(prefix="packages.", dir=place))
    try:
        trial = Trial(Packages(options.package, packages), options.load, place)
        for release in options.releases:
            trial.release(release)
        print(f"{trial.passed} passed, {trial.failed} failed")
        return 1 if trial.failed else 0
    finally:
        shutil.rmtree(packages if options.keep else place)


class Trial:
    def __init__(self, packages, load, place):
        self.packages, self.load, self.place, self.passed, self.failed = packages, load, place, 0, 0

    def release(self, release):
        base = Base(release, self.place)
        begin = time.monotonic()
        base.make()
        say(release, "base system", f"{time.monotonic() - begin:.0f} s")
        for kind, of, names in ((Booted, steps.Steps, steps.STEPS), (Entered, without_systemd.StepsWithoutSystemd, without_systemd.STEPS)):
            name = kind.__name__.lower()
            root = base.copy(name)
            try:
                self.machine(release, kind(root, self.place / f"{release}.{name}.log"), of, names)
            finally:
                shutil.rmtree(root)

    def machine(self, release, machine, of, names):
        machine.install_file(self.load, "/root/load")
        with machine:
            all_of_it = of(machine, self.packages)
            for name in names:
                what = name.replace("_", " ")
                try:
                    say(release, what, getattr(all_of_it, name)())
                    self.passed += 1
                except Fault as fault:
                    say(release, what, f"FAILED: {str(fault)[-2000:]}")
                    self.failed += 1
                    return


def say(release, what, figure):
    print(f"{release}: {what}: {figure}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
