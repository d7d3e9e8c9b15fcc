"""Answers with its query, and logs what it answered: a good neighbour."""


def application(environ, start_response):
    wanted = environ["QUERY_STRING"]
    environ["wsgi.errors"].write(f"sold {wanted}\n")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"here is {wanted}".encode()]
