"""Locks and swaps what it can open: the run directory, the PID file, the directory of its sockets."""
import fcntl
import os
import time


def lock(path, until):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    return
                time.sleep(0.001)
        time.sleep(max(0, until - time.monotonic()))
    finally:
        os.close(descriptor)


def run_directory(until):
    lock("../run", until + 1)


def pid_file(until):
    lock("../run/site.pid", until + 1)


def socket_directory(until):
    lock(".", until + 1)


def other_sockets(until):
    lock("../shop", until + 1)


def configuration(until):
    lock("../site.toml", until + 1)


def log_file(until):
    lock("../log", until + 1)


def take_turn():
    """One process swaps at a time: what two lose nobody brings back. What one that was killed has left is mended."""
    turn = os.open("own/swapping", os.O_RDONLY | os.O_CREAT)
    try:
        # Whatever the umask of who has made it.
        os.fchmod(turn, 0o600)
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.exists("hostile.kept"):
            os.rename("hostile.kept", "hostile.sock")
    except OSError:
        os.close(turn)
        raise
    return turn


def mend():
    """A socket whose name somebody else has is no longer reloaded, and then nobody attacks any more."""
    try:
        os.close(take_turn())
    except OSError:
        pass  # Somebody swaps, or nothing more can be opened here.


def keep_mending():
    """Where no reload comes through, no process comes that would mend at its start."""
    while os.path.exists("../attack"):
        mend()
        time.sleep(0.5)


def swap(until, target):
    """Again and again, and back at the end."""
    turn = take_turn()
    while time.monotonic() < until:
        os.rename("hostile.sock", "hostile.kept")
        try:
            os.symlink(target, "hostile.sock")
            time.sleep(0.01)
        finally:
            os.rename("hostile.kept", "hostile.sock")
        time.sleep(0.01)
    os.close(turn)


def socket_for_a_victim(until):
    swap(until, "../victim")


def socket_for_another(until):
    swap(until, "../shop/shop.sock")


ATTACKS = {
    "lock_run_directory": run_directory,
    "lock_pid_file": pid_file,
    "lock_socket_directory": socket_directory,
    "lock_other_sockets": other_sockets,
    "lock_configuration": configuration,
    "lock_log_directory": log_file,
    "swap_for_a_victim": socket_for_a_victim,
    "swap_for_another_socket": socket_for_another,
}
