"""Answers with the environ it was given and what it read, as JSON."""

import hashlib
import json
import os


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    answer = {name: value for name, value in environ.items() if isinstance(value, (str, bool))}
    answer["test.body_length"] = len(body)
    answer["test.body_sha256"] = hashlib.sha256(body).hexdigest()
    answer["test.back_end"] = os.environ.get("TEST_BACK_END", "")
    content = json.dumps(answer).encode("ascii")
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
    return [content]
