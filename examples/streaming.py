# pyfcgid serve examples/streaming.py
"""A response that is sent while it is being made: ten lines, one every half second. /all sends them without a pause.

Look at it with `curl -N`. nginx collects a response before it passes it on unless it has `fastcgi_keep_conn on` or the response
says `X-Accel-Buffering: no`; Apache needs `flushpackets`, as in the files of apache/.
"""

import time


def application(environ, start_response):
    pause = 0 if environ["PATH_INFO"] == "/all" else 0.5
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Accel-Buffering", "no")])
    return lines(environ, pause)


def lines(environ, pause):
    # An extension of pyfcgid: true once nobody waits for the response any more. Elsewhere `bool`, which says False.
    aborted = environ.get("pyfcgid.aborted", bool)
    for number in range(1, 11):
        if aborted():
            return
        yield b"line %d of 10\n" % number
        time.sleep(pause)
