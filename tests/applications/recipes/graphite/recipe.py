"""Graphite-web."""

import json
import time

from browser import together
from processes import Fault

PACKAGE = "graphite-web"
PACKAGES = {"/usr/lib/x86_64-linux-gnu/libcairo.so.2": "libcairo2"}
STATIC = {"/static/": "{data}/static"}


def set_up(site):
    site.write("graphite_local.py", """\
SECRET_KEY = "tested with pyfcgid"
ALLOWED_HOSTS = ["127.0.0.1"]
TIME_ZONE = "UTC"
GRAPHITE_ROOT = "{data}"
CONF_DIR = STORAGE_DIR = LOG_DIR = "{data}"
WHISPER_DIR = "{data}/whisper"
INDEX_FILE = "{data}/index"
WEBAPP_DIR = "{venv}/webapp"
STATIC_ROOT = "{data}/static"
STATIC_URL = "{prefix}/static/"
DATABASES = {"default": {"NAME": "{data}/graphite.db", "ENGINE": "django.db.backends.sqlite3"}}
""")
    site.run("python", "-m", "django", "migrate", "--run-syncdb")
    site.run("python", "-m", "django", "collectstatic", "--noinput")
    site.run("python", "-c", MADE)


MADE = """\
import os, time, whisper
os.makedirs("whisper/site")
for number in range(8):
    path = f"whisper/site/load{number}.wsp"
    whisper.create(path, [(10, 1000)])
    now = int(time.time())
    whisper.update_many(path, [(now - 10 * past, number + past % 7) for past in range(500)])
"""


def pages(browser):
    """pages, static files"""
    page = browser.get("/", has="Graphite")
    browser.get("/dashboard/", has="Graphite Dashboard")
    for link in page.links("src") + page.links("href"):
        if "/static/" in link:
            browser.get(link if link.startswith("http") else browser.site.origin + link)


def metrics(browser):
    """the finder, data in JSON, CSV and as a pickle"""
    found = json.loads(browser.get("/metrics/find/?query=site.*").text)
    if len(found) != 8:
        raise Fault(f"{len(found)} metrics, not 8")
    data = json.loads(browser.get("/render/?target=sumSeries(site.*)&from=-1h&format=json").text)
    if not [value for value, _ in data[0]["datapoints"] if value is not None]:
        raise Fault("no data points")
    browser.post("/render/", {"target": ["site.load1", "site.load2"], "format": "csv", "from": "-1h"}, has="site.load2")


def pictures(browser):
    """forty pictures drawn by Cairo, from eight visitors at once"""

    def draw(number):
        for width in range(400, 405):
            answer = browser.another().get(f"/render/?target=site.load{number}&from=-1h&width={width}&height=300&title=At+{time.time()}+s")
            if not answer.body.startswith(b"\x89PNG"):
                raise Fault("the picture is no PNG")

    together(8, draw)


def events(browser):
    """events posted and read again"""
    body = json.dumps({"what": "Deployed", "tags": ["one"], "data": "x" * 50_000}).encode()
    browser.ask("POST", "/events/", body, {"Content-Type": "application/json"})
    browser.get("/events/get_data?from=-1h", has="Deployed")
