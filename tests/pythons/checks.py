"""What each pool has to answer."""

from processes import Fault

from environments import WITH_C


def where_it_is(nginx, pool):
    said = nginx.ask(pool)
    for name, expected in pool.expected.items():
        if said[name] != expected:
            raise Fault(f"{name} is {said[name]!r} instead of {expected!r}")


def standard_library(nginx, pool):
    expect(nginx.ask(pool, "/standard-library"), {"sqlite3": 1, "ssl": "CERT_REQUIRED", "ctypes": True})


def by(method):
    return lambda nginx, pool: expect(nginx.ask(pool, f"/multiprocessing/{method}"), {"squares": [0, 1, 4, 9]})


def subprocesses(nginx, pool):
    expect(nginx.ask(pool, "/subprocess"), {"prefixes": [pool.expected["prefix"]] * 2})


def importing(package):
    def check(nginx, pool):
        if package in pool.left_out:
            raise LeftOut(pool.left_out[package])
        file = nginx.ask(pool, f"/import/{WITH_C[package]}")["file"]
        if not file.startswith(pool.expected["prefix"] + "/"):
            raise Fault(f"{package} was imported from {file}")
    return check


def expect(said, expected):
    if said != expected:
        raise Fault(f"{said} instead of {expected}")


class LeftOut(Exception):
    """Why it was not tried."""


CHECKS = {
    "place": where_it_is, "stdlib": standard_library, "spawn": by("spawn"), "forkserver": by("forkserver"), "fork": by("fork"),
    "subprocess": subprocesses, **{package.partition("-")[0]: importing(package) for package in WITH_C},
}
