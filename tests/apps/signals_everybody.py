"""Stops, kills, traces and types into whatever it may, and what it must not."""
import ctypes
import fcntl
import os
import resource
import signal
import termios
import time

PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
PIDFD_GETFD = 438


def siblings():
    supervisor = os.getppid()
    with open(f"/proc/{supervisor}/task/{supervisor}/children") as file:
        return [int(number) for number in file.read().split() if int(number) != os.getpid()]


def tried(action, *arguments):
    """It should be refused."""
    try:
        return action(*arguments)
    except OSError:
        return None


def continued_later(process, seconds):
    if os.fork() == 0:
        time.sleep(seconds)
        tried(os.kill, process, signal.SIGCONT)
        os._exit(0)


def stop_itself(until):
    continued_later(os.getpid(), 2)
    os.kill(os.getpid(), signal.SIGSTOP)


def stop_for_ever(until):
    os.kill(os.getpid(), signal.SIGSTOP)


def stop_siblings(until):
    for sibling in siblings():
        continued_later(sibling, 1)
        tried(os.kill, sibling, signal.SIGSTOP)


def kill_siblings(until):
    for sibling in siblings():
        tried(os.kill, sibling, signal.SIGKILL)


def kill_itself(until):
    os.kill(os.getpid(), signal.SIGKILL)


def crash(until):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), signal.SIGSEGV)


def exit_in_a_thread(until):
    os._exit(5)


def terminate_the_group(until):
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        tried(os.kill, 0, number)


def kill_the_group(until):
    tried(os.killpg, 0, signal.SIGKILL)


def signal_the_supervisor(until):
    for process in [os.getppid(), *siblings()]:
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
            if process == os.getppid():
                tried(os.kill, process, number)
    tried(os.killpg, os.getpgid(os.getppid()), signal.SIGTERM)
    tried(resource.prlimit, os.getppid(), resource.RLIMIT_NOFILE, (0, 0))
    tried(os.setpriority, os.PRIO_PROCESS, os.getppid(), 19)


def trace_the_supervisor(until):
    libc, supervisor = ctypes.CDLL(None, use_errno=True), os.getppid()
    for request in (PTRACE_ATTACH, PTRACE_SEIZE):
        libc.ptrace(request, supervisor, 0, 0)
    for name in ("mem", "environ", "fd/0", "maps"):
        descriptor = tried(os.open, f"/proc/{supervisor}/{name}", os.O_RDWR)
        if descriptor is not None:
            os.close(descriptor)
    handle = tried(os.pidfd_open, supervisor)
    if handle is not None:
        libc.syscall(PIDFD_GETFD, handle, 3, 0)
        os.close(handle)


def type_at_the_terminal(until):
    terminal = tried(os.open, "/dev/tty", os.O_RDWR | os.O_NOCTTY)
    if terminal is not None:
        for byte in b"typed by the application\n":
            tried(fcntl.ioctl, terminal, termios.TIOCSTI, bytes([byte]))
        os.close(terminal)


def interrupt_at_the_terminal(until):
    terminal = tried(os.open, "/dev/tty", os.O_RDWR | os.O_NOCTTY)
    if terminal is not None:
        tried(fcntl.ioctl, terminal, termios.TIOCSTI, b"\x03")
        tried(fcntl.ioctl, terminal, termios.TIOCSTI, b"\x1a")
        os.close(terminal)


def block_signals(until):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    ctypes.CDLL(None).signal(signal.SIGTERM, 1)
    ctypes.CDLL(None).signal(signal.SIGQUIT, 1)


def ignore_ends_of_children(until):
    ctypes.CDLL(None).signal(signal.SIGCHLD, 1)
    ctypes.CDLL(None).signal(signal.SIGPIPE, 0)


ATTACKS = {
    "signal_stop_itself": stop_itself,
    "signal_stop_for_ever": stop_for_ever,
    "signal_stop_siblings": stop_siblings,
    "signal_kill_siblings": kill_siblings,
    "signal_kill_itself": kill_itself,
    "signal_crash": crash,
    "signal_exit": exit_in_a_thread,
    "signal_terminate_the_group": terminate_the_group,
    "signal_kill_the_group": kill_the_group,
    "signal_the_supervisor": signal_the_supervisor,
    "signal_trace_the_supervisor": trace_the_supervisor,
    "signal_type_at_the_terminal": type_at_the_terminal,
    "signal_interrupt_at_the_terminal": interrupt_at_the_terminal,
    "signal_block": block_signals,
    "signal_dispositions": ignore_ends_of_children,
}
