"""Imports a module that lies beside it."""
import sibling


def application(environ, start_response):
    start_response("200 OK", [])
    return [sibling.TEXT]
