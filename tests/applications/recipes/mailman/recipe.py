"""Mailman's Postorius and HyperKitty, with a Mailman core."""

import re

from browser import together
from processes import Fault

PACKAGE = "mailman-web"
PACKAGES = {"sassc": "sassc"}
STATIC = {"/static/": "{data}/static"}
START_SECONDS = 120
SECONDS = 600
FRONT_PAGE = ("/postorius/lists/", (200,))
LIST = "journeys@example.com"


def set_up(site):
    site.write("settings.py", """\
import os
from mailman_web.settings.base import *
from mailman_web.settings.mailman import *
SECRET_KEY = "tested with pyfcgid"
BASE_DIR = "{data}"
ALLOWED_HOSTS = ["127.0.0.1"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "{data}/web.db", "OPTIONS": {"timeout": 30}}}
STATIC_ROOT, STATIC_URL = "{data}/static", "{prefix}/static/"
COMPRESS_ROOT, COMPRESS_URL = STATIC_ROOT, STATIC_URL
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
MAILMAN_REST_API_URL = "http://127.0.0.1:{port:rest}"
MAILMAN_REST_API_USER, MAILMAN_REST_API_PASS = "restadmin", "restpass"
MAILMAN_ARCHIVER_KEY = "SecretArchiverAPIKey"
POSTORIUS_TEMPLATE_BASE_URL = "{origin}{prefix}"
HYPERKITTY_ENABLE_GRAVATAR = False
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "http"
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
Q_CLUSTER = {**Q_CLUSTER, "sync": True}
LOGGING = {"version": 1, "disable_existing_loggers": False}
INSTALLED_APPS = [name for name in INSTALLED_APPS if "allauth.socialaccount.providers" not in name]
""")
    site.write("mailman.cfg", """\
[mailman]
layout: here
site_owner: ada@example.com
[paths.here]
var_dir: {data}/core
[webservice]
hostname: 127.0.0.1
port: {port:rest}
admin_user: restadmin
admin_pass: restpass
[mta]
incoming: mailman.mta.null.NullMTA
lmtp_host: 127.0.0.1
lmtp_port: {port:lmtp}
smtp_port: {port:smtp}
""")
    for command in (["migrate"], ["createsuperuser", "--noinput", "--username=ada", "--email=ada@example.com"],
                    ["collectstatic", "--noinput"], ["compress"]):
        site.run("mailman-web", *command, env={"DJANGO_SUPERUSER_PASSWORD": "secret"})
    site.write("old.mbox", "".join(MESSAGE.format(number=number) for number in range(20)))


MESSAGE = """\
From grace@example.com Thu Jan  1 10:{number:02}:00 2026
From: Grace <grace@example.com>
To: journeys@example.com
Subject: Letter {number}
Message-ID: <letter{number}@example.com>
Date: Thu, 01 Jan 2026 10:{number:02}:00 +0000

The text of letter {number}.

"""


def helpers(site):
    master = [site.bin / "python", "-c", "from mailman.bin.master import main; main()", "-C", site.data / "mailman.cfg"]
    environment = {"MAILMAN_CONFIG_FILE": str(site.data / "mailman.cfg"), "PATH": f"{site.bin}:/usr/sbin:/usr/bin:/bin"}
    return [("mailman", master, environment, site.port("rest"))]


def before_start(site):
    site.run("mailman", "-C", "{data}/mailman.cfg", "create", "--domain", LIST)
    site.run("mailman-web", "hyperkitty_import", "-l", LIST, "{data}/old.mbox")


def pages(browser):
    """pages of both, style sheets"""
    page = browser.get("/postorius/lists/", has="journeys")
    for link in page.links("href") + page.links("src"):
        if "/static/" in link:
            browser.get(link if link.startswith("http") else browser.site.origin + link)
    browser.get("/hyperkitty/", has="HyperKitty")
    browser.get("/", has="journeys")


def log_in(browser):
    """a login by a form with CSRF token"""
    page = browser.get("/accounts/login/")
    browser.submit(page, "login", login="ada", password="secret")
    browser.get("/postorius/lists/", has="ada")


def lists(browser):
    """a list made, members subscribed, settings changed through Mailman's core"""
    page = browser.get("/postorius/lists/new/")
    browser.submit(page, "listname", listname="second", list_owner="ada@example.com", mail_host="example.com", has="second@example.com")
    page = browser.get("/postorius/lists/second.example.com/mass_subscribe/")
    browser.submit(page, "emails", emails="grace@example.com\nalan@example.com", has="grace@example.com")
    browser.get("/postorius/lists/second.example.com/members/member/", has="alan@example.com")


def archive(browser):
    """the archive: threads, a download as mbox, eight new letters at once by the archiver's interface"""
    browser.get(f"/hyperkitty/list/{LIST}/2026/1/", has=["Letter 0", "Letter 9"])
    answer = browser.get(f"/hyperkitty/list/{LIST}/export/letters.mbox.gz?start=2026-01-01&end=2026-02-01")
    if not answer.body.startswith(b"\x1f\x8b"):
        raise Fault("the download is no gzip")

    def post(number):
        message = MESSAGE.format(number=30 + number).split("\n", 1)[1]
        browser.another().upload("/hyperkitty/api/mailman/archive?key=SecretArchiverAPIKey", {"mlist": LIST},
                                 {"message": ("message.txt", "text/plain", message.encode())}, has="url")

    together(8, post)
    found = set(re.findall(r"Letter 3\d", browser.get(f"/hyperkitty/list/{LIST}/2026/1/?count=200").text))
    if len(found) != 8:
        raise Fault(f"{len(found)} new letters, not 8")
