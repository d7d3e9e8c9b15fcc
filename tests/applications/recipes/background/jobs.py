"""Threads as Odoo has them: two that look for due jobs, started when the server is, daemon threads that sleep between; a connection pool
with a lock; and requests that start a thread of their own and answer before it is done."""

import os
import sqlite3
import threading
import time

from werkzeug.wrappers import Request, Response

DATABASE = os.environ["JOBS_DATABASE"]


def connect():
    connection = sqlite3.connect(DATABASE, timeout=30, isolation_level=None)
    connection.execute("CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, state TEXT, process INTEGER, name TEXT)")
    return connection


def work_on_jobs():
    while True:
        with connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            due = connection.execute("SELECT id FROM job WHERE state = 'due' LIMIT 1").fetchone()
            if due:
                connection.execute("UPDATE job SET state = 'done', process = ?, name = ? WHERE id = ?",
                                   (os.getpid(), threading.current_thread().name, due[0]))
            connection.execute("COMMIT")
        time.sleep(0.01 if due else 0.1)


for number in range(2):
    threading.Thread(target=work_on_jobs, name=f"cron{number}", daemon=True).start()


def later(seconds):
    time.sleep(seconds)
    connect().execute("INSERT INTO job (state, name) VALUES ('late', ?)", (threading.current_thread().name,))


@Request.application
def application(request):
    if request.path == "/add":
        connect().execute("INSERT INTO job (state) VALUES ('due')")
    elif request.path == "/later":
        threading.Thread(target=later, args=(request.args.get("seconds", 1, float),), name="report").start()
    rows = connect().execute("SELECT state, count(*) FROM job GROUP BY state").fetchall()
    return Response(" ".join(f"{state}={number}" for state, number in rows) or "none")
