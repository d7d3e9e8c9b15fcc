"""One pyfcgid with all pools, behind one nginx that has each pool under its name."""

import http.client
import json
import re
import shutil
import subprocess
from pathlib import Path

from processes import APPLICATION_USER, Fault, Process, free_port, is_open

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 60
READY = re.compile(r"\[info\] pyfcgid\[\d+\]: PF0101 ready$", re.MULTILINE)


class Pool:
    """One application, in a Python of its own."""

    def __init__(self, name, about, settings, place=None, left_out=()):
        self.name, self.about, self.settings, self.expected, self.left_out = name, about, settings, place, dict(left_out)

    def toml(self, place):
        usual = {"app": "application:app", "chdir": str(place / "site"), "listen": f"unix:{place}/{self.name}.sock",
                 "socket-group": APPLICATION_USER, "threads": 2, "user": "root"}
        return table(self.name, {**usual, **self.settings})


class Daemon:
    """pyfcgid itself."""

    def __init__(self, program, place, pools):
        self.program, self.place, self.pools, self.process = program, place, pools, None
        self.log, self.configuration = place / "pyfcgid.log", place / "pyfcgid.toml"

    def head(self):
        return f'log = "file:{self.log}"\ncontrol-socket = "{self.place}/control"\n'

    def configure(self, *further):
        self.configuration.write_text(self.head() + "".join(pool.toml(self.place) for pool in [*self.pools, *further]))

    def start(self):
        self.configure()
        self.process = Process("pyfcgid", [self.program, "serve", "-c", self.configuration], self.place / "output.log")
        self.process.wait_until(lambda: self.log.exists() and READY.search(self.log.read_text(errors="replace")), 120)

    def reload(self):
        return self.command("reload", "-c", self.configuration)

    def check(self, pool):
        """That pool alone."""
        path = self.place / "checked.toml"
        path.write_text(self.head().replace("/control", "/other-control") + pool.toml(self.place))
        return self.command("check", "-c", path)

    def command(self, *words):
        command = [self.program, *words]
        try:
            return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                                  errors="replace", timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, None, "", f"it does not end within {PATIENCE} s")

    def stop(self):
        return self.process.stop() if self.process else []


class Nginx:
    def __init__(self, place, pools):
        self.place, self.port, self.process = place / "nginx", free_port(), None
        self.place.mkdir()
        shutil.copy(REPOSITORY / "nginx/pyfcgid_params", self.place)
        locations = "\n        ".join(LOCATION.format(name=pool.name, socket=place / f"{pool.name}.sock") for pool in pools)
        (self.place / "nginx.conf").write_text(NGINX.format(user=APPLICATION_USER, place=self.place, port=self.port, locations=locations))

    def start(self):
        self.process = Process("nginx", ["nginx", "-p", self.place, "-c", self.place / "nginx.conf", "-e", self.place / "error.log"],
                               self.place / "output.log")
        self.process.wait_until(lambda: is_open(self.port), 20)

    def ask(self, pool, path="/"):
        """The pool's answer; a Fault if it is any other than 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", f"/{pool.name}{path}")
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Fault(f"no answer at {path}: {error or type(error).__name__}") from None
        finally:
            connection.close()
        if response.status != 200:
            raise Fault(f"{response.status} at {path}")
        return json.loads(body)

    def stop(self):
        return self.process.stop() if self.process else []


def table(name, settings):
    env = settings.pop("env", {})
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in settings.items()]
    lines += [f"[pool.{name}.env]\n", *(f"{key} = {json.dumps(value)}\n" for key, value in env.items())] if env else []
    return f"[pool.{name}]\n" + "".join(lines)


LOCATION = """\
location /{name}/ {{
            fastcgi_pass unix:{socket};
            include pyfcgid_params;
            fastcgi_split_path_info "^(/{name})(/.*)$";
            fastcgi_param SCRIPT_NAME $fastcgi_script_name;
            fastcgi_param PATH_INFO $fastcgi_path_info;
        }}"""
NGINX = """\
daemon off;
worker_processes 1;
pid {place}/nginx.pid;
user {user};
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
"""
