"""MoinMoin."""

from browser import together
from processes import Fault

START_SECONDS = 120
SECONDS = 500
FRONT_PAGE = ("/+index", (200,))


def set_up(site):
    site.run("moin", "create-instance", "--path", "{data}/wiki")
    wiki = site.data / "wiki"
    site.run("moin", "index-create", directory=wiki)
    site.run("moin", "welcome", directory=wiki)
    configuration = wiki / "wikiconfig.py"
    configuration.write_text(configuration.read_text().replace("class LocalConfig(DefaultConfig):", """class LocalConfig(DefaultConfig):
    user_email_verification = False
    registration_only_by_superuser = False
    registration_hint = ""
""", 1))


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
    """an account made, a login by a form"""
    page = browser.get("/+register")
    browser.submit(page, "register_username", register_username="Ada", register_password1="Correct horse 9", register_password2="Correct horse 9",
                   register_email="ada@example.com", register_submit="1")
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
