"""Sentry, with Flask."""

import collector
import visitors
from browser import together

PACKAGE = "sentry-sdk"
APPLICATION = "shop.py"
NOTES = ["There is no wrapper command: `sentry_sdk.init()` stands before the application's import."]


def helpers(site):
    return [collector.helper(site)]


def transactions(browser):
    """the transaction of each of forty requests from eight visitors at once"""
    collector.wait_for(browser.site, visitors.ask_for_items(browser))


def errors(browser):
    """the exceptions of eight requests at once, a thread that a request starts"""
    together(8, lambda number: browser.another().get(f"/fails/{number}", expect=500))
    browser.get("/thread", has="done by a thread")
    collector.wait_for(browser.site, [f"no item {number}" for number in range(8)])
    browser.get("/fails/99", expect=500)


def afterwards(site):
    """events sent at the stop"""
    collector.wait_for(site, ["no item 99"], 1)
