#!/usr/bin/env python3
"""Measures pyfcgid against its peers: the same applications, the same machine, the same run.

Round by round, each server is measured in turn; what is printed is the median over the rounds. CPU is that of the server's
process tree, and steadier than requests per second on a machine that does something else, too. Compare the ratios; absolute
times belong to the machine. At the end stands what pyfcgid aims at, and whether it gets there.
"""

import argparse
import json
import os
import platform
import resource
import signal
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

from aims import judge  # noqa: E402
from cases import LARGE, SECTIONS  # noqa: E402
from chart import draw  # noqa: E402
from generator import TOP, build  # noqa: E402
from install import install  # noqa: E402
from memory import run_memory  # noqa: E402
from report import aims_table, memory_table, tables  # noqa: E402
from rounds import LARGE_FILE, Bench, run_section  # noqa: E402

MEMORY = "memory"


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    raise_limit_on_files()
    target = Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target")).resolve() / "compare"
    target.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    bench = prepare(options, target)
    results = measure(bench, options)
    text = as_text(bench, options, results, time.monotonic() - begin)
    print(text)
    write(target, text, results)
    if options.svg:
        Path(options.svg).write_text(draw(results))
    return 1 if has_failed(results) else 0


def parse_options():
    parser = argparse.ArgumentParser(
        prog="benches/compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    keys = [section.key for section in SECTIONS] + [MEMORY]
    parser.add_argument("--quick", action="store_true", help="few requests, 2 rounds: to see that it works")
    parser.add_argument("--rounds", type=positive, metavar="N", help="rounds, each of which measures everything once (5)")
    parser.add_argument("--only", action="append", choices=keys, help="measure only this; can be repeated")
    parser.add_argument("--svg", metavar="PATH", help="draw a chart, too")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.share = 0.15 if options.quick else 1
    options.only = options.only or keys
    return options


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def raise_limit_on_files():
    """For the idle connections, of both sides."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def prepare(options, target):
    tools = install(target)
    programs = {"pyfcgid": build("pyfcgid", "--bin", "pyfcgid")}
    programs["floor"] = build("floor", "--package", "floor")
    generator = build("load", "--bench", "load", "--no-default-features")
    large = target / LARGE_FILE
    if not large.exists() or large.stat().st_size != LARGE:
        large.write_bytes(os.urandom(1024) * (LARGE // 1024))
    return Bench(tools, programs, generator, options.rounds, options.share, large)


def measure(bench, options):
    results = {section.key: run_section(bench, section) for section in SECTIONS if section.key in options.only}
    if MEMORY in options.only:
        results[MEMORY] = run_memory(bench)
    return results


def as_text(bench, options, results, seconds):
    lines = [f"pyfcgid and its peers, {time.strftime('%Y-%m-%d')}, {platform.platform()}, {os.cpu_count()} processors"]
    lines += [", ".join([f"Python {bench.tools.python_version}", *bench.tools.versions()])]
    lines += [f"Medians of {options.rounds} rounds; {seconds / 60:.1f} minutes in all{', QUICK' if options.quick else ''}.", ""]
    lines += tables(results)
    lines += memory_table(results[MEMORY]) if MEMORY in results else []
    lines += [f"not installed: {name}: {why}" for name, why in bench.tools.missing.items()]
    lines += aims_table(judge(results))
    return "\n".join(lines) + "\n"


def write(target, text, results):
    (target / "result.txt").write_text(text)
    everything = {"results": results, "aims": [aim._asdict() for aim in judge(results)]}
    (target / "result.json").write_text(json.dumps(everything, indent=1))


def has_failed(results):
    """Whether pyfcgid has. That a peer does now and then is told in the table."""
    cases = [case for section in results.values() for case in section.values()]
    faults = [entry.get("fault") for case in cases for name, entry in case.items() if name.startswith("pyfcgid")]
    return any(fault and not fault.startswith(("not installed", "not measured")) for fault in faults)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
