"""What is tried in a root where no systemd runs: the package starts and stops pyfcgid by its LSB script."""

import time

from processes import Fault
from steps import SITE, expect


class StepsWithoutSystemd:
    def __init__(self, machine, packages):
        self.machine, self.packages = machine, packages

    def installs_and_starts(self):
        machine = self.machine
        machine.install_file(self.packages.first, "/root/pyfcgid.deb")
        machine.install_file(self.packages.second, "/root/second.deb")
        machine.run("apt-get install -y -q --no-install-recommends rsyslog", seconds=300)
        machine.write("/etc/rsyslog.conf", SYSLOG)
        machine.run("rsyslogd")
        # What init would have told it: invoke-rc.d starts nothing where there is no runlevel.
        machine.write("/usr/sbin/runlevel", "#!/bin/sh\necho N 2\n")
        machine.run("chmod 755 /usr/sbin/runlevel")
        said = machine.run("apt-get install -y -q --no-install-recommends python3 /root/pyfcgid.deb", seconds=300)
        expect("pyfcgid is running as process" in said, said)
        script_says(machine, "status", 0, "running as process")
        machine.wait_for("the log", lambda: "pyfcgid" in machine.try_run("cat /var/log/syslog")[1])
        return machine.run("grep -m 1 pyfcgid /var/log/syslog").strip()

    def script_starts_and_stops(self):
        machine = self.machine
        machine.write("/srv/site/site.py", SITE)
        machine.run("pyfcgid new site --app /srv/site/site.py")
        script_says(machine, "reload", 0, "reloaded")
        self.expect_page("one")
        script_says(machine, "stop", 0, "has stopped")
        expect(machine.try_run("pgrep -f '^pyfcgid'")[0] != 0, "a process is left")
        script_says(machine, "status", 3, "not running")
        begin = time.monotonic()
        script_says(machine, "start", 0, "is running as process")
        seconds = time.monotonic() - begin
        self.expect_page("one")
        machine.write("/srv/site/site.py", SITE.replace('VERSION = "one"', 'VERSION = "two"'))
        script_says(machine, "restart", 0, "reloaded instead of restarted")
        self.expect_page("two")
        return f"start {seconds:.2f} s"

    def upgrade_takes_the_place_of_the_program(self):
        machine = self.machine
        pid = self.pid()
        said = machine.run("dpkg -i /root/second.deb")
        expect("reloaded instead of restarted" in said, said)
        expect(self.pid() == pid, "it is another process")
        expect(machine.try_run(f"test /proc/{pid}/exe -ef /usr/bin/pyfcgid")[0] == 0, "it still executes the program before")
        self.expect_page("two")
        return f"process {pid} is the new program"

    def stopped_one_stays_so(self):
        machine = self.machine
        script_says(machine, "stop", 0, "has stopped")
        machine.run("dpkg --force-downgrade -i /root/pyfcgid.deb")
        script_says(machine, "status", 3, "not running")
        script_says(machine, "start", 0, "is running as process")
        return "after a downgrade, too"

    def purge_leaves_nothing(self):
        machine = self.machine
        machine.run("dpkg --purge pyfcgid")
        expect(machine.try_run("pgrep -f '^pyfcgid'")[0] != 0, "a process is left")
        left = machine.run("find / -xdev -name '*pyfcgid*' -not -path '/root/*' -not -path '/var/lib/dpkg/*' -not -path '/var/log/apt/*'")
        expect(not left, f"left: {left}")
        return "no process, no file"

    def pid(self):
        return int(self.machine.run("cat /run/pyfcgid/pyfcgid.pid"))

    def expect_page(self, version):
        said = self.machine.run("pyfcgid request --connect unix:/run/pyfcgid/site.sock --fail /")
        expect(said == version, f"the page is {said!r}")


# Nothing of the kernel, which is that of everybody.
SYSLOG = 'module(load="imuxsock")\n*.* /var/log/syslog\n'


def script_says(machine, action, code, text):
    """Returns its last line."""
    ended, said = machine.try_run(f"/etc/init.d/pyfcgid {action}")
    if ended != code or text not in said:
        raise Fault(f"{action}: {ended}: {said}")
    return said.strip().splitlines()[-1]


STEPS = [
    "installs_and_starts",
    "script_starts_and_stops",
    "upgrade_takes_the_place_of_the_program",
    "stopped_one_stays_so",
    "purge_leaves_nothing",
]
