import logging
from typing import Optional

__all__ = ["LogHandler", "RequestAborted", "request_id"]

class RequestAborted(BaseException): ...

def request_id() -> Optional[str]: ...

class LogHandler(logging.Handler): ...
