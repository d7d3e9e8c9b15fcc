"""What is tried on a machine that systemd has booted, in this order. Each step returns the figure that is printed, or raises a Fault."""

import re
import time
from pathlib import Path

from load import Load
from package import REASON
from processes import Fault

REPOSITORY = Path(__file__).resolve().parents[2]
SITE = (Path(__file__).resolve().parent / "site.py").read_text()


class Steps:
    def __init__(self, machine, packages):
        self.machine, self.packages = machine, packages

    # -- installation ------------------------------------------------------------------------------------------------------------

    def installs_without_a_compiler(self):
        before = self.names()
        machine = self.machine
        self.users = machine.run("cat /etc/passwd /etc/group")
        machine.install_file(self.packages.first, "/root/pyfcgid.deb")
        begin = time.monotonic()
        machine.run("apt-get install -y -q /root/pyfcgid.deb nginx python3-flask", seconds=400)
        seconds = time.monotonic() - begin
        expect(machine.try_run("command -v gcc cc")[0] != 0, "there is a compiler")
        depends = machine.run("dpkg-query -W -f '${Depends} ${Pre-Depends}' pyfcgid")
        expect("libpython" not in depends and "python" not in depends, depends)
        expect(not before, f"there was {before} before")
        return f"{seconds:.1f} s; Depends: {depends}"

    def serves_nothing_and_says_how(self):
        machine = self.machine
        expect(machine.run("systemctl is-active pyfcgid").strip() == "active", "pyfcgid.service does not run")
        expect(machine.run("systemctl is-enabled pyfcgid").strip() == "enabled", "pyfcgid.service is not enabled")
        code, said = machine.try_run("pyfcgid status")
        expect("pyfcgid new" in said, f"status says: {said}")
        machine.run("pyfcgid check")
        return f"exit code {code}: {said.strip().splitlines()[-1]}"

    def readme_leads_to_a_page(self):
        """The lines of README.md's quick start, as they stand there, from the pool to the page."""
        lines = readme_lines()
        begin = time.monotonic()
        *prepare, fetch = [line.replace("sudo ", "") for line in lines[1:]]
        for line in prepare:
            self.machine.run(line)
        # nginx's reload is not over when the command is.
        self.machine.wait_for("the page", lambda: "<p>Say hello to <a href=" in self.machine.try_run(fetch)[1], seconds=10)
        return f"{len(lines)} lines, {time.monotonic() - begin:.1f} s after the installation"

    # -- a site of ours ----------------------------------------------------------------------------------------------------------

    def another_pool_is_served(self):
        machine = self.machine
        self.deploy("one")
        machine.write("/etc/nginx/sites-enabled/default", NGINX)
        machine.run("nginx -t && systemctl reload nginx")
        machine.run("pyfcgid new site --app /srv/site/site.py")
        machine.run("pyfcgid reload site")
        self.wait_for_page("one")
        return self.page("/")

    def status_says_what_it_does(self):
        said = self.machine.run("systemctl status pyfcgid --no-pager")
        line = next((line.strip() for line in said.splitlines() if "Status:" in line), None)
        expect(line is not None and "serving" in line, said)
        return line

    def reload_serves_new_code(self):
        machine = self.machine
        pid = self.main_pid()
        self.deploy("two")
        with Load(machine, "/wait/0", "'waited 0 s'") as load:
            begin = time.monotonic()
            machine.run("systemctl reload pyfcgid")
            seconds = time.monotonic() - begin
            self.expect_page("two")
            answered = load.expect_no_failure()
        expect(self.main_pid() == pid, "it is another process")
        return f"{seconds:.1f} s, 0 of {answered} requests failed"

    def broken_code_is_refused_by_a_reload(self):
        machine = self.machine
        machine.write("/srv/site/site.py", "raise ValueError('the wheels are off')\n")
        code, said = machine.try_run("systemctl reload pyfcgid")
        expect(code != 0, "systemctl reload succeeds")
        self.expect_page("two")
        code, said = machine.try_run("pyfcgid reload")
        expect(code == 70 and "the wheels are off" in said, f"{code}: {said}")
        journal = machine.run("journalctl -u pyfcgid --no-pager")
        expect("the wheels are off" in journal, "the journal lacks the traceback")
        self.deploy("two")
        machine.run("systemctl reload pyfcgid")
        return "systemctl reload fails, pyfcgid reload has the traceback, the old code serves"

    def watchdog_replaces_a_supervisor_that_hangs(self):
        machine = self.machine
        pid = self.main_pid()
        machine.run(f"kill -STOP {pid}")
        begin = time.monotonic()
        machine.wait_for("another supervisor", lambda: self.main_pid() not in (0, pid) and self.try_page("/") == "two", seconds=150)
        expect("Watchdog timeout" in machine.run("journalctl -u pyfcgid --no-pager"), "the journal says nothing of a watchdog")
        return f"a page {time.monotonic() - begin:.1f} s after SIGSTOP"

    def stop_finishes_running_requests(self):
        return self.expect_finished("systemctl stop pyfcgid", seconds=3)

    def start_and_restart_serve(self):
        machine = self.machine
        times = []
        for action in ("start", "restart"):
            begin = time.monotonic()
            machine.run(f"systemctl {action} pyfcgid")
            times.append(f"{action} {time.monotonic() - begin:.2f} s")
            # No waiting: it has returned because it serves.
            self.expect_page("two")
        return ", ".join(times)

    def systemd_listens(self):
        machine = self.machine
        pool = Path(machine.root, "etc/pyfcgid/pools.d/site.toml")
        text = pool.read_text()
        others = machine.run("cd /etc/pyfcgid/pools.d && ls *.toml").split()
        machine.run("systemctl stop pyfcgid")
        machine.write("/etc/pyfcgid/pools.d/site.toml", re.sub(r"(?m)^(listen|socket-)", r"# \1", text))
        machine.write("/etc/systemd/system/pyfcgid.socket.d/name.conf", "[Socket]\nFileDescriptorName=site\n")
        machine.write("/etc/nginx/sites-enabled/default", NGINX.replace("/run/pyfcgid/site.sock", "/run/pyfcgid.sock"))
        machine.run("systemctl daemon-reload && systemctl start pyfcgid.socket && systemctl reload nginx")
        expect(machine.try_run("systemctl is-active pyfcgid.service")[0] != 0, "it runs before anybody connects")
        begin = time.monotonic()
        self.wait_for_page("two")
        seconds = time.monotonic() - begin
        with Load(machine, "/wait/0", "'waited 0 s'") as load:
            machine.run("systemctl restart pyfcgid")
            answered = load.expect_no_failure()
        machine.run("systemctl stop pyfcgid.socket pyfcgid.service")
        machine.write("/etc/pyfcgid/pools.d/site.toml", text)
        machine.write("/etc/nginx/sites-enabled/default", NGINX)
        machine.run("rm -r /etc/systemd/system/pyfcgid.socket.d && systemctl daemon-reload")
        # So many starts within ten seconds are one too many for systemd.
        machine.run("systemctl reset-failed pyfcgid.service && systemctl start pyfcgid && systemctl reload nginx")
        self.wait_for_page("two")
        return f"started by a request in {seconds:.2f} s; a restart meanwhile: 0 of {answered} requests failed ({len(others)} pools)"

    def applications_are_confined(self):
        """As root, whom the permissions of files would let do all of it."""
        machine = self.machine
        path = "/etc/pyfcgid/pools.d/site.toml"
        text = Path(machine.root, path.lstrip("/")).read_text()
        machine.write(path, re.sub(r'(?m)^user = .*$', 'user = "root"', text))
        machine.run("pyfcgid reload")
        tried = dict(line.rsplit(" ", 1) for line in self.page("/attempts").splitlines())
        allowed = {name for name, outcome in tried.items() if outcome == "ok"}
        expect(allowed == {"write:/tmp", "write:/run/pyfcgid", "write:/var/log/pyfcgid"}, f"{tried}")
        expect(machine.try_run("ls /tmp/written-by-pyfcgid")[0] != 0, "/tmp is not private")
        machine.write(path, text)
        machine.run("pyfcgid reload")
        rating = machine.run("systemd-analyze security pyfcgid --no-pager").strip().splitlines()[-1]
        return f"{len(tried) - len(allowed)} of {len(tried)} attempts refused; {rating.lstrip('→ ')}"

    def logs_are_rotated(self):
        machine = self.machine
        path = "/etc/pyfcgid/pyfcgid.toml"
        text = Path(machine.root, path.lstrip("/")).read_text()
        machine.write(path, re.sub(r'(?m)^# (log|access-log) =', r'\1 =', text))
        machine.run("pyfcgid reload")
        self.page("/say/before")
        machine.run("logrotate --force /etc/logrotate.d/pyfcgid")
        self.page("/say/after")
        logs = "/var/log/pyfcgid"
        for word, log, access_log in (("before", "pyfcgid.log.1", "access.log.1"), ("after", "pyfcgid.log", "access.log")):
            machine.wait_for(f"{word} in {log}", lambda: machine.try_run(
                f"grep -q ' {word}$' {logs}/{log} && grep -q /say/{word} {logs}/{access_log}")[0] == 0)
        machine.write(path, text)
        machine.run("pyfcgid reload")
        return machine.run(f"cd {logs} && ls").replace("\n", " ").strip()

    # -- other programs ----------------------------------------------------------------------------------------------------------

    def upgrades_and_downgrades_lose_nothing(self):
        machine, packages = self.machine, self.packages
        machine.install_file(packages.second, "/root/second.deb")
        pid, times = self.main_pid(), []
        with Load(machine, "/wait/0", "'waited 0 s'", least=LEAST) as load:
            for number in range(CHANGES):
                name, version = (("second", packages.version + "+second"), ("pyfcgid", packages.version))[number % 2]
                begin = time.monotonic()
                machine.run(f"dpkg --force-downgrade -i /root/{name}.deb", seconds=180)
                times.append(time.monotonic() - begin)
                expect(machine.run("dpkg-query -W -f '${Version}' pyfcgid") == version, f"it is not {version}")
                self.expect_new_program(pid)
            answered = load.expect_no_failure()
        expect(answered >= LEAST, f"only {answered} requests")
        return f"{CHANGES} times, {sum(times) / len(times):.1f} s each, one process: 0 of {answered} requests failed"

    def program_that_refuses_is_not_taken(self):
        machine, packages = self.machine, self.packages
        machine.install_file(packages.refusing, "/root/refusing.deb")
        pid = self.main_pid()
        with Load(machine, "/wait/0", "'waited 0 s'") as load:
            said = machine.run("dpkg -i /root/refusing.deb")
            answered = load.expect_no_failure()
        expect(REASON in said and "keeps serving" in said, f"dpkg says: {said}")
        expect(self.main_pid() == pid and self.try_page("/") == "two", "it does not serve on")
        machine.run("dpkg --force-downgrade -i /root/pyfcgid.deb")
        self.expect_new_program(pid)
        advice = next(line for line in said.splitlines() if "keeps serving" in line)
        return f"0 of {answered} requests failed; {advice}"

    def removal_finishes_running_requests(self):
        figure = self.expect_finished("apt-get remove -y -q pyfcgid", seconds=5)
        expect(self.machine.try_run("pgrep -f '^pyfcgid'")[0] != 0, "a process is left")
        expect(self.machine.try_run("command -v pyfcgid")[0] != 0, "the program is left")
        return figure

    def purge_leaves_nothing(self):
        machine = self.machine
        machine.run("apt-get purge -y -q pyfcgid")
        left = [name for name in self.names() if not name.startswith(OTHERS)]
        expect(not left, f"left: {left}")
        expect(machine.run("cat /etc/passwd /etc/group") == self.users, "there is another user or group")
        units = machine.run("systemctl list-unit-files --no-pager; systemctl list-units --all --no-pager; systemctl --failed --no-pager")
        expect("pyfcgid" not in units, "systemd still knows a unit")
        return "no file, no user, no unit"

    # -- what they need ----------------------------------------------------------------------------------------------------------

    def deploy(self, version):
        self.machine.write("/srv/site/site.py", SITE.replace('VERSION = "one"', f'VERSION = "{version}"'))

    def page(self, path):
        return self.machine.run(f"curl -sS --fail --max-time 60 'http://127.0.0.1{path}'")

    def try_page(self, path):
        code, said = self.machine.try_run(f"curl -s --fail --max-time 60 'http://127.0.0.1{path}'")
        return said if code == 0 else None

    def expect_page(self, version):
        expect(self.page("/") == version, f"the page is not {version!r}")

    def wait_for_page(self, version):
        self.machine.wait_for(f"page {version!r}", lambda: self.try_page("/") == version)

    def main_pid(self):
        return int(self.machine.run("systemctl show -P MainPID pyfcgid"))

    def expect_new_program(self, pid):
        """The same process, and it executes the file that is installed now."""
        expect(self.main_pid() == pid, "it is another process")
        same = self.machine.try_run(f"test /proc/{pid}/exe -ef /usr/bin/pyfcgid")[0] == 0
        expect(same, "it still executes the program before")
        expect(self.page("/") == "two", "no page")

    def expect_finished(self, command, seconds):
        """That a request that runs is answered in whole before the command is done."""
        machine = self.machine
        request = machine.start(f"curl -sS --fail --max-time 60 http://127.0.0.1/wait/{seconds}")
        time.sleep(1)  # It is running by then: there is no way to see it from outside.
        begin = time.monotonic()
        machine.run(command)
        took = time.monotonic() - begin
        said, error = request.communicate()
        expect(said == f"waited {seconds} s", f"the request got {said!r} {error}")
        expect(seconds - 2 <= took < GRACEFUL, f"it took {took:.1f} s")
        return f"{took:.1f} s, beside a request of {seconds} s that is answered"

    def names(self):
        """Every file whose name has ours in it, and what systemd keeps."""
        return self.machine.run("find / -xdev -name '*pyfcgid*' -not -path '/root/*'; find /run -name '*pyfcgid*'").split()


def expect(is_so, otherwise):
    if not is_so:
        raise Fault(otherwise)


def readme_lines():
    """The lines of README.md's quick start, without their prompts."""
    text = (REPOSITORY / "README.md").read_text()
    block = text.split("\n## Quick start\n", 1)[1].split("```console\n", 1)[1].split("```", 1)[0]
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


CHANGES, LEAST = 10, 50_000
GRACEFUL = 30
# Made by apt and dpkg of any package, and by the nginx of the README's lines.
OTHERS = ("/var/cache/", "/var/log/apt/", "/var/lib/dpkg/", "/var/log/journal/")
NGINX = """\
server {
    listen 80 default_server;
    location / {
        fastcgi_pass unix:/run/pyfcgid/site.sock;
        include pyfcgid_params;
    }
}
"""
STEPS = [
    "installs_without_a_compiler",
    "serves_nothing_and_says_how",
    "readme_leads_to_a_page",
    "another_pool_is_served",
    "status_says_what_it_does",
    "reload_serves_new_code",
    "broken_code_is_refused_by_a_reload",
    "watchdog_replaces_a_supervisor_that_hangs",
    "stop_finishes_running_requests",
    "start_and_restart_serve",
    "systemd_listens",
    "applications_are_confined",
    "logs_are_rotated",
    "upgrades_and_downgrades_lose_nothing",
    "program_that_refuses_is_not_taken",
    "removal_finishes_running_requests",
    "purge_leaves_nothing",
]
