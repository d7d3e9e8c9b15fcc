"""Dash, from cold: the first requests of a process come at once."""

import base64
import json

from browser import together
from processes import Fault


def page_and_scripts(browser):
    """the page, and every script and style sheet it names"""
    page = browser.get("/", has="_dash-config")
    found = [link for link in page.links("src") + page.links("href") if "_dash-component-suites" in link or "/assets/" in link]
    if len(found) < 5 or not all(link.startswith(browser.site.prefix + "/") for link in found):
        raise Fault(f"scripts without the prefix, or too few: {found[:3]}")
    for link in found:
        browser.get(browser.site.origin + link)


def layout(browser):
    """layout and dependencies"""
    browser.get("/_dash-layout", has=["greeting", "DataTable"])
    dependencies = json.loads(browser.get("/_dash-dependencies").text)
    if len(dependencies) != 3:
        raise Fault(f"{len(dependencies)} callbacks, not 3")


def callbacks_at_once(browser):
    """a hundred callbacks from eight visitors at once"""

    def call(number):
        for _ in range(13):
            name = f"visitor {number}"
            answer = ask(browser.another(), "greeting.children", [("name", "value", name)])
            if answer["greeting"]["children"] != f"Hello, {name}!":
                raise Fault(f"a wrong answer: {answer}")

    together(8, call)


def upload(browser):
    """an upload of 2 MB in JSON, a download"""
    content = "data:application/octet-stream;base64," + base64.b64encode(bytes(2_000_000)).decode()
    answer = ask(browser, "uploaded.children", [("upload", "contents", content)], [("upload", "filename", "zeros")])
    if answer["uploaded"]["children"] != "zeros: 2000000 bytes":
        raise Fault(f"a wrong answer: {answer}")
    if ask(browser, "saved.data", [("save", "n_clicks", 3)])["saved"]["data"]["content"] != "3 clicks":
        raise Fault("the download is another one")


def ask(visitor, output, inputs, state=()):
    identifier, name = output.split(".")
    as_list = [[{"id": i, "property": p, "value": v} for i, p, v in one] for one in (inputs, state)]
    changed = [f"{i}.{p}" for i, p, _ in inputs]
    body = {"output": output, "outputs": {"id": identifier, "property": name}, "inputs": as_list[0], "state": as_list[1],
            "changedPropIds": changed}
    answer = visitor.ask("POST", "/_dash-update-component", json.dumps(body).encode(), {"Content-Type": "application/json"})
    return json.loads(answer.text)["response"]
