"""What pyfcgid is to reach, and whether it does."""

from collections import namedtuple

from cases import BJOERN, FLOOR, GRANIAN, GRANIAN64, GTHREAD, GTHREAD64, P1, P8, P64, SYNC, U1, U8, U64, UW1
from rounds import median

# `met` is None if something that it takes was not measured.
Aim = namedtuple("Aim", "what aim figure met")
CPU, RPS, P50 = "cpu_us_per_request", "rps", "p50_us"
MB = 1024 * 1024


def judge(results):
    found = Figures(results)
    return [aim for check in CHECKS for aim in check(found)]


class Figures:
    """Medians by section, case, server and figure."""

    def __init__(self, results):
        self.results = results

    def of(self, section, case, name, figure):
        return median(self.results.get(section, {}).get(case, {}).get(getattr(name, "name", name)), figure)

    def ratio(self, section, case, mine, other, figure):
        return divide(self.of(section, case, mine, figure), self.of(section, case, other, figure))


def divide(value, by):
    return None if value is None or not by else value / by


def at_most(what, value, limit, unit="", digits=2, base=""):
    met = None if value is None else value <= limit
    return Aim(what, f"<= {limit:.4g}{unit}{base}", number(value, digits, unit), met)


def at_least(what, value, limit, unit="", digits=2, base=""):
    met = None if value is None else value >= limit
    return Aim(what, f">= {limit:g}{unit}{base}", number(value, digits, unit), met)


def number(value, digits, unit):
    return "-" if value is None else f"{value:.{digits}f}{unit}"


def alone(found):
    for case, title, cpu, rps in [("kept-16", "kept, 16 at once", 0.42, 2.5), ("one-shot-16", "one-shot, 16 at once", 0.85, 1.1)]:
        yield at_most(f"{title}, 1 thread: CPU", found.ratio("alone", case, P1, U1, CPU), cpu, base=" x uWSGI")
        yield at_least(f"{title}, 1 thread: requests/s", found.ratio("alone", case, P1, U1, RPS), rps, base=" x uWSGI")


def latency(found):
    mine, floor = (found.of("alone", "kept-1", server, P50) for server in (P1, FLOOR))
    # 25 us where the floor has 16: most of it is the machine's waking of threads that sleep.
    aim = at_most("kept, 1 at once: p50", divide(mine, floor), 25 / 16, base=" x floor")
    yield aim._replace(figure=f"{aim.figure} ({number(mine, 1, '')} to {number(floor, 1, ' us')})")
    yield at_most("one-shot, 1 at once: p50", found.ratio("alone", "one-shot-1", P1, U1, P50), 1, base=" x uWSGI")


def threads(found):
    for case, title in [("kept-16", "kept, 16 at once"), ("one-shot-16", "one-shot, 16 at once")]:
        aim = at_most(f"{title}, 8 threads: CPU", found.ratio("alone", case, P8, P1, CPU), 1.1, base=" x 1 thread")
        uwsgi = found.ratio("alone", case, U8, U1, CPU)
        yield aim._replace(figure=f"{aim.figure} (uWSGI: {number(uwsgi, 2, '')})")


def behind_nginx(found):
    def ratio(other, figure):
        return found.ratio("nginx", "nginx-16", P1, other, figure)

    yield at_most("behind nginx: CPU", ratio(BJOERN, CPU), 1, base=" x bjoern")
    yield at_least("behind nginx: requests/s", ratio(BJOERN, RPS), 1, base=" x bjoern")
    yield at_least("behind nginx: requests per CPU second", divide(1, ratio(GRANIAN, CPU)), 2, base=" x Granian")
    for peer in (SYNC, GTHREAD):
        yield at_least("behind nginx: requests per CPU second", divide(1, ratio(peer, CPU)), 10, base=f" x {peer.name}")


def sleep(found):
    mine = found.of("sleep", "sleep", P64, RPS)
    clock = found.of("sleep", "sleep", "plain Python threads", RPS)
    possible = min(12800, clock) if clock else None
    aim = at_least("5 ms sleep, 64 threads: of what is possible", divide(mine, possible), 0.95)
    yield aim._replace(figure=f"{aim.figure} ({number(mine, 0, '/s')} of {number(possible, 0, '/s')})")
    for peer, name in [(GTHREAD64, GTHREAD64.name), (GRANIAN64, GRANIAN64.name), (U64, "uWSGI threads")]:
        yield at_least("5 ms sleep, 64 threads: requests/s", found.ratio("sleep", "sleep", P64, peer, RPS), 1, base=f" x {name}")


def django(found):
    whole, own = found.of("django", "django", P1, CPU), found.of("sent", "sent", P1, CPU)
    share = divide(own, whole)
    aim = at_most("Django page: the gateway's share of the CPU", share and share * 100, 5, " %", 1)
    yield aim._replace(figure=f"{aim.figure} ({number(own, 1, '')} of {number(whole, 0, ' us')})")


def transfers(found):
    for case, title in [("upload", "50 MB upload"), ("download", "50 MB file")]:
        yield at_least(f"{title}: MB/s", found.ratio(case, case, P1, UW1, RPS), 1, base=" x uWSGI")
        yield at_most(f"{title}: CPU", found.ratio(case, case, P1, UW1, CPU), 1, base=" x uWSGI")


def idle(found):
    def of(figure):
        return found.of("memory", "idle", P8, figure)

    yield at_most("10,000 idle connections: memory each", of("pss_per_idle"), 2048, " bytes", 0)
    # Two measurements of the same thing differ by as much.
    p99 = divide(of("beside_idle_p99_us"), of("p99_us"))
    yield at_most("10,000 idle connections: p99 of busy ones", p99, 1.2, base=" x without")


def memory(found):
    def of(name):
        return found.of("memory", "sizes", name, "pss")

    for app in ("hello", "django_page"):
        child, python = of(f"child, {app}"), of(f"python3, {app}")
        more = None if child is None or python is None else (child - python) / MB
        aim = at_most(f"memory of a child, {app}", more, 4, " MB", 1, base=" + python3's")
        yield aim._replace(figure=f"{aim.figure} ({number(divide(child, MB), 1, ' MB')})")
    yield at_most("memory of the supervisor", divide(of("supervisor, hello"), MB), 5, " MB", 1)


CHECKS = [alone, latency, threads, behind_nginx, sleep, django, transfers, idle, memory]
