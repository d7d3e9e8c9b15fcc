# pyfcgid serve examples/flask_app.py
"""Flask. Needs it in the active virtual environment (`pip install flask`), or in one that is named with --venv."""

import logging.config

from flask import Flask, redirect, request, url_for

# To pyfcgid's log, each record at its own level and with the number of its request.
logging.config.dictConfig({
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"pyfcgid": {"class": "pyfcgid.LogHandler"}},
    "root": {"level": "INFO", "handlers": ["pyfcgid"]},
})
app = Flask(__name__)


@app.get("/")
def index():
    # url_for knows the prefix under which the web server has the application.
    return f'<!doctype html><title>Flask</title><p>Say hello to <a href="{url_for("hello", name="Ada")}">Ada</a>.</p>\n'


@app.get("/hello/<name>")
def hello(name):
    app.logger.info("greeting %s", name)
    return {"hello": name, "query": request.args.to_dict(), "from": request.remote_addr}


@app.post("/notes")
def add_note():
    return redirect(url_for("hello", name=request.form["name"]), code=303)
