"""Answers with what does not work in a module whose name nobody knows."""
import dataclasses
import inspect
import os
import pickle
import sys
import traceback
import typing
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


@dataclasses.dataclass
class Item:
    name: "str"
    next: "typing.Optional[Item]" = None


class Point(typing.NamedTuple):
    x: int = 0


def double(number):
    return 2 * number


def fail():
    raise ValueError("on purpose")


def faults():
    item = Item("one", Item("two"))
    if pickle.loads(pickle.dumps(item)) != item or pickle.loads(pickle.dumps(Point(1))) != Point(1):
        yield "pickle"
    if sys.modules[__name__].Item is not Item or Item.__module__ != __name__:
        yield "sys.modules"
    if not os.path.isfile(__file__) or os.path.dirname(__file__) == "/" or "." in __name__:
        yield "__file__ or __name__"
    if typing.get_type_hints(Item)["next"] != typing.Optional[Item]:
        yield "type hints"
    if "return 2 * number" not in inspect.getsource(double) or inspect.getmodule(double) is not sys.modules[__name__]:
        yield "inspect"
    if __spec__.name != __name__ or __spec__.origin != __file__ or __package__ not in ("", __name__):
        yield "__spec__"
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        if pool.submit(double, 2).result(20) != 4:
            yield "multiprocessing"
    try:
        fail()
    except ValueError:
        if 'raise ValueError("on purpose")' not in traceback.format_exc():
            yield "traceback"


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(faults()).encode()]
