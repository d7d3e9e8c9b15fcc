"""Background threads as Odoo has them."""

import sqlite3
import time

from browser import together
from processes import Fault

PACKAGE = "Werkzeug"


def cron(browser):
    """eighty jobs from eight visitors at once, done by threads that were started with the server"""

    def add(_):
        for _ in range(10):
            browser.another().get("/add")

    together(8, add)
    end = time.monotonic() + 30
    while "done=80" not in browser.get("/").text:
        if time.monotonic() > end:
            raise Fault(f"after 30 s: {browser.get('/').text}")
        time.sleep(0.1)


def answered_first(browser):
    """eight threads that outlive the request that starts them"""
    together(8, lambda _: browser.another().get("/later?seconds=0.5"))
    end = time.monotonic() + 10
    while "late=8" not in browser.get("/").text:
        if time.monotonic() > end:
            raise Fault(f"after 10 s: {browser.get('/').text}")
        time.sleep(0.1)
    browser.get("/later?seconds=3")  # and a reload comes before it is done


def afterwards(site):
    """a thread of a request that runs while a reload and a stop come, waited for"""
    with sqlite3.connect(site.data / "jobs.db") as connection:
        late = connection.execute("SELECT count(*) FROM job WHERE state = 'late'").fetchone()[0]
    if late != 9:
        raise Fault(f"{late} of 9 threads came to their end")
