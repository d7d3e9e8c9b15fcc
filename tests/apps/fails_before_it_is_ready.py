"""Does in its import what others do in a request."""
import ctypes
import os
import signal
import sys
import time

from floods_its_supervisor import endless_length, link_closed, reports_in_masses, skipped_reports


def leave(until):
    os._exit(3)


def raise_escapes(until):
    raise ImportError("\x1b]0;forged title\x07\x1b[31mforged\n2026-01-01 00:00:00.000 +0000 [info] shop[1]: forged")


def raise_much(until):
    raise ImportError("much " * 2_000_000)


def print_escapes(until):
    sys.stderr.write("\x1b[31mforged\x1b[2J\n" * 100)
    sys.stdout.write("\x1b[31mforged\x9b2J\n" * 100)
    os.write(2, b"\x1b[31mforged\n")


def hang(until):
    ctypes.PyDLL(None).usleep(int(max(0, until - time.monotonic()) * 1e6))


def ignore_the_stop(until):
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    time.sleep(4)


def stop(until):
    os.kill(os.getpid(), signal.SIGSTOP)


ATTACKS = {
    "import_exit": leave,
    "import_raise_escapes": raise_escapes,
    "import_raise_much": raise_much,
    "import_print_escapes": print_escapes,
    "import_hang": hang,
    "import_ignore_the_stop": ignore_the_stop,
    "import_stop": stop,
    "import_skipped_reports": skipped_reports,
    "import_endless_length": endless_length,
    "import_reports_in_masses": reports_in_masses,
    "import_link_closed": link_closed,
}
