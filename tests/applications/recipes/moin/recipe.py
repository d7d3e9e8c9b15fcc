"""MoinMoin."""

from browser import together
from processes import Fault

NOTES = ["flask_theme's table of themes and the database of edit locks are made when a request first needs them, without a lock: others that"
         " come at once get a 500 (`KeyError: 'topside'`, `no such table: editlock`).",
         "It logs at level INFO whatever is shown; `logging.conf` of the recipe has warnings and errors only."]
START_SECONDS = 120
SECONDS = 500
FRONT_PAGE = ("/+index", (200,))


def set_up(site):
    site.run("moin", "create-instance", "--path", "{data}/wiki")
    wiki = site.data / "wiki"
    site.run("moin", "index-create", directory=wiki)
    site.run("moin", "welcome", directory=wiki)
    configuration = wiki / "wikiconfig.py"
    configuration.write_text(configuration.read_text().replace("YOUR-SUPER-EDITOR", "Ada"))
    site.run("moin", "account-create", "--name", "Ada", "--email", "ada@example.com", "--password", "Correct horse 9", directory=wiki)


def pages(browser):
    """pages, redirects with the prefix, static files"""
    page = browser.get("/", expect=(200, 404))
    static = [link for link in page.links("href") + page.links("src") if "/static/" in link or "/+serve/" in link or "/_themes/" in link]
    if not static:
        raise Fault("no static files")
    for link in static:
        browser.get(link if link.startswith("http") else browser.site.origin + link)
    browser.get("/+index")


def log_in(browser):
    """a login by a form"""
    page = browser.get("/+login")
    browser.submit(page, "login_username", login_username="Ada", login_password="Correct horse 9", login_submit="1")
    browser.get("/+index", has="Ada")


def write(browser):
    """eight pages written at once, with their history and the search"""

    def page(number):
        visitor = browser.copy()
        path = f"/+modify/Page{number}?contenttype=text%2Fx.moin.wiki%3Bcharset%3Dutf-8&itemtype=default"
        form = visitor.get(path)
        visitor.submit(form, "content_form_data_text", content_form_data_text=f"Text of page {number} with '''strength'''")
        visitor.get(f"/Page{number}", has=[f"Text of page {number}", "<strong>strength</strong>"])

    together(8, page)
    browser.get("/+history/Page3")
    browser.get("/+index", has=[f"Page{number}" for number in range(8)])
