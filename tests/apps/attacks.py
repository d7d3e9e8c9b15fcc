"""Attacks the supervisor, its siblings and the other pools in every way that an application has. Only `make hostile` runs it.

While the file `../attack` is there, each process commits three of the attacks that it names, and every fourth process one of
`import_`. These come before the process is ready, those of `request_` when somebody asks for them, and the others
side by side in threads. What has begun is noted in `own/committed`.
"""
import collections
import os
import random
import threading
import time
import traceback

import answers_wrongly
import breaks_the_line
import breaks_the_passage
import exhausts_itself
import fails_before_it_is_ready
import floods_its_log
import floods_its_supervisor
import leaves_processes
import locks_places
import signals_everybody

MODULES = [answers_wrongly, breaks_the_line, breaks_the_passage, exhausts_itself, fails_before_it_is_ready, floods_its_log,
           floods_its_supervisor, leaves_processes, locks_places, signals_everybody]
ATTACKS = {name: attack for module in MODULES for name, attack in module.ATTACKS.items()}
AT_ONCE = 3
SECONDS = 1.0
# Until it serves: what comes before is the matter of `import_`.
PATIENCE = 0.25


def wanted():
    try:
        with open("../attack") as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def append(path, data):
    """Where it ends then; other processes write there, too."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, data)
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    finally:
        os.close(descriptor)


def turn(names):
    """Three of those that were committed least often: one that ends its process may have come before the others. What does so at the
    import would take them with it, so every fourth process does that alone."""
    process = append("own/processes", b".") - 1
    at_import = [name for name in names if name.startswith("import_")]
    serving = [name for name in names if name not in at_import]
    alone = at_import and (process % 4 == 3 or not serving)
    candidates = at_import if alone else serving
    random.Random(process).shuffle(candidates)
    return sorted(candidates, key=committed().get)[:1 if alone else AT_ONCE]


def committed():
    """How often each was."""
    try:
        with open("own/committed") as file:
            return {**dict.fromkeys(ATTACKS, 0), **collections.Counter(file.read().split())}
    except FileNotFoundError:
        return dict.fromkeys(ATTACKS, 0)


def commit(name, *arguments):
    append("own/committed", name.encode() + b"\n")
    return ATTACKS[name](*arguments)


def attack(name):
    time.sleep(PATIENCE)
    try:
        commit(name, time.monotonic() + SECONDS)
    except OSError:
        pass  # A sibling, or the supervisor, has had enough.
    except Exception:
        append("own/mistakes", f"{name}: {traceback.format_exc()}".encode())


def begin():
    if wanted():
        locks_places.mend()
        threading.Thread(target=locks_places.keep_mending, daemon=True).start()
    names = [name for name in wanted() if not name.startswith("request_")]
    for name in turn(names) if names else ():
        if name.startswith("import_"):
            commit(name, time.monotonic() + SECONDS)
        else:
            threading.Thread(target=attack, args=[name], daemon=True).start()


def application(environ, start_response):
    name = environ["QUERY_STRING"]
    if name in ATTACKS and name in wanted():
        return commit(name, environ, start_response)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"at peace"]


begin()
