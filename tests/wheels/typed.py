"""What an application says about pyfcgid: mypy has to accept it."""

import pyfcgid
from pyfcgid import RequestAborted


def work() -> str:
    try:
        return "done"
    except pyfcgid.RequestAborted as aborted:
        raise aborted


kind: type[BaseException] = RequestAborted
