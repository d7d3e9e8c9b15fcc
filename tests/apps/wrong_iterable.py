"""Returns what no server can send. The path says what."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return {
        "/list-of-str": ["text"],
        "/str": "text",
        "/none": None,
        "/number": 3,
        "/list-of-none": [None],
        "/list-of-numbers": [1, 2],
    }[environ["PATH_INFO"]]
