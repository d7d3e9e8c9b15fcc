"""ddtrace by ddtrace-run, with Flask."""

import collector
import visitors

PACKAGE = "ddtrace"
APPLICATION = "shop.py"
NOTES = ["Some lines of its log are about the agent, which here is none, and the start of its writer; under Gunicorn, too."]
WRAPPER = ["{venv}/bin/ddtrace-run"]
WRAPPER_ENV = {
    "DD_SERVICE": "shop",
    "DD_TRACE_AGENT_URL": "http://127.0.0.1:{port:collector}",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_TRACE_COMPUTE_STATS": "false",
}


def helpers(site):
    return [collector.helper(site)]


def spans(browser):
    """the span of each of forty requests from eight visitors at once"""
    collector.wait_for(browser.site, visitors.ask_for_items(browser))


def errors(browser):
    """the exception of a request, a thread that a request starts"""
    browser.get("/fails/7", expect=500)
    browser.get("/thread", has="done by a thread")
    collector.wait_for(browser.site, ["LookupError", "no item 7"])
    for number in range(2000, 2008):
        browser.get(f"/items/{number}")


def afterwards(site):
    """spans sent at the stop"""
    collector.wait_for(site, [f"/items/{number}" for number in range(2000, 2008)], 1)
