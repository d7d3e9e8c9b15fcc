"""Wagtail, as `wagtail start` makes a project."""

import re
import struct
import zlib

from browser import together
from processes import Fault

STATIC = {"/static/": "{data}/mysite/static", "/media/": "{data}/mysite/media"}
SECONDS = 400


def set_up(site):
    site.run("wagtail", "start", "mysite")
    site.write("mysite/mysite/settings/local.py", """\
SECRET_KEY = "tested with pyfcgid"
ALLOWED_HOSTS = ["127.0.0.1"]
STATIC_URL, MEDIA_URL = "{prefix}/static/", "{prefix}/media/"  # read before any request knows the prefix
WAGTAILADMIN_BASE_URL = "{origin}{prefix}"
from .base import DATABASES, TEMPLATES
DATABASES["default"]["OPTIONS"] = {"timeout": 20, "transaction_mode": "IMMEDIATE"}
""")
    for command in (["migrate"], ["createsuperuser", "--noinput", "--username=ada", "--email=ada@example.com"],
                    ["collectstatic", "--noinput"]):
        site.run("python", "manage.py", *command, directory=site.data / "mysite", env={"DJANGO_SUPERUSER_PASSWORD": "secret"})


def pages(browser):
    """pages, static files"""
    page = browser.get("/", has="Welcome to your new Wagtail site!")
    for link in page.links("href"):
        if "/static/" in link:
            browser.get(browser.site.origin + link)
    browser.get("/search/?query=welcome")
    browser.get("/nowhere/", expect=404)


def log_in(browser):
    """a login by a form with CSRF token, the administration with its scripts"""
    page = browser.get("/admin/", has="Sign in")
    page = browser.submit(page, "username", username="ada", password="secret", has="mysite")
    for link in page.links("src") + page.links("href"):
        if "/static/" in link:
            browser.get(browser.site.origin + link)


def images(browser):
    """eight pictures uploaded at once, cut to size by Pillow and shown"""

    def upload(number):
        visitor = browser.copy()
        page = visitor.get("/admin/images/add/")
        picture = ("picture.png", "image/png", png(400 + number, 300))
        visitor.submit(page, "title", {"file": picture}, title=f"Picture {number}", has=f"Picture {number}")

    together(8, upload)
    listed = browser.get("/admin/images/")
    shown = [link for link in listed.links("src") if "/media/images/" in link]
    if len(shown) < 8:
        raise Fault(f"{len(shown)} pictures are shown, not 8")
    for link in shown:
        browser.get(link if link.startswith("http") else browser.site.origin + link)


def documents(browser):
    """a document of 5 MB uploaded and downloaded"""
    content = b"%PDF-1.4\n" + bytes(5_000_000)
    page = browser.get("/admin/documents/multiple/add/")
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', page.text) or re.search(r'csrfToken["\']?:\s*["\']([^"\']+)', page.text)
    sent = browser.copy()
    sent.headers["X-Requested-With"] = "XMLHttpRequest"
    sent.headers["Referer"] = page.url
    sent.upload("/admin/documents/multiple/add/", {"csrfmiddlewaretoken": token[1]}, {"files[]": ("paper.pdf", "application/pdf", content)},
                has='"success": true')
    link = next(link for link in browser.get("/admin/documents/").links("href") if "/documents/1/" in link)
    answer = browser.get(link if link.startswith("http") else browser.site.origin + link)
    if answer.body != content:
        raise Fault("the document has changed")


def edit(browser):
    """the home page edited and published"""
    page = browser.get("/admin/pages/3/edit/")
    browser.submit(page, "title", title="Home again", **{"action-publish": "action-publish"}, has="published")
    browser.get("/", has="Home again")


def png(width, height):
    """A picture of one colour."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x30\x60\x90" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
