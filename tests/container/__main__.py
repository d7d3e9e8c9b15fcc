"""Builds the image of packaging/container/Containerfile without Docker, each instruction in a root of its own, and runs what compose.yaml
says: the application with a read-only root as its user, behind a real nginx with the nginx.conf beside it.

    python3 tests/container [--keep]

Takes root, debootstrap, PyYAML, the network, and the minutes that the building takes. Everything is in a temporary directory that is
removed, unless --keep is said.
"""

import shutil
import sys
import time
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "tests/applications"))

import place
from container import Container
from containerfile import Builder, base
from fault import Fault

HERE = REPOSITORY / "packaging/container"
PAGE = "http://127.0.0.1:8080/hello?from=container"


def main():
    options = place.parser(__doc__).parse_args()
    with place.temporary("container", options.keep) as directory:
        trial = Trial(directory)
        try:
            trial.run()
        except Fault as fault:
            print(f"container: FAILS: {fault}", file=sys.stderr)
            return 1
        finally:
            trial.end()
    return 0


class Trial:
    def __init__(self, place):
        self.place, self.containers = place, []
        self.compose = yaml.safe_load((HERE / "compose.yaml").read_text())

    def run(self):
        image = self.build()
        nginx = base(self.place / "root-nginx", self.compose["services"]["web"]["image"], self.place / "nginx.build.log")
        # A volume that is new has what the image has in its place, with its owner.
        sockets = self.place / "sockets"
        shutil.copytree(image.root / "run/pyfcgid", sockets)
        owner = (image.root / "run/pyfcgid").stat()
        shutil.chown(sockets, owner.st_uid, owner.st_gid)
        self.volumes = {"sockets": sockets}
        app = self.container("app", image)
        begun = time.monotonic()
        app.start(image.commands())
        app.wait_until("its health check", lambda: app.run(image.health)[0] == 0)
        print(f"container: healthy after {time.monotonic() - begun:.1f} s")
        web = self.container("web", nginx)
        web.start(["nginx", "-g", "daemon off;"])
        web.wait_until("nginx", lambda: "200" in web.run(["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && echo 200"])[1])
        self.check_page(web)
        self.check_inside(app)
        self.check_log(app)
        self.check_health(app, image)
        self.check_stop(app, web)

    def build(self):
        service = self.compose["services"]["app"]["build"]
        context = (HERE / service["context"]).resolve()
        begun = time.monotonic()
        image = Builder(self.place, context, context / service["dockerfile"], self.place / "build.log").build()
        size = sum(path.lstat().st_size for path in image.root.rglob("*") if path.is_file() and not path.is_symlink())
        print(f"container: built in {time.monotonic() - begun:.0f} s, {size / 1e6:.0f} MB")
        return image

    def container(self, name, image):
        container = Container(name, image, self.compose["services"][name], self.volumes, HERE, self.place / f"{name}.log")
        self.containers.append(container)
        return container

    def check_page(self, web):
        page = web.fetch(PAGE)
        expect("the page", "PATH_INFO = '/hello'" in page and "QUERY_STRING = 'from=container'" in page, page[:300])

    def check_inside(self, app):
        """What compose.yaml promises, seen from inside."""
        user = app.image.user
        expect("the user", user not in ("0", "root"), user)
        for pid in ("1", *children(app)):
            status = dict(line.split(":\t", 1) for line in app.run(["cat", f"/proc/{pid}/status"], "0")[1].splitlines() if ":\t" in line)
            found = {status["Uid"].split()[1], status["CapEff"].strip("0"), status["NoNewPrivs"]}
            expect(f"process {pid}", found == {user, "", "1"}, f"{status['Name']}: {found}")
        code, said = app.run(["sh", "-c", "echo x >/srv/x; echo x >/usr/bin/x; echo x >/run/x"], "0")
        expect("the root", said.count("Read-only file system") == 3, said)

    def check_log(self, app):
        expect("the log on stdout", "[info] pyfcgid[1]: PF0101 ready" in app.said(), app.said()[-500:])
        expect("the log", not any(level in app.said() for level in ("[warn]", "[error]")), app.said()[-1500:])

    def check_health(self, app, image):
        """It fails where no application serves."""
        code, said = app.run(["pyfcgid", "status", "--control-socket", "/run/pyfcgid/none"])
        expect("the health check without a server", code == 3, f"{code}: {said}")
        broken = Container("broken", image, {**self.compose["services"]["app"], "environment": {"PYFCGID_APP": "no_such_module"}},
                           {"sockets": self.empty_volume(image)}, HERE, self.place / "broken.log")
        self.containers.append(broken)
        broken.start(image.commands())
        code = broken.process.wait(60)
        expect("an application that is not there", code == 70 and "no_such_module" in broken.said(), f"{code}: {broken.said()[-500:]}")

    def empty_volume(self, image):
        volume = self.place / "other-sockets"
        volume.mkdir()
        shutil.chown(volume, int(image.user), int(image.user))
        return volume

    def check_stop(self, app, web):
        """Within the time that Docker gives it, and as process 1."""
        code, seconds = app.stop()
        expect("the stop", code == 0 and not (self.volumes["sockets"] / "app.sock").exists(), f"{code}: {app.said()[-500:]}")
        print(f"container: stopped in {seconds:.1f} s")
        web.stop()

    def end(self):
        for container in self.containers:
            container.kill()


def children(app):
    return app.run(["cat", "/proc/1/task/1/children"], "0")[1].split()


def expect(what, is_so, found):
    if not is_so:
        raise Fault(f"{what}: {found}")
    print(f"container: {what}: as it should be")


if __name__ == "__main__":
    sys.exit(main())
