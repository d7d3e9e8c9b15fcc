"""A Containerfile as its instructions, and the images they make: directories, in which each instruction is carried out without Docker."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from fault import Fault

# What is known of the images to begin with: the release of Debian is in their names.
BASE = re.compile(r"docker\.io/library/(?P<name>debian|rust|nginx):(?P<tag>[\w.-]+)")
RELEASE = re.compile(r"(?:^|-)(bookworm|trixie)\b")
# nginx's image does not say it.
NEWEST = "trixie"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# How the network is reached.
NETWORK = ("http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "PIP_CERT", "PIP_INDEX_URL", "CARGO_HTTP_CAINFO")


def instructions(text):
    """Pairs of an instruction and what it says."""
    joined = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]


class Image:
    """A root directory, and how what is in it is started."""

    def __init__(self, root):
        self.root, self.user, self.directory = root, "0", "/"
        self.environment, self.entrypoint, self.command, self.health = {"PATH": PATH}, [], [], None

    def commands(self):
        return self.entrypoint + self.command


class Builder:
    """Carries out the instructions of a file. `context` is what COPY takes from."""

    def __init__(self, place, context, file, log):
        self.place, self.context, self.file, self.log = place, context, Path(file), log
        self.stages, self.image = {}, None

    def build(self):
        for name, words in instructions(self.file.read_text()):
            step = getattr(self, f"do_{name.lower()}", None)
            if step is None:
                raise Fault(f"{self.file.name}: {name} is not known here")
            print(f"    {name} {words}", flush=True)
            step(words)
        return self.image

    def do_from(self, words):
        words = words.split()
        self.image = base(self.place / f"root-{len(self.stages)}", words[0], self.log)
        self.stages[words[2] if len(words) == 3 else str(len(self.stages))] = self.image

    def do_run(self, words):
        inside(self.image, shell(words), self.log, {name: os.environ[name] for name in NETWORK if name in os.environ})

    def do_copy(self, words):
        words = words.split()
        source = self.context
        if words[0].startswith("--from="):
            source = self.stages[words.pop(0).partition("=")[2]].root
        *sources, target = words
        for name in sources:
            self.copy(source, source / name.lstrip("/"), self.inside(target), target.endswith("/"))

    def copy(self, whole, source, target, is_directory):
        if source.is_dir():
            ignored = self.ignored() if whole == self.context else set()
            leave_out = lambda directory, names: [name for name in names if (Path(directory) / name).relative_to(whole).as_posix() in ignored]
            shutil.copytree(source, target, symlinks=True, ignore=leave_out, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / source.name if is_directory or target.is_dir() else target)

    def ignored(self):
        return set(self.file.with_name(self.file.name + ".dockerignore").read_text().split())

    def do_workdir(self, words):
        self.image.directory = words
        self.inside(".").mkdir(parents=True, exist_ok=True)

    def do_env(self, words):
        self.image.environment.update(word.split("=", 1) for word in shlex.split(words))

    def do_user(self, words):
        self.image.user = words

    def do_entrypoint(self, words):
        self.image.entrypoint = shell(words)

    def do_cmd(self, words):
        self.image.command = shell(words)

    def do_healthcheck(self, words):
        self.image.health = shell(words.partition("CMD ")[2])

    def inside(self, path):
        return self.image.root / os.path.normpath(os.path.join(self.image.directory, path)).lstrip("/")


def shell(words):
    """The command of an instruction, in either of its forms."""
    return json.loads(words) if words.startswith("[") else ["/bin/sh", "-c", words]


def base(root, name, log):
    """What stands for a public image: a new root of the Debian release that it is made of, with what makes it that image."""
    found = BASE.fullmatch(name)
    if found is None:
        raise Fault(f"{name} is no image that is known here")
    release = RELEASE.search(found["tag"])
    packages = {"debian": "ca-certificates", "rust": "ca-certificates", "nginx": "ca-certificates,nginx"}[found["name"]]
    # Each with the mounts of its own that debootstrap makes, so that none is left.
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "debootstrap", "--variant=minbase", f"--include={packages}",
               release[1] if release else NEWEST, root]
    run(command, log)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    if "SSL_CERT_FILE" in os.environ:
        shutil.copy(os.environ["SSL_CERT_FILE"], root / "etc/ssl/certs/ca-certificates.crt")
    image = Image(root)
    if found["name"] == "rust":
        toolchain = subprocess.run(["rustc", "--print", "sysroot"], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
        shutil.copytree(toolchain, root / "usr/local/rust", symlinks=True, ignore=shutil.ignore_patterns("doc", "rustlib-src"))
        image.environment["PATH"] = f"/usr/local/rust/bin:{PATH}"
    return image


def inside(image, command, log, further):
    """Runs a command of the building in its root, as its user; mounts and processes end with it."""
    settings = {"HOME": "/root", **image.environment, **further}
    script = 'mount --bind "$1" "$1"; mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"; ' \
             'exec chroot "$1" setpriv --reuid "$2" --regid "$2" --clear-groups env -C "$3" -i "${@:4}"'
    run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "bash", "-ec", script, "-", image.root, image.user,
         image.directory, *(f"{name}={value}" for name, value in settings.items()), *command], log)


def run(command, log):
    with open(log, "ab") as output:
        output.write(("$ " + " ".join(map(str, command)) + "\n").encode())
        output.flush()
        ended = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    if ended.returncode:
        last = log.read_text(errors="replace").splitlines()[-5:]
        raise Fault(f"{' '.join(map(str, command[-3:]))} ended with {ended.returncode}: {' | '.join(last)}")
