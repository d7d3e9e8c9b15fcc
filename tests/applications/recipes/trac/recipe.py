"""Trac."""

import re

from browser import together
from processes import Fault

LOGIN_PATHS = ("/login",)


def set_up(site):
    site.run("trac-admin", "{data}/trac", "initenv", "Journeys", "sqlite:db/trac.db")
    site.run("trac-admin", "{data}/trac", "permission", "add", "ada", "TRAC_ADMIN")


def pages(browser):
    """pages, redirects with the prefix, style sheets and scripts that Trac serves itself"""
    page = browser.get("/", has="Welcome to Trac")
    static = [link for link in page.links("href") + page.links("src") if "/chrome/common/" in link and "?" not in link]
    if len(static) < 5:
        raise Fault(f"few static files: {static}")
    for link in static:
        browser.get(browser.site.origin + link)
    for path in ("/timeline", "/roadmap", "/report", "/search?q=trac", "/wiki/TracGuide"):
        browser.get(path)


def log_in(browser):
    """a login by the web server's Basic authentication (REMOTE_USER)"""
    browser.another().get("/login", expect=401)
    browser.headers["Authorization"] = "Basic YWRhOnNlY3JldA=="  # ada:secret
    browser.get("/login")
    del browser.headers["Authorization"]
    browser.get("/wiki", has=["logged in as", "ada"])
    browser.get("/admin", has="Administration")


def wiki(browser):
    """a wiki page written and its history, by forms with CSRF tokens"""
    page = browser.get("/wiki/Æther?action=edit")
    browser.submit(page, "text", text="Text with **stars** and ümlauts", save="Submit changes", has="<strong>stars</strong>")
    browser.get("/wiki/Æther?action=history", has="ada")
    browser.post("/wiki/Other?action=edit", {"text": "x", "save": "x", "action": "edit"}, expect=(400, 403), has="form token")


def tickets(browser):
    """eight tickets at once, one with an attachment of 200 KB that is downloaded again"""

    def ticket(number):
        visitor = browser.copy()
        page = visitor.get("/newticket")
        made = visitor.submit(page, "field_summary", field_summary=f"Trouble {number}", submit="Create ticket", has=f"Trouble {number}")
        return int(re.search(r"/ticket/(\d+)", made.url)[1])

    numbers = together(8, ticket)
    if sorted(numbers) != list(range(1, 9)):
        raise Fault(f"the tickets have the numbers {sorted(numbers)}")
    content = bytes(range(256)) * 800
    page = browser.get("/attachment/ticket/1/?action=new")
    browser.submit(page, "description", {"attachment": ("all.bin", "application/octet-stream", content)}, has="all.bin")
    if browser.get("/raw-attachment/ticket/1/all.bin").body != content:
        raise Fault("the attachment has changed")


def feeds(browser):
    """a feed and a report as CSV"""
    browser.get("/timeline?ticket=on&max=50&format=rss", has="<rss")
    browser.get("/query?format=csv&status=!closed&col=id&col=summary", has="Trouble 7")
