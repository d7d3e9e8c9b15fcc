"""OpenTelemetry by opentelemetry-instrument, with Flask."""

import collector
import visitors

PACKAGE = "opentelemetry-distro"
APPLICATION = "shop.py"
WRAPPER = ["{venv}/bin/opentelemetry-instrument"]
NOTES = ["`opentelemetry-instrument` takes `--log` for an abbreviation of its own options, wherever on the line it stands: write"
         " pyfcgid's options into a file, and start `opentelemetry-instrument pyfcgid serve -c FILE`."]
WRAPPER_ENV = {
    "OTEL_SERVICE_NAME": "shop",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:{port:collector}",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_BSP_SCHEDULE_DELAY": "1000",
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
