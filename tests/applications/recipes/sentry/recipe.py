"""Sentry, with Flask."""

import collector
from browser import together

PACKAGE = "sentry-sdk"


def helpers(site):
    return [collector.helper(site)]


def transactions(browser):
    """the transaction of each of forty requests from eight visitors at once"""

    def visit(visitor):
        for turn in range(5):
            browser.another().get(f"/items/{1000 + visitor * 5 + turn}", has="item 1")

    together(8, visit)
    collector.wait_for(browser.site, [f"/items/{number}" for number in range(1000, 1040)])


def errors(browser):
    """the exceptions of eight requests at once, a thread that a request starts"""
    together(8, lambda number: browser.another().get(f"/fails/{number}", expect=500))
    browser.get("/thread", has="done by a thread")
    collector.wait_for(browser.site, [f"no item {number}" for number in range(8)])
    browser.get("/fails/99", expect=500)


def afterwards(site):
    """events sent at the stop"""
    collector.wait_for(site, ["no item 99"], 1)
