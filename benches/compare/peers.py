"""Every server that is measured: what it needs, how it is started, what it speaks."""

import os
import signal
from collections import namedtuple

from install import MOD_WSGI
from processes import Server, free_port

# What nginx, or the load generator, has to speak with it.
FASTCGI, UWSGI, HTTP = "fastcgi", "uwsgi", "http"

# `write`, if there is one, makes files that it takes. `keeps`: whether connections can be kept open.
Kind = namedtuple("Kind", "name peer speaks keeps command write stop_signal tcp", defaults=[None, signal.SIGINT, False])
# A kind with an application, in a directory of its own.
Start = namedtuple("Start", "tools programs place module threads address environment")


def pyfcgid(start):
    command = [start.programs["pyfcgid"], "serve", start.module, "--listen", f"unix:{start.address}", "--log-level", "warn"]
    command += ["--threads", start.threads, "--python", start.tools.python, "--max-connections", 20000]
    # An application gets nothing of pyfcgid's own environment.
    for name, value in start.environment.items():
        command += ["--env", f"{name}={value}"]
    return command + (["--user", "root"] if os.geteuid() == 0 else [])


def link_floor(start):
    """As a module that Python finds beside the script."""
    (start.place / "floor.so").symlink_to(start.programs["floor"])


def uwsgi_with(socket_option):
    def command(start):
        options = ["--module", f"{start.module}:application", "--virtualenv", start.tools.bin.parent, "--processes", 1]
        options += ["--threads", start.threads] if start.threads > 1 else []
        return [start.tools.bin / "uwsgi", socket_option, start.address, *options, "--disable-logging", "--need-app"]

    return command


def gunicorn_with(worker):
    def command(start):
        options = ["-k", worker, "-w", 1, "--threads", start.threads, "--bind", f"unix:{start.address}", "--log-level", "warning"]
        return [start.tools.bin / "gunicorn", *options, f"{start.module}:application"]

    return command


def granian(start):
    options = ["--interface", "wsgi", "--uds", start.address, "--workers", 1, "--blocking-threads", start.threads]
    return [start.tools.bin / "granian", *options, "--no-ws", "--log-level", "warning", f"{start.module}:application"]


def waitress(start):
    options = [f"--unix-socket={start.address}", f"--threads={start.threads}"]
    return [start.tools.bin / "waitress-serve", *options, f"{start.module}:application"]


def script(name):
    return lambda start: [start.tools.python, name, start.address, start.module]


APACHE = """\
ServerRoot "{place}"
ServerName localhost
PidFile "{place}/apache.pid"
ErrorLog "{place}/apache-error.log"
LogLevel error
Listen 127.0.0.1:{port}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule wsgi_module {module}
KeepAlive On
MaxKeepAliveRequests 0
StartServers 1
ThreadsPerChild 25
MaxRequestWorkers 25
ServerLimit 1
{user}
WSGISocketPrefix "{place}/wsgi"
WSGIDaemonProcess bench processes=1 threads={threads} python-path={place}
WSGIProcessGroup bench
WSGIApplicationGroup %{{GLOBAL}}
WSGIScriptAlias / "{place}/{app}.py"
<Directory "{place}">
    Require all granted
</Directory>
"""


def write_apache(start):
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    values = {"place": start.place, "port": start.address[1], "module": MOD_WSGI, "user": user}
    text = APACHE.format(threads=start.threads, app=start.module, **values)
    (start.place / "apache.conf").write_text(text)


def apache(start):
    return [start.tools.apache, "-f", start.place / "apache.conf", "-D", "FOREGROUND"]


PHP_FPM = """\
[global]
error_log = {place}/php-fpm-error.log
daemonize = no
[bench]
listen = {socket}
listen.mode = 0666
pm = static
pm.max_children = {processes}
{user}
"""


def write_php_fpm(start):
    user = "user = www-data\ngroup = www-data" if os.geteuid() == 0 else ""
    text = PHP_FPM.format(place=start.place, socket=start.address, processes=start.threads, user=user)
    (start.place / "php-fpm.conf").write_text(text)


def php_fpm(start):
    return [start.tools.php_fpm, "-n", "-F", "-y", start.place / "php-fpm.conf"]


KINDS = {
    kind.name: kind
    for kind in [
        Kind("pyfcgid", "pyfcgid", FASTCGI, True, pyfcgid),
        Kind("floor", "floor", FASTCGI, True, script("floor_server.py"), link_floor),
        Kind("uWSGI fastcgi", "uWSGI", FASTCGI, False, uwsgi_with("--fastcgi-socket")),
        Kind("uWSGI uwsgi", "uWSGI", UWSGI, False, uwsgi_with("--uwsgi-socket")),
        Kind("flup6", "flup6", FASTCGI, True, script("flup_server.py")),
        Kind("bjoern", "bjoern", HTTP, True, script("bjoern_server.py")),
        Kind("Granian", "Granian", HTTP, True, granian),
        Kind("Gunicorn sync", "Gunicorn", HTTP, False, gunicorn_with("sync")),
        Kind("Gunicorn gthread", "Gunicorn", HTTP, True, gunicorn_with("gthread")),
        Kind("Waitress", "Waitress", HTTP, True, waitress),
        Kind("mod_wsgi", "mod_wsgi", HTTP, True, apache, write_apache, signal.SIGTERM, True),
        Kind("PHP-FPM", "PHP-FPM", FASTCGI, True, php_fpm, write_php_fpm),
    ]
}


class Peer:
    """A server as it appears in a table: a kind with so many threads."""

    def __init__(self, kind, threads, label=None):
        self.kind = KINDS[kind]
        self.threads = threads
        self.name = label or kind

    def start(self, tools, programs, place, module, environment):
        number = len(list(place.glob("*.log")))
        address = ("127.0.0.1", free_port()) if self.kind.tcp else place / f"s{number}.sock"
        start = Start(tools, programs, place, module, self.threads, address, environment)
        if self.kind.write:
            self.kind.write(start)
        return Server(self.name, self.kind.command(start), place, address, environment, self.kind.stop_signal)
