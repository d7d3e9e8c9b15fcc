"""What was seen, for a person: a line for each application, and the page in docs/."""

import json
import re

INTRODUCTION = """\
# Applications that were tested

Other people's applications, from PyPI, in pyfcgid with 2 processes of 4 threads: behind nginx at `/`, and behind Apache under `/app`.
`make applications` installs and runs them, `make applications APPLICATIONS='trac zope'` some of them; then
`python3 tests/applications --table` prints this page anew. Each directory of
[tests/applications/recipes](../tests/applications/recipes) says how one is set up, and has the pool file that you can start from.

Each begins with a fresh database. Its very first requests are eight at once, and after a reload it gets eight more; no request may fail,
no redirect may leave the prefix, and at the stop no process may be left. *n of m* counts what is listed as tried, with these two;
*the rest is its own* means that the same fails under Gunicorn, too. The lines of log are what the application writes at pyfcgid's default
level, tracebacks of errors that a test provokes among them, but not pyfcgid's own lines about its start and stop; in brackets, how many of
them are at level warn or error.

"""


def is_well(result):
    """Whether nothing failed but what fails under Gunicorn, too."""
    return "cannot" not in result and all(
        is_its_own(seen, step) for seen in result["runs"].values() for step in seen["faults"])


def is_its_own(seen, step):
    """Whether this fault is the application's own: another server shows the same. To start and to stop it is ours to see to."""
    other = seen.get("under Gunicorn", {}).get(step)
    return is_the_same(seen["faults"][step], other) and step not in [*OURS, *seen["must pass"]]


def is_the_same(fault, other):
    """Whether two faults of one step are one: a server that answers 502 while it reloads does not excuse a 500."""
    return other is not None and STATUS.findall(fault) == STATUS.findall(other)


OURS = ("start", "stop")
STATUS = re.compile(r" answers (\d+)")


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
    return f"{front} {passed} of {passed + len(seen['faults'])}, lines of noise (at warn or error): {noise(seen)}, {seen['seconds']} s"


def proof(seen, step):
    if "under Gunicorn" not in seen:
        return ""
    under = seen["under Gunicorn"]
    return f"\n        under Gunicorn: {under.get(step) or under.get('start') or under.get('time') or 'passes'}"


def table(place, recipes):
    """The page in docs/."""
    results = [(recipe, last(place, recipe)) for recipe in recipes]
    rows = ["| Application | What was tried | nginx at / | Apache under /app | Lines of log |", "|---|---|---|---|---|"]
    rows += [row(recipe, result) for recipe, result in results]
    notes = [line for recipe, result in results for line in about_one(recipe, result)]
    return INTRODUCTION + "\n".join(rows) + "\n" + ("\n## Notes\n\n" + "\n".join(notes) + "\n" if notes else "")


def last(place, recipe):
    path = place / recipe.name / "result.json"
    return json.loads(path.read_text()) if path.exists() else {"cannot": "not run", "runs": {}}


def row(recipe, result):
    runs = result["runs"]
    counts = [count(runs.get(front)) for front in ("nginx", "Apache")]
    lines = " / ".join(noise(runs[front]) for front in ("nginx", "Apache") if front in runs) or "–"
    tried = "; ".join(result.get("steps", []))
    return f"| {title(recipe, result)} | {tried} | {counts[0]} | {counts[1]} | {lines} |"


def title(recipe, result):
    return f"{recipe.title} ({result['version']})" if "version" in result else recipe.title


def noise(seen):
    return f"{seen['noise']} ({seen['warnings']})" if seen["noise"] else "0"


def count(seen):
    if seen is None:
        return "not run"
    if "start" in seen["faults"]:
        return "**does not start**"
    passed, all_of_them = len(seen["passed"]), len(seen["passed"]) + len(seen["faults"])
    if all(is_its_own(seen, step) for step in seen["faults"]):
        return f"{passed} of {all_of_them}" + ("" if passed == all_of_them else ", the rest is its own")
    return f"**{passed} of {all_of_them}**"


def about_one(recipe, result):
    """What a person should know, and what failed with its proof."""
    if "cannot" in result:
        yield f"- **{recipe.title}**: {result['cannot']}"
    for note in recipe.setting("NOTES", []):
        yield f"- **{recipe.title}**: {note}"
    for front, seen in result["runs"].items():
        for step, fault in seen["faults"].items():
            yield f"- **{recipe.title}**, {front}, {step}: `{shortened(fault)}`{proof_in_words(seen, step)}"


def shortened(fault):
    """A fault without what is this machine's or this run's."""
    text = re.sub(r"http://127\.0\.0\.1:\d+", "", fault).split(" | ")[-1].replace("`", "'")
    text = re.sub(r"/\S*/(site-packages|data)/", "", text)
    return text if len(text) <= 200 else text[:199] + "…"


def proof_in_words(seen, step):
    if "under Gunicorn" not in seen:
        return ""
    if is_its_own(seen, step):
        return f". Its own: under Gunicorn `{shortened(seen['under Gunicorn'][step])}`"
    other = seen["under Gunicorn"].get(step) or seen["under Gunicorn"].get("start") or seen["under Gunicorn"].get("time")
    return f". Under Gunicorn: `{shortened(other)}`" if other else ". Under Gunicorn it passes"
