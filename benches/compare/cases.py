"""What is measured: which application, in which servers, asked how."""

from collections import namedtuple

from peers import Peer

# `through`: alone (each server's own protocol) or nginx. `requests`: of each measurement; `slow` servers get a tenth.
Case = namedtuple("Case", "key title requests parallel arguments one_shot", defaults=[(), False])
# Servers that run at once with one application, and what they are asked. `base`: whose figures the ratios are to.
# `beside`: programs without a server, by name, whose figures stand in the same table.
Section = namedtuple("Section", "key title module through peers cases base beside", defaults=[()])

ALONE, NGINX = "alone", "nginx"
HELLO = ("--expect", "Hello, world!\n")
MB = 1024 * 1024
LARGE = 50 * MB
# Servers that would take too long for as many requests as the others.
SLOW = {"flup6": 10, "Gunicorn gthread": 4, "Gunicorn sync": 4, "Waitress": 4}

PYFCGID, UWSGI = "pyfcgid", "uWSGI fastcgi"
P1, P8, P64 = Peer(PYFCGID, 1, "pyfcgid, 1 thread"), Peer(PYFCGID, 8, "pyfcgid, 8 threads"), Peer(PYFCGID, 64)
U1, U8, U64 = Peer(UWSGI, 1, "uWSGI fastcgi, 1 thread"), Peer(UWSGI, 8, "uWSGI fastcgi, 8 threads"), Peer(UWSGI, 64)
UW1, UW8 = Peer("uWSGI uwsgi", 1), Peer("uWSGI uwsgi", 8)
BJOERN, GRANIAN, GRANIAN64 = Peer("bjoern", 1), Peer("Granian", 1), Peer("Granian", 64)
SYNC, GTHREAD, GTHREAD64 = Peer("Gunicorn sync", 1), Peer("Gunicorn gthread", 8), Peer("Gunicorn gthread", 64)
FLOOR = Peer("floor", 1)
FLUP, WAITRESS, MOD_WSGI, PHP = Peer("flup6", 1), Peer("Waitress", 4), Peer("mod_wsgi", 8), Peer("PHP-FPM", 1)

FASTCGI_ALONE = Section(
    "alone",
    "hello, alone over FastCGI on a Unix socket",
    "hello",
    ALONE,
    [FLOOR, P1, P8, U1, U8, FLUP],
    [
        Case("kept-1", "kept connections, 1 at once", 10000, 1, HELLO),
        Case("kept-16", "kept connections, 16 at once", 30000, 16, HELLO),
        Case("one-shot-1", "one-shot connections, 1 at once", 10000, 1, HELLO, True),
        Case("one-shot-16", "one-shot connections, 16 at once", 20000, 16, HELLO, True),
    ],
    U1.name,
)
BEHIND_NGINX = Section(
    "nginx",
    "hello, all behind the same nginx",
    "hello",
    NGINX,
    [P1, P8, BJOERN, UW1, U1, GRANIAN, WAITRESS, SYNC, GTHREAD, FLUP, MOD_WSGI, PHP],
    [
        Case("nginx-16", "16 at once", 8000, 16, HELLO),
        Case("nginx-1", "1 at once", 4000, 1, HELLO),
    ],
    BJOERN.name,
)
SLEEP = Section(
    "sleep",
    "an application that waits 5 ms; 64 threads, each server over its own protocol",
    "sleep",
    ALONE,
    [P64, U64, GTHREAD64, GRANIAN64],
    [Case("sleep", "64 at once", 12800, 64, ("--expect", "Slept well.\n"))],
    U64.name,
    [("plain Python threads", ["clock.py", 64, 200])],
)
DJANGO = Section(
    "django",
    "a Django page with a template, each server over its own protocol",
    "django_page",
    ALONE,
    [P1, P8, U1, GRANIAN, SYNC],
    [Case("django", "4 at once", 1500, 4)],
    U1.name,
    [("called in a plain loop", ["in_process.py", "django_page", 1500])],
)
DJANGO_SENT = Section(
    "sent",
    "the same page, rendered once beforehand",
    "django_sent",
    ALONE,
    [P1, P8, U1, GRANIAN, SYNC],
    [Case("sent", "4 at once", 6000, 4)],
    U1.name,
)
JSON = Section(
    "json",
    "1 KB of JSON, behind the same nginx",
    "json_api",
    NGINX,
    [P1, P8, BJOERN, UW1, GRANIAN, GTHREAD],
    [Case("json", "16 at once", 6000, 16)],
    BJOERN.name,
)
UPLOAD = Section(
    "upload",
    "an upload of 50 MB, behind the same nginx",
    "upload",
    NGINX,
    [P1, P8, UW1, U1, BJOERN, GRANIAN, GTHREAD],
    [Case("upload", "1 at once", 4, 1, ("--body", LARGE, "--expect", f"{LARGE}\n"))],
    UW1.name,
)
DOWNLOAD = Section(
    "download",
    "a file of 50 MB by wsgi.file_wrapper, behind the same nginx",
    "download",
    NGINX,
    [P1, P8, UW1, U1, BJOERN, GRANIAN, GTHREAD],
    [Case("download", "1 at once", 4, 1, ("--expect-length", LARGE))],
    UW1.name,
)
CHUNKS = Section(
    "chunks",
    "a generator of 1,000 small chunks, behind the same nginx",
    "chunks",
    NGINX,
    [P1, P8, UW1, BJOERN, GRANIAN, GTHREAD],
    [Case("chunks", "4 at once", 200, 4, ("--expect-length", 64000))],
    UW1.name,
)

SECTIONS = [FASTCGI_ALONE, BEHIND_NGINX, SLEEP, DJANGO, DJANGO_SENT, JSON, UPLOAD, DOWNLOAD, CHUNKS]
