"""Compares the module `pyfcgid` with the package that a wheel installs under that name, which `sitecustomize` has imported before."""
import importlib.machinery
import importlib.util
import json
import sys

import before
import pyfcgid


def application(environ, start_response):
    installed = load(importlib.machinery.PathFinder.find_spec("pyfcgid", sys.path))
    shown = {
        "came_before": before.pyfcgid.__file__ == installed.__file__ and before.pyfcgid is not pyfcgid,
        "is_package": hasattr(pyfcgid, "__path__"),
        "of_module": names(pyfcgid),
        "of_package": names(installed),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(shown).encode()]


def load(spec):
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(module):
    """All that is public, with what it is."""
    public = {name for name in vars(module) if not name.startswith("_")}
    return {name: about(getattr(module, name)) for name in public | {"__all__", "__doc__"} | set(module.__all__)}


def about(value):
    if isinstance(value, type):
        return [base.__qualname__ for base in value.__mro__] + [value.__module__, value.__doc__]
    if callable(value):
        return [value.__name__, value.__module__, value.__doc__]
    return value
