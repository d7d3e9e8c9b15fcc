"""Uses characters above 127 in its head."""


def application(environ, start_response):
    start_response("404 Ni\u00e7ht da", [("Content-Type", "text/plain"), ("X-Name", "caf\u00e9")])
    return [b"x"]
