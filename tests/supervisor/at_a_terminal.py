"""Runs a command on a terminal of its own, does some steps there, and prints what came of it as JSON.

    at_a_terminal.py ROWS COLUMNS STEP... -- COMMAND ARGUMENT...

A step is `see:TEXT` (wait until that is on the screen), `key:TEXT` (type it), `signal:NAME`, `stopped` (wait until the process is, with
the terminal as it was), `run:SHELL` ($PID is the command), `lost` (what is on the screen), `size:ROWS,COLUMNS` (which loses that, too) or
`gone` (the terminal is). At last the end of the command is waited for."""
import collections
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

DEADLINE = 30
rows, columns = map(int, sys.argv[1:3])
divider = sys.argv.index("--")
steps, command = sys.argv[3:divider], sys.argv[divider + 1 :]


def set_size(rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def fail(why):
    os.kill(child, signal.SIGKILL)
    sys.exit(f"{why}; shown: {bytes(shown)!r}")


def read_for(seconds):
    if select.select([terminal], [], [], seconds)[0]:
        try:
            shown.extend(os.read(terminal, 65536))
        except OSError:
            time.sleep(0.01)


def wait(what, condition):
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > DEADLINE:
            fail(f"waited for {what}")
        read_for(0.05)


def screen():
    """What is in the cells: of a text that changes only those that differ are written."""
    lines, row, column = collections.defaultdict(lambda: [" "] * 200), 1, 1
    _, *pieces = re.split(r"\x1b\[([\d;?]*)([A-Za-z])", shown[lost:].decode(errors="replace"))
    for arguments, command, text in zip(*[iter(pieces)] * 3):
        if command == "H":
            row, column = map(int, arguments.split(";"))
        elif arguments + command in ("2J", "?1049h", "?1049l"):
            lines.clear()
        lines[row][column : column + len(text)] = text
        column += len(text)
    return "\n".join(map("".join, lines.values()))


def state():
    with open(f"/proc/{child}/stat") as stat:
        return stat.read().rsplit(") ", 1)[1][0]


def is_restored():
    on_other_screen = shown.rfind(b"\x1b[?1049h") > shown.rfind(b"\x1b[?1049l")
    is_hidden = shown.rfind(b"\x1b[?25l") > shown.rfind(b"\x1b[?25h")
    return termios.tcgetattr(terminal) == before and not on_other_screen and not is_hidden


terminal, far_end = pty.openpty()
shown, lost = bytearray(), 0
set_size(rows, columns)
before = termios.tcgetattr(terminal)
child = os.fork()
if child == 0:
    os.close(terminal)
    os.setsid()
    fcntl.ioctl(far_end, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(far_end, number)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execv(command[0], command)
os.close(far_end)
for step in steps:
    kind, _, text = step.partition(":")
    if kind == "see":
        wait(text, lambda: text in screen())
    elif kind == "key":
        os.write(terminal, text.encode())
    elif kind == "signal":
        os.kill(child, getattr(signal, "SIG" + text))
    elif kind == "stopped":
        wait("the stop", lambda: state() == "T" and is_restored())
    elif kind == "run":
        subprocess.run(text, shell=True, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PID": str(child)})
    elif kind == "gone":
        os.close(terminal)
        begun = time.monotonic()
        while state() != "Z":
            if time.monotonic() - begun > DEADLINE:
                os.kill(child, signal.SIGKILL)
                sys.exit("it runs without a terminal")
            time.sleep(0.01)
        print(json.dumps({"shown": bytes(shown).decode("utf-8", "replace")}))
        sys.exit()
    elif kind == "lost":
        lost = len(shown)
    elif kind == "size":
        lost = len(shown)
        set_size(*map(int, text.split(",")))
        os.kill(child, signal.SIGWINCH)
    else:
        sys.exit(f"no such step: {step}")
wait("the end", lambda: state() == "Z")
read_for(0.1)
print(json.dumps({
    "code": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]),
    "restored": is_restored(),
    "shown": shown.decode("utf-8", "replace"),
}))
