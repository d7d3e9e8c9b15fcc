"""The application that the environment variable APPLICATION names as pyfcgid's option app does, for servers that take modules only."""

import ast
import importlib
import importlib.machinery
import importlib.util
import json
import os
import sys


def load():
    app, places = json.loads(os.environ.pop("APPLICATION"))
    sys.path[:0] = [places] if isinstance(places, str) else places
    source, callable_name, arguments = parts(app)
    module = from_file(source) if "/" in source else importlib.import_module(source)
    if callable_name is None:
        return module.application if hasattr(module, "application") else module.app
    target = module
    for name in callable_name.split("."):
        target = getattr(target, name)
    return target if arguments is None else target(*arguments)


def parts(app):
    """module, callable or None, the arguments of a factory or None."""
    source, _, name = app.partition(":")
    if "(" not in name:
        return source, name or None, None
    call = ast.parse(name, mode="eval").body
    return source, name.partition("(")[0], [ast.literal_eval(argument) for argument in call.args]


def from_file(path):
    loader = importlib.machinery.SourceFileLoader("wsgi_file", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("wsgi_file", loader))
    loader.exec_module(module)
    return module


application = load()
