"""What pyfcgid has for the applications that run in it.

In a process of pyfcgid this file is the module `pyfcgid`, whatever is installed there. Where it is installed an application can name what
is in it under other servers, too, which never do any of it.
"""

__all__ = ["RequestAborted", "RequestInterrupted"]


class RequestAborted(BaseException):
    """The web server has aborted the request.

    Raised in the thread that answers the request, with abort = "raise". Like asyncio.CancelledError, it is not an Exception, so that
    frameworks do not turn it into an error page that nobody reads.
    """


class RequestInterrupted(BaseException):
    """The administrator has interrupted the request: `pyfcgid interrupt`.

    Raised in the thread that answers the request. It is not an Exception, so that frameworks do not answer it with an error page.
    """
