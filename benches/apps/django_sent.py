"""The Django page as it was rendered once. What it takes to send it is the server's own share of the page."""

from django_page import application as page
from in_process import begin


class Rendered:
    """An iterable with `close`, as Django's responses are."""

    def __init__(self, pieces):
        self.pieces = pieces

    def __iter__(self):
        return iter(self.pieces)

    def close(self):
        pass


def render():
    response, said = begin(page)
    pieces = list(response)
    response.close()
    return said[0], pieces


HEAD, PIECES = render()


def application(environ, start_response):
    start_response(*HEAD)
    return Rendered(PIECES)
