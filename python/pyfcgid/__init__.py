"""What pyfcgid has for the applications that run in it.

In a process of pyfcgid this file is the module `pyfcgid`, whatever is installed there. Where it is installed an application can name what
is in it under other servers, too, which never do any of it.
"""

__all__ = ["RequestAborted"]


class RequestAborted(BaseException):
    """The web server has given the request up.

    Raised in the thread that answers the request, with abort = "raise". As asyncio.CancelledError, it is no Exception, so that frameworks
    do not make an error page of it that nobody reads.
    """
