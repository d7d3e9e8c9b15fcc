"""Zope with ZEO: requests that conflict are run again."""

from browser import together
from processes import Fault

BASIC = "Basic YWRhOnNlY3JldA=="  # ada:secret
COUNT = """\
hits = context.getProperty('hits')
size = len(context.REQUEST.get('ballast', ''))
for turn in range(200000):
    pass
context.manage_changeProperties(hits=hits + 1)
return '%s %s' % (hits + 1, size)
"""


def set_up(site):
    site.run("mkwsgiinstance", "-d", "{data}/instance", "-u", "ada:secret")
    site.write("instance/etc/zope.conf", """\
%define INSTANCE {data}/instance
instancehome $INSTANCE
max-conflict-retries 30
<zodb_db main>
  mount-point /
  <zeoclient>
    server 127.0.0.1:{port:zeo}
    storage 1
  </zeoclient>
</zodb_db>
""")


def helpers(site):
    runzeo = [site.bin / "runzeo", "-a", f"127.0.0.1:{site.port('zeo')}", "-f", site.data / "instance/var/Data.fs"]
    return [("zeo", runzeo, {}, site.port("zeo"))]


def pages(browser):
    """pages, the management screens with a Basic login, static files"""
    browser.get("/")
    browser.get("/manage_main", expect=401)
    browser.headers["Authorization"] = BASIC
    page = browser.get("/manage_main", has="Root Folder")
    for link in page.links("href") + page.links("src"):
        if "/++resource++" in link:
            browser.get(link if link.startswith("http") else browser.site.origin + link)


def objects(browser):
    """a script and a file made through the management screens, the file of 1 MB downloaded"""
    browser.post("/manage_addFolder", {"id": "counter", "title": "Counter"})
    browser.post("/counter/manage_addProperty", {"id": "hits", "value": "0", "type": "int"})
    browser.post("/counter/manage_addProduct/PythonScripts/manage_addPythonScript", {"id": "count"})
    browser.post("/counter/count/ZPythonScriptHTML_editAction", {"title": "", "params": "", "body": COUNT})
    content = bytes(range(256)) * 4096
    browser.upload("/counter/manage_addFile", {"id": "data"}, {"file": ("data", "application/octet-stream", content)})
    if browser.get("/counter/data").body != content:
        raise Fault("the file has changed")


def conflicts(browser):
    """eight requests at once that conflict, of which all are run again until they succeed: 8 of 8"""

    def count(number):
        answer = browser.copy().post("/counter/count", {"ballast": "x" * (number * 40_000)})
        return answer.text.split()

    for turn in (1, 2, 3):
        answers = together(8, count)
        if sorted(int(size) for _, size in answers) != [number * 40_000 for number in range(8)]:
            raise Fault(f"a body is not what was sent: {answers}")
        if sorted(int(hits) for hits, _ in answers) != list(range(turn * 8 - 7, turn * 8 + 1)):
            raise Fault(f"lost: {answers}")
