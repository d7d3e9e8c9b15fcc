# pyfcgid serve examples/flask_app.py
"""Flask. Needs it in the active virtual environment (`pip install flask`), or in one that is named with --venv."""

from flask import Flask, redirect, request, url_for

app = Flask(__name__)


@app.get("/")
def index():
    # url_for knows the prefix under which the web server has the application.
    return f'<!doctype html><title>Flask</title><p>Say hello to <a href="{url_for("hello", name="Ada")}">Ada</a>.</p>\n'


@app.get("/hello/<name>")
def hello(name):
    return {"hello": name, "query": request.args.to_dict(), "from": request.remote_addr}


@app.post("/notes")
def add_note():
    return redirect(url_for("hello", name=request.form["name"]), code=303)
