"""What pyfcgid has for the applications that run in it.

In a process of pyfcgid this file is the module `pyfcgid`, whatever is installed there. Where it is installed an application can name what
is in it under other servers, too: nothing is ever raised there, no request has a number, and LogHandler writes to stderr.

`__init__.pyi` has the types.
"""

__all__ = ["LogHandler", "RequestAborted", "RequestInterrupted", "RequestTimeout", "request_id", "set_deadline"]


class RequestAborted(BaseException):
    """The web server has aborted the request.

    Raised in the thread that answers the request, with abort = "raise". Like asyncio.CancelledError, it is not an Exception, so that
    frameworks do not turn it into an error page that nobody reads.
    """


class RequestInterrupted(BaseException):
    """The administrator has interrupted the request: `pyfcgid interrupt`.

    Raised in the thread that answers the request. It is not an Exception, so that frameworks do not answer it with an error page.
    """


class RequestTimeout(BaseException):
    """The request has run for longer than request-timeout, or the deadline that it has set, and was answered without the application.

    Raised in the thread that answers the request, and by whatever it still sends. It is not an Exception, so that frameworks do not
    answer it with an error page that nobody reads.
    """


# A process of pyfcgid puts its own in the place of the next three.


def request_id():
    """The number of the request that this thread answers, as in the log, or None outside of one."""
    return None


def set_deadline(seconds):
    """Gives the request of this thread so many seconds from now on, 0 to 31536000 (else ValueError); None is no limit."""
    # Where no request is answered there is nothing to do.


def _log(level, text):
    """Logs one message."""
    import sys

    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def __getattr__(name):
    # To import `logging` takes longer than all else here, and not everybody uses it.
    if name == "LogHandler":
        return globals().setdefault(name, _log_handler())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _log_handler():
    import logging

    class LogHandler(logging.Handler):
        """Gives records to pyfcgid's log: each is one message of its level, with the number of the request that its thread answers.

        Under other servers it writes to stderr, as logging.StreamHandler does.
        """

        def emit(self, record):
            try:
                _log(record.levelno, self.format(record))
            except RecursionError:
                raise
            except Exception:
                self.handleError(record)

    LogHandler.__qualname__ = LogHandler.__name__
    return LogHandler
