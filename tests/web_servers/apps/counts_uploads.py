"""Answers with the lengths of the bodies of all requests so far, this one's included."""

LENGTHS = []


def application(environ, start_response):
    LENGTHS.append(len(environ["wsgi.input"].read()))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(map(str, LENGTHS)).encode("ascii")]
