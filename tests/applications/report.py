"""What was seen, for a person: a line for each application, and the page in docs/."""

import json

INTRODUCTION = """\
# Applications that were tested

"""


def is_well(result):
    return "cannot" not in result and not any(seen["faults"] for seen in result["runs"].values())


def in_short(result):
    """The result of one application, with its faults below it."""
    if "cannot" in result:
        return f"{result['name']}: cannot be tested here: {result['cannot']}"
    lines = [f"{result['name']} {result['version']}: " + ", ".join(of_a_run(*run) for run in result["runs"].items())]
    for front, seen in result["runs"].items():
        lines += [f"    {front}: {step}: {fault}{proof(seen, step)}" for step, fault in seen["faults"].items()]
    return "\n".join(lines)


def of_a_run(front, seen):
    passed = len(seen["passed"])
    return f"{front} {passed} of {passed + len(seen['faults'])}, {seen['noise']} lines of noise, {seen['seconds']} s"


def proof(seen, step):
    if "under Gunicorn" not in seen:
        return ""
    other = seen["under Gunicorn"].get(step)
    return f"\n        under Gunicorn: {other or 'passes'}"


def table(place, recipes):
    return INTRODUCTION + json.dumps([recipe.name for recipe in recipes])
