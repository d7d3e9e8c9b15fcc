"""Logs by pyfcgid.LogHandler in the way that the path says, and answers with the number of the request."""
import atexit
import logging.config
import os
import threading
import time

import pyfcgid

logging.config.dictConfig({
    "version": 1,
    "formatters": {"named": {"format": "%(name)s: %(message)s"}},
    "handlers": {"pyfcgid": {"class": "pyfcgid.LogHandler", "formatter": "named"}},
    "root": {"level": 1, "handlers": ["pyfcgid"]},
})
LOGGER = logging.getLogger("shop")
LOGGER.error("at import, of request %s", pyfcgid.request_id())
atexit.register(LOGGER.warning, "at exit")


class Unspeakable:
    def __str__(self):
        raise ValueError("it says nothing")


def levels():
    for level in (50, 40, 35, 30, 20, 10, 5):
        LOGGER.log(level, "of level %d", level)


def traceback():
    try:
        {}["cause"]
    except KeyError:
        LOGGER.exception("it fell")


def thread():
    started = threading.Thread(target=LOGGER.info, args=["in a thread"])
    started.start()
    started.join()


def fork():
    process = os.fork()
    if not process:
        LOGGER.info("in a forked process")
        os._exit(0)
    os.waitpid(process, 0)


def often():
    for _ in range(50):
        LOGGER.info("of %s", pyfcgid.request_id())
        time.sleep(0)


def wrongly():
    LOGGER.info("%d", "no number")
    LOGGER.info("%s", Unspeakable())
    LOGGER.log(1 << 70, "no level")
    LOGGER.info("after all")


WAYS = {
    "/levels": levels,
    "/traceback": traceback,
    "/thread": thread,
    "/fork": fork,
    "/often": often,
    "/wrongly": wrongly,
    "/odd": lambda: LOGGER.info("one\x1b[31m\ntwo caf\udce9.txt"),
    "/long": lambda: LOGGER.info("x" * (3 << 20)),
    "/json": lambda: LOGGER.info('{"length": "%s"}', "x" * 100_000),
}


def application(environ, start_response):
    WAYS[environ["PATH_INFO"]]()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["pyfcgid.request_id"].encode()]
