"""Kinto with PostgreSQL."""

import base64
import json

import postgresql
from browser import together
from processes import Fault

JSON = {"Content-Type": "application/json"}
NOTES = ["`If-Match` is checked before the write, not with it: of eight at once several win.",
         "It is for the root of a site: under `/app` it takes the prefix for a part of an object's address (`strip_uri_prefix(request.path)`"
         " in its `authorization.py`), and the owner of a bucket has no permission in it."]
FRONT_PAGE = ("/v1/", (200,))


def set_up(site):
    url = "postgresql://postgres@127.0.0.1:{port:postgresql}/postgres"
    site.write("kinto.ini", f"""\
[app:main]
use = egg:kinto
kinto.storage_backend = kinto.core.storage.postgresql
kinto.storage_url = {url}
kinto.cache_backend = kinto.core.cache.postgresql
kinto.cache_url = {url}
kinto.permission_backend = kinto.core.permission.postgresql
kinto.permission_url = {url}
kinto.includes = kinto.plugins.accounts kinto.plugins.history kinto.plugins.default_bucket
kinto.project_name = tested
kinto.userid_hmac_secret = 0123456789abcdef
multiauth.policies = account
multiauth.policy.account.use = kinto.plugins.accounts.authentication.AccountsAuthenticationPolicy
kinto.account_create_principals = system.Everyone
kinto.bucket_create_principals = system.Authenticated
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = generic
[logger_root]
level = WARNING
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = generic
[formatter_generic]
format = %(asctime)s %(levelname)s %(message)s
""")


def helpers(site):
    return [postgresql.helper(site)]


def before_start(site):
    site.run("kinto", "migrate", "--ini", "{data}/kinto.ini")


def account(browser):
    """an account, a bucket and a collection by the interface in JSON, absolute links with the prefix, CORS"""
    browser.ask("PUT", "/v1/accounts/ada", b'{"data": {"password": "secret"}}', JSON, expect=201)
    browser.headers["Authorization"] = "Basic " + base64.b64encode(b"ada:secret").decode()
    browser.ask("PUT", "/v1/buckets/shelf", b"{}", JSON, expect=201)
    browser.ask("PUT", "/v1/buckets/shelf/collections/books", b"{}", JSON, expect=201)
    hello = json.loads(browser.get("/v1/").text)
    if hello["url"] != browser.url("/v1/"):
        raise Fault(f"the link is {hello['url']}")
    browser.ask("OPTIONS", "/v1/buckets", None, {"Origin": "http://example.com", "Access-Control-Request-Method": "GET"})


def records(browser):
    """forty records from eight visitors at once, pages of them by links"""

    def make(number):
        for turn in range(5):
            body = json.dumps({"data": {"title": f"{number}.{turn}"}}).encode()
            # Of two that come in the same millisecond it asks one to try again.
            while browser.copy().ask("POST", "/v1/buckets/shelf/collections/books/records", body, JSON, expect=(201, 409)).status == 409:
                pass

    together(8, make)
    url, found = "/v1/buckets/shelf/collections/books/records?_limit=7", []
    while url:
        answer = browser.get(url)
        found += json.loads(answer.text)["data"]
        url = answer.header("Next-Page")
    if len({record["title"] for record in found}) != 40:
        raise Fault(f"{len(found)} records, not 40")


def conditions(browser):
    """ETags: 304, 412, one winner of eight at once; a batch; history"""
    path = "/v1/buckets/shelf/collections/books/records/one"
    made = browser.ask("PUT", path, b'{"data": {"title": "one"}}', JSON, expect=201)
    tag = made.header("ETag")
    browser.ask("GET", path, headers={"If-None-Match": tag}, expect=304)
    answers = together(8, lambda number: browser.copy().ask(
        "PUT", path, json.dumps({"data": {"title": str(number)}}).encode(), {**JSON, "If-Match": tag}, expect=(200, 412)))
    winners = [answer for answer in answers if answer.status == 200]
    if len(winners) != 1:
        raise Fault(f"{len(winners)} winners, not 1")
    batch = {"requests": [{"method": "GET", "path": "/v1/buckets/shelf"}, {"method": "GET", "path": "/v1/buckets/none"}]}
    answer = json.loads(browser.ask("POST", "/v1/batch", json.dumps(batch).encode(), JSON).text)
    if [one["status"] for one in answer["responses"]] not in ([200, 403], [200, 404]):
        raise Fault(f"the batch: {answer}")
    browser.get("/v1/buckets/shelf/history", has="shelf")
