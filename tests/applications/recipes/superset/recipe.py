"""Superset."""

import json

from browser import together
from processes import Fault

PACKAGE = "apache-superset"
START_SECONDS = 180
SECONDS = 900
FRONT_PAGE = ("/health", (200,))
NOTES = ["6.1.0 does not start with what pip installs for it: it lacks rich and cachetools, and does not fit Flask-Caching 2.4.",
         "With several queries at once it now and then answers 400 (`'NoneType' object has no attribute 'push'`): Celery"
         " sets up a task in the first thread that needs it, and others find it half done; eight plain threads show it without a server.",
         "`stderr-level = \"info\"` sets right what level its INFO lines have, and makes its errors lines at info, too; set its `LOG_LEVEL`"
         " instead, if you do without the INFO lines."]
JSON = {"Content-Type": "application/json"}


def set_up(site):
    site.write("superset_config.py", """\
SECRET_KEY = "tested with pyfcgid, and long enough to be taken for a secret"
SQLALCHEMY_DATABASE_URI = "sqlite:///{data}/superset.db"
PREVENT_UNSAFE_DB_CONNECTIONS = False
TALISMAN_ENABLED = False
SQLLAB_CTAS_NO_LIMIT = True
""")
    site.run("superset", "db", "upgrade", seconds=500)
    site.run("superset", "fab", "create-admin", "--username", "ada", "--password", "secret", "--firstname", "Ada", "--lastname", "L",
             "--email", "ada@example.com")
    site.run("superset", "init", seconds=300)
    site.run("python", "-c", "import sqlite3\nc = sqlite3.connect('shop.db')\n"
             "c.execute('CREATE TABLE book (id INTEGER, title TEXT)')\n"
             "c.executemany('INSERT INTO book VALUES (?, ?)', [(n, f'Book {n}') for n in range(3000)])\nc.commit()")


def log_in(browser):
    """a login for a token, a CSRF token, a page with its scripts"""
    page = browser.get("/login/")
    token = json.loads(browser.ask("POST", "/api/v1/security/login", json.dumps(
        {"username": "ada", "password": "secret", "provider": "db", "refresh": True}).encode(), JSON).text)["access_token"]
    browser.headers["Authorization"] = f"Bearer {token}"
    browser.headers["X-CSRFToken"] = json.loads(browser.get("/api/v1/security/csrf_token/").text)["result"]
    static = [link for link in page.links("src") + page.links("href") if "/static/assets/" in link]
    if len(static) < 5:
        raise Fault(f"few static files: {static}")
    for link in static:
        browser.get(link if link.startswith("http") else browser.site.origin + link)
    browser.get("/api/v1/me/", has="ada")


def database(browser):
    """a database connected, a dataset made of it"""
    uri = f"sqlite:///{browser.site.data}/shop.db"
    made = browser.ask("POST", "/api/v1/database/", json.dumps(
        {"database_name": "shop", "sqlalchemy_uri": uri, "expose_in_sqllab": True}).encode(), JSON, expect=201)
    number = json.loads(made.text)["id"]
    browser.ask("POST", "/api/v1/dataset/", json.dumps(
        {"database": number, "schema": "main", "table_name": "book"}).encode(), JSON, expect=201)
    browser.get("/api/v1/dataset/1", has="title")


def queries(browser):
    """sixteen queries of SQL Lab from eight visitors at once"""

    def ask(number):
        for turn in (0, 1):
            sql = f"SELECT * FROM book WHERE id = {number * 2 + turn}"
            body = {"database_id": 1, "sql": sql, "runAsync": False, "client_id": f"c{number}{turn}"}
            browser.copy().ask("POST", "/api/v1/sqllab/execute/", json.dumps(body).encode(), JSON, has=f"Book {number * 2 + turn}")

    together(8, ask)


def chart(browser):
    """the data of a chart in JSON, and streamed as CSV"""
    query = {"datasource": {"id": 1, "type": "table"}, "queries": [{"columns": ["title"], "row_limit": 3000}], "result_type": "full"}
    browser.ask("POST", "/api/v1/chart/data", json.dumps({**query, "result_format": "json"}).encode(), JSON, has="Book 2999")
    browser.ask("POST", "/api/v1/chart/data", json.dumps({**query, "result_format": "csv"}).encode(), JSON, has="Book 2999")
