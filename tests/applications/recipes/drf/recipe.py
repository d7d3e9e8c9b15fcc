"""Django REST framework with django-debug-toolbar."""

import json
import re

from browser import together
from processes import Fault

PACKAGE = "djangorestframework"
STATIC = {"/static/": "{data}/static"}
BASIC = {"Authorization": "Basic YWRhOnNlY3JldA=="}  # ada:secret


def set_up(site):
    environment = {"DJANGO_SUPERUSER_PASSWORD": "secret"}
    site.run("python", "-m", "django", "makemigrations", "shelf", env={"PYTHONPATH": "{data}".format(data=site.data)})
    for command in (["migrate"], ["createsuperuser", "--noinput", "--username=ada", "--email=ada@example.com"], ["collectstatic", "--noinput"]):
        site.run("python", "-m", "django", *command, env={**environment, "PYTHONPATH": str(site.data)})


def interface(browser):
    """the interface in JSON: absolute links with the prefix, pages, errors"""
    root = json.loads(browser.ask("GET", "/api/", headers={"Accept": "application/json"}).text)
    if root["books"] != browser.url("/api/books/"):
        raise Fault(f"the link is {root['books']}")
    browser.ask("POST", "/api/books/", b'{"title": "x"}', {"Content-Type": "application/json"}, expect=403)
    browser.ask("POST", "/api/books/", b"{", {"Content-Type": "application/json", **BASIC}, expect=400, has="JSON parse error")


def at_once(browser):
    """forty records from eight visitors at once, by Basic authentication"""

    def make(number):
        for turn in range(5):
            body = json.dumps({"title": f"Book {number}.{turn}"}).encode()
            browser.another().ask("POST", "/api/books/", body, {"Content-Type": "application/json", **BASIC}, expect=201)

    together(8, make)
    url, titles = "/api/books/?format=json", []
    while url:
        page = json.loads(browser.get(url).text)
        titles += [book["title"] for book in page["results"]]
        url = page["next"]
    if len(set(titles)) != 40:
        raise Fault(f"{len(set(titles))} books, not 40")


def log_in(browser):
    """a login by a form with CSRF token, the browsable interface, an upload"""
    browser.submit(browser.get("/auth/login/?next=" + browser.site.prefix + "/api/"), "username", username="ada", password="secret",
                   has="Api Root")
    page = browser.get("/api/books/")
    made = browser.submit(page, "title", {"cover": ("cover.png", "image/png", bytes(300_000))}, title="With a cover", expect=201)
    if "covers/cover" not in made.text:
        raise Fault("the cover is not there")
    browser.ask("PUT", "/api/books/1/", b'{"title": "x"}', {"Content-Type": "application/json"}, expect=403, has="CSRF")


def toolbar(browser):
    """the debug toolbar: its panels from either process, its history"""
    page = browser.get("/", has="djDebug")
    number = re.search(r'data-request-id="([^"]+)"|data-store-id="([^"]+)"', page.text)
    number = number[1] or number[2]
    for panel in ("SQLPanel", "HeadersPanel", "TimerPanel", "HistoryPanel", "SettingsPanel"):
        together(4, lambda _: browser.copy().get(f"/__debug__/render_panel/?request_id={number}&store_id={number}&panel_id={panel}",
                                                 has="content", lacks="no longer available"))


def admin(browser):
    """Django's admin with its static files"""
    page = browser.get("/admin/", has="Site administration")
    for link in page.links("href"):
        if "/static/" in link:
            browser.get(browser.site.origin + link)
