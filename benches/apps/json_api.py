"""One KB of JSON, made anew each time."""

import json


def application(environ, start_response):
    items = [{"id": number, "name": f"item {number}", "price": number * 1.5, "tags": ["a", "b"]} for number in range(17)]
    body = json.dumps({"count": len(items), "items": items}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
