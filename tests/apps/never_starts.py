"""Never calls start_response."""


def application(environ, start_response):
    return [b"a body without a head"]
