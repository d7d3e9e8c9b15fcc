"""devpi with devpi-web."""

import base64
import io
import json
import tarfile
import urllib.parse

from browser import together
from processes import Fault

PACKAGE = "devpi-server"
START_SECONDS = 180
SECONDS = 500
JSON = {"Accept": "application/json", "Content-Type": "application/json"}


def set_up(site):
    site.run("devpi-init", "--serverdir", "{data}/server", "--root-passwd", "secret", "--no-root-pypi")
    secret = site.write("secret", "0123456789abcdefghijklmnopqrstuvwxyz" * 2)
    secret.chmod(0o600)


def helpers(site):
    environment = {"DEVPISERVER_SERVERDIR": str(site.data / "server"), "DEVPISERVER_SECRETFILE": str(site.data / "secret")}
    command = [site.bin / "devpi-server", "--port", site.port("events"), "--offline-mode"]
    return [("events", command, environment, site.port("events"))]


def pages(browser):
    """pages, static files"""
    page = browser.get("/", has="devpi")
    for link in page.links("href") + page.links("src"):
        if "+static" in link:
            browser.get(link if link.startswith("http") else browser.site.origin + link)


def log_in(browser):
    """a login, a user and an index by the interface in JSON"""
    answer = browser.ask("POST", "/+login", json.dumps({"user": "root", "password": "secret"}).encode(), JSON)
    token = json.loads(answer.text)["result"]["password"]
    browser.headers["X-Devpi-Auth"] = base64.b64encode(f"root:{token}".encode()).decode()
    browser.ask("PUT", "/ada", b'{"password": "secret"}', JSON, expect=(200, 201))
    browser.ask("PUT", "/ada/dev", b'{"type": "stage", "volatile": true, "bases": [], "acl_upload": ["root", "ada"]}', JSON)
    browser.get("/ada/dev", has="ada/dev")


def packages(browser):
    """eight packages of 400 KB uploaded at once and downloaded again, the simple index"""

    def upload(number):
        name, content = f"thing{number}", sdist(f"thing{number}")
        fields = {":action": "file_upload", "name": name, "version": "1.0", "filetype": "sdist", "protocol_version": "1"}
        browser.copy().upload("/ada/dev/", fields, {"content": (f"{name}-1.0.tar.gz", "application/gzip", content)})
        index = browser.copy().get(f"/ada/dev/+simple/{name}/", has=f"{name}-1.0.tar.gz")
        link = next(link for link in index.links("href") if "tar.gz" in link)
        if browser.copy().get(requested(index, link)).body != content:
            raise Fault(f"{name} has changed")

    together(8, upload)
    browser.get("/ada/dev/+simple/", has=[f"thing{number}" for number in range(8)])


def project_page(browser):
    """the page of a package"""
    browser.get("/ada/dev/thing3/1.0", has="thing3-1.0.tar.gz")


def requested(page, link):

    return urllib.parse.urljoin(page.url, link).partition("#")[0]


def sdist(name):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for path, content in ((f"{name}-1.0/PKG-INFO", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()),
                              (f"{name}-1.0/data", base64.b64encode(name.encode() * 40_000))):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()
