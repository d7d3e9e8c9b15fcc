"""Says which role it was asked to be, and what it was given for that."""

import json


def application(environ, start_response):
    path = environ["REQUEST_URI"]
    if path == "/raise":
        raise RuntimeError("no answer")
    status = "403 Forbidden" if path == "/deny" else "200 OK"
    data = environ.get("fcgi.data")
    seen = {
        "role": environ["fcgi.role"],
        "body": environ["wsgi.input"].read().decode(),
        "data": None if data is None else b"".join(data).decode(),
        "length": environ.get("FCGI_DATA_LENGTH"),
        "last_mod": environ.get("FCGI_DATA_LAST_MOD"),
    }
    headers = [("Content-Type", "application/json"), ("Variable-ROLE_SEEN", environ["fcgi.role"])]
    start_response(status, headers)
    return [json.dumps(seen).encode()]
