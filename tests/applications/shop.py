"""A small shop that knows nothing of what watches it."""

import threading

from flask import Flask

app = Flask(__name__)


@app.route("/")
def index():
    return "the shop"


@app.route("/items/<int:number>")
def item(number):
    return f"item {number}"


@app.route("/fails/<int:number>")
def fails(number):
    raise LookupError(f"no item {number}")


@app.route("/thread")
def thread():
    found = []
    worker = threading.Thread(target=lambda: found.append("done by a thread"))
    worker.start()
    worker.join()
    return found[0]
