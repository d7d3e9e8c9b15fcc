"""Sets two cookies."""


def application(environ, start_response):
    start_response("201 Created", [
        ("Set-Cookie", "a=1"),
        ("Location", "http://localhost/new"),
        ("Set-Cookie", "b=2"),
        ("Content-Type", "text/plain"),
    ])
    return [b"two"]
