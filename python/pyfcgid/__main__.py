"""`python -m pyfcgid`: the program, which pip has put beside other programs and not beside this package."""

import os
import sys
import sysconfig
from importlib.metadata import distributions
from pathlib import Path
from typing import Iterator, NoReturn

NAME = "pyfcgid"
# Where this package is: site-packages, or a directory that was named to pip.
PACKAGES = Path(__file__).absolute().parents[1]


def main() -> NoReturn:
    for program in candidates():
        if program.is_file() and os.access(program, os.X_OK):
            os.execv(program, [str(program), *sys.argv[1:]])
    sys.exit(f"the program {NAME} is not where it was installed: reinstall it with {sys.executable} -m pip install --force-reinstall {NAME}")


def candidates() -> Iterator[Path]:
    """Where it may be, the likeliest first."""
    yield from recorded()
    yield Path(sysconfig.get_path("scripts"), NAME)
    yield Path(sysconfig.get_path("scripts", "posix_user"), NAME)
    # pip's --target keeps no record of it that is true.
    yield PACKAGES / "bin" / NAME


def recorded() -> Iterator[Path]:
    """Where whoever has installed this package says that it is, which is right for --user and --prefix as well."""
    for distribution in distributions(name=NAME, path=[str(PACKAGES)]):
        for file in distribution.files or ():
            if file.name == NAME:
                yield Path(str(distribution.locate_file(file)))


if __name__ == "__main__":
    main()
