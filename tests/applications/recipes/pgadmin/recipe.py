"""pgAdmin by its own pgAdmin4.wsgi."""

import json
import re

from browser import together
from processes import Fault

PACKAGE = "pgadmin4"
START_SECONDS = 120
SECONDS = 400
NOTES = ["One process of 8 threads, as its documentation says: what one process knows of a login or a connection, another one does not."
         " With two, a login fails under Gunicorn, too."]


def set_up(site):
    package = next(site.venv.glob("lib/python3.*/site-packages/pgadmin4"))
    (package / "config_local.py").write_text(f"""\
DATA_DIR = {str(site.data / "pgadmin")!r}
LOG_FILE = {str(site.data / "pgadmin/pgadmin4.log")!r}
SQLITE_PATH = {str(site.data / "pgadmin/pgadmin4.db")!r}
SESSION_DB_PATH = {str(site.data / "pgadmin/sessions")!r}
STORAGE_DIR = {str(site.data / "pgadmin/storage")!r}
AZURE_CREDENTIAL_CACHE_DIR = KERBEROS_CCACHE_DIR = {str(site.data / "pgadmin/caches")!r}
MASTER_PASSWORD_REQUIRED = False
UPGRADE_CHECK_ENABLED = False
SERVER_MODE = True
""")
    site.run("python", str(package / "setup.py"), "setup-db",
             env={"PGADMIN_SETUP_EMAIL": "ada@example.com", "PGADMIN_SETUP_PASSWORD": "a long secret"})


def log_in(browser):
    """a login by a form with CSRF token"""
    for password in ("wrong", "a long secret"):
        page = browser.get("/login", has="pgAdmin")
        token = re.search(r'"csrfToken":\s*"([^"]+)"|name="csrf_token"[^>]*value="([^"]+)"|csrf_token&#34;: &#34;([^&]+)', page.text)
        if not token:
            raise Fault("the login page has no CSRF token")
        fields = {"email": "ada@example.com", "password": password, "csrf_token": next(filter(None, token.groups()))}
        browser.post("/authenticate/login", fields, expect=(200, 401))
    browser.get("/browser/", has="pgAdmin", lacks="/authenticate/login")


def pages(browser):
    """the scripts and style sheets of its page, of up to 10 MB"""
    page = browser.get("/browser/")
    static = [link for link in page.links("src") + page.links("href") if link.startswith(browser.site.prefix + "/static/")]
    if len(static) < 3:
        raise Fault(f"few static files: {static}")
    for link in static:
        browser.get(browser.site.origin + link)
    script = browser.get("/browser/js/utils.js", has="pgAdmin").text
    token = re.search(r"csrf_token'?\]?\s*[=:]\s*['\"]([^'\"]+)", script)
    if not token:
        raise Fault("the script has no CSRF token")
    browser.headers["X-pgA-CSRFToken"] = token[1]


def at_once(browser):
    """eight requests at once to its interface"""
    together(8, lambda _: browser.copy().get("/misc/ping"))
    together(8, lambda _: json.loads(browser.copy().get("/preferences/get_all").text))
    together(8, lambda _: json.loads(browser.copy().get("/browser/server_group/nodes/").text))
