"""Looks like an application under gevent, or eventlet, with greenlets instead of the threads that PATCHED names."""
import os
import sys
import types

asked = types.ModuleType("asked")
asked.is_module_patched = asked.is_monkey_patched = lambda name: name == os.environ["PATCHED"]
sys.modules[os.environ["MODULE"]] = asked


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
