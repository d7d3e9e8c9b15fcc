"""The application of the tests: says its version, takes its time, tries what the unit forbids, prints a line for the log."""

import errno
import os
import socket
import time

VERSION = "one"


def application(environ, start_response):
    what, _, argument = environ["PATH_INFO"].strip("/").partition("/")
    text = PAGES.get(what, version)(argument)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]


def version(_):
    return VERSION


def wait(seconds):
    """A request that runs for so long, and is whole at its end."""
    time.sleep(float(seconds))
    return f"waited {seconds} s"


def say(words):
    print(words)
    return words


def attempts(_):
    """One line each: what was tried, and ok or the name of the error."""
    return "".join(f"{name} {outcome(attempt)}\n" for name, attempt in ATTEMPTS.items())


def outcome(attempt):
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "ok"


def write(directory):
    def attempt():
        path = os.path.join(directory, "written-by-pyfcgid")
        with open(path, "w"):
            pass
        # The one in /tmp is looked for outside.
        if directory != "/tmp":
            os.remove(path)

    return attempt


def set_user_id():
    path = "/tmp/set-user-id"
    with open(path, "w"):
        pass
    os.chmod(path, 0o4755)


def packet_socket():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()


PAGES = {"wait": wait, "say": say, "attempts": attempts}
WRITABLE = ("/tmp", "/run/pyfcgid", "/var/log/pyfcgid")
READ_ONLY = ("/", "/etc", "/etc/pyfcgid", "/usr/bin", "/srv", "/var/lib", "/root", "/home", "/boot")
ATTEMPTS = {
    **{f"write:{directory}": write(directory) for directory in WRITABLE + READ_ONLY},
    "read:/dev/kmsg": lambda: open("/dev/kmsg").close(),
    "chmod u+s": set_user_id,
    "AF_PACKET": packet_socket,
    "write:/proc/sys/kernel/hostname": lambda: open("/proc/sys/kernel/hostname", "w").close(),
}
