"""ihatemoney, from cold: two processes make the database at once."""

import base64
import json
import re

from browser import together


def set_up(site):
    site.write("ihatemoney.cfg", """\
SECRET_KEY = "tested with pyfcgid"
SQLALCHEMY_DATABASE_URI = "sqlite:///{data}/ihatemoney.db"
SESSION_COOKIE_SECURE = False
APPLICATION_ROOT = "{prefix}" or "/"
MAIL_DEFAULT_SENDER = "Budget <admin@example.com>"
""")


def front_page(browser):
    """pages and static files"""
    page = browser.get("/", has="I hate money")
    for link in page.links("src") + page.links("href"):
        if "/static/" in link and link.endswith((".css", ".js")):
            browser.get(browser.site.origin + link)


def create_project(browser):
    """a project by a form with CSRF token"""
    page = browser.get("/create")
    browser.submit(page, "contact_email", name="Journey", id="journey", password="a long code", contact_email="ada@example.com",
                   has="Journey")
    browser.another().post("/create", {"name": "x", "id": "x"}, expect=(200, 400, 401, 403), has="CSRF")


def members_and_bills(browser):
    """members, bills and the balance"""
    for name in ("Ada", "Grace"):
        browser.submit(browser.get("/journey/members/add"), "name", name=name)
    page = browser.get("/journey/add")
    numbers = re.findall(r'name="payed_for"[^>]*value="(\d+)"|value="(\d+)"[^>]*name="payed_for"', page.text)
    members = sorted({a or b for a, b in numbers})
    browser.submit(page, "what", what="Ferry", amount="42", payer=members[0], payed_for=members, date="2026-01-02", has="Ferry")
    browser.get("/journey/settle_bills", has="21")


def at_once(browser):
    """eight visitors at once, over the REST interface with a Basic login"""
    login = {"Authorization": "Basic " + base64.b64encode(b"journey:a long code").decode()}

    def bill(number):
        body = json.dumps({"name": f"Member {number}"}).encode()
        browser.another().ask("POST", "/api/projects/journey/members", body, {**login, "Content-Type": "application/json"}, expect=201)

    together(8, bill)
    browser.ask("GET", "/api/projects/journey", None, login, has=[f"Member {number}" for number in range(8)])


def export(browser):
    """a download as CSV"""
    browser.get("/journey/export/bills.csv", has="Ferry")
