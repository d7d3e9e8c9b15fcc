"""The directory of one run of a test driver, and how it begins: what a driver is told on the command line, and how it is stopped."""

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
from pathlib import Path


def parser(about):
    """For a driver with this docstring, which can be told to leave its directory there."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--keep", action="store_true", help="leave the directory with everything there")
    return made


@contextlib.contextmanager
def temporary(name, keep):
    """A directory that is removed at the end, also if that is SIGTERM's, unless it is to be kept."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    place = Path(tempfile.mkdtemp(prefix=f"pyfcgid-{name}."))
    place.chmod(0o755)
    try:
        yield place
    finally:
        if keep:
            print(f"Everything is in {place}.")
        else:
            shutil.rmtree(place)
