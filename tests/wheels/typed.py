"""What an application says about pyfcgid: mypy has to accept it."""

import logging
from typing import Optional

import pyfcgid
from pyfcgid import LogHandler, RequestAborted, request_id


def work() -> str:
    try:
        return "done"
    except pyfcgid.RequestAborted as aborted:
        raise aborted


kind: type[BaseException] = RequestAborted
number: Optional[str] = request_id()
handler: logging.Handler = LogHandler(logging.INFO)
