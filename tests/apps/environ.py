"""Answers with its environ as JSON; what JSON can't hold is shown by the name of its type."""
import json


def shown(value):
    return value if isinstance(value, (str, bool, tuple)) else type(value).__name__


def application(environ, start_response):
    body = json.dumps({
        "type": type(environ).__name__,
        "not_native": [repr(item) for item in environ.items() if not isinstance(item[0], str) or not native(*item)],
        "environ": {key: shown(value) for key, value in environ.items()},
    }).encode("ascii")
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]


def native(key, value):
    return "." in key or type(value) is str
