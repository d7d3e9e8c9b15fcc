"""New Relic by newrelic-admin run-program, with Flask."""

import collector
import visitors

PACKAGE = "newrelic"
APPLICATION = "shop.py"
WRAPPER = ["{venv}/bin/newrelic-admin", "run-program"]
NOTES = ["In developer mode, in which the agent sends nothing; what it would send is looked for in its audit log."]
WRAPPER_ENV = {"NEW_RELIC_CONFIG_FILE": "{data}/newrelic.ini"}


def set_up(site):
    # In developer mode the agent sends nothing; what it would send stands in the audit log.
    site.write("newrelic.ini", """\
[newrelic]
license_key = 0123456789012345678901234567890123456789
app_name = shop
developer_mode = true
startup_timeout = 10.0
shutdown_timeout = 5.0
log_file = {data}/agent.log
audit_log_file = {data}/collected
transaction_tracer.transaction_threshold = 0.0
""")


def transactions(browser):
    """forty requests from eight visitors at once, in transactions"""
    visitors.ask_for_items(browser)


def errors(browser):
    """the exception of a request, a thread that a request starts"""
    browser.get("/fails/7", expect=500)
    browser.get("/thread", has="done by a thread")


def afterwards(site):
    """what is sent at the stop: the transactions by name, the exception"""
    collector.wait_for(site, ["WebTransaction/Function/shop:item", "LookupError"], 1)
