"""Flask-Admin with SQLAlchemy."""

import re

from browser import together
from processes import Fault


def set_up(site):
    (site.data / "files").mkdir()
    site.run("python", "-c", "import shop\nwith shop.app.app_context(): shop.db.create_all()")


def pages(browser):
    """pages, a redirect with the prefix, static files"""
    page = browser.get("/", has="Shop")
    static = [link for link in page.links("href") + page.links("src") if "/static/" in link]
    if len(static) < 3:
        raise Fault(f"few static files: {static}")
    for link in static:
        browser.get(browser.site.origin + link)


def rows(browser):
    """records made, changed, searched and deleted by forms with CSRF tokens"""
    for name in ("Ada", "Grace"):
        browser.submit(browser.get("/admin/author/new/"), "name", name=name, has="successfully created")
    browser.submit(browser.get("/admin/author/edit/?id=2"), "name", name="Grace Hopper", has="successfully saved")
    browser.get("/admin/author/?search=Hopper", has="Grace Hopper", lacks=">Ada<")
    browser.post("/admin/author/new/", {"name": "Nobody"}, lacks="successfully created")
    listed = browser.get("/admin/author/?search=Ada")
    action, fields = listed.form("id")
    browser.post("/admin/author/delete/", {**fields, "id": "1"}, has="successfully deleted")


def at_once(browser):
    """sixteen records at once from eight visitors"""

    def make(number):
        visitor = browser.another()
        for half in (0, 1):
            page = visitor.get("/admin/book/new/")
            visitor.submit(page, "title", title=f"Book {number}.{half}", pages=str(number), author="2", has="successfully created")

    together(8, make)
    listed = browser.get("/admin/book/").text
    if len(set(re.findall(r"Book \d\.\d", listed))) != 16:
        raise Fault("not all records are there")


def export(browser):
    """a streamed export as CSV"""
    answer = browser.get("/admin/book/export/csv/", has=["Book 0.0", "Book 7.1"])
    if "text/csv" not in answer.header("Content-Type"):
        raise Fault(f"the export is {answer.header('Content-Type')}")


def files(browser):
    """an upload of 3 MB, its download, its removal"""
    content = bytes(range(256)) * 12000
    page = browser.get("/admin/files/upload/")
    browser.submit(page, "csrf_token", {"upload": ("data.bin", "application/octet-stream", content)}, has="data.bin")
    if browser.get("/admin/files/download/data.bin").body != content:
        raise Fault("the file has changed")
