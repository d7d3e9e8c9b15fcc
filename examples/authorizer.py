# pyfcgid serve examples/authorizer.py --roles authorizer --env PASSWORDS=examples/passwords
"""Tells the web server who may see its pages: an authorizer, with names and scrypt hashes in a file.

    python3 examples/authorizer.py ada staff >> examples/passwords

asks for a password and writes ada's line. In the file that comes with this, ada's password is `lovelace`: make your own.

200 lets the request in, anything else does not. The web server makes an environment variable of each `Variable-NAME` header, so
what it then runs or proxies to learns the group. Runs behind Apache (apache/authorizer.conf: it sends REMOTE_USER and
REMOTE_PASSWD) and lighttpd (`"mode" => "authorizer"`: it sends the Authorization header).
"""

import base64
import hashlib
import hmac
import os

REALM = "members"
COST = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}
# Compared with when there is no such user, so that the time it takes tells nothing.
NOBODY = {"salt": b"", "hash": bytes(32), "group": None}


def application(environ, start_response):
    user, password = credentials(environ)
    entry = read_passwords().get(user)
    if environ.get("FCGI_APACHE_ROLE") == "AUTHORIZER":
        # Apache has checked the password with another provider, and asks only whether this user may come in.
        allowed = entry is not None
    else:
        allowed = fits(entry or NOBODY, password) and entry is not None
    if not allowed:
        return refuse(start_response)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Variable-AUTH_GROUP", entry["group"])])
    return [b"allowed\n"]


def refuse(start_response):
    headers = [("Content-Type", "text/plain"), ("WWW-Authenticate", f'Basic realm="{REALM}", charset="UTF-8"')]
    start_response("401 Unauthorized", headers)
    return [b"not allowed\n"]


def credentials(environ):
    """Name and password, with empty text for what is not there."""
    if "REMOTE_USER" in environ:
        return as_text(environ["REMOTE_USER"]), as_text(environ.get("REMOTE_PASSWD", ""))
    scheme, _, encoded = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode("utf-8", "replace").partition(":")
    except ValueError:
        return "", ""
    return name, password


def as_text(value):
    """WSGI hands out bytes as latin-1."""
    return value.encode("latin-1").decode("utf-8", "replace")


def fits(entry, password):
    return hmac.compare_digest(scrypt(password, entry["salt"]), entry["hash"])


def scrypt(password, salt):
    return hashlib.scrypt(password.encode("utf-8"), salt=salt, **COST)


def read_passwords():
    """The users, by name. The file is read for each request: a change counts at once."""
    users = {}
    with open(os.environ["PASSWORDS"], encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                name, group, salt, digest = line.strip().split(":")
                users[name] = {"group": group, "salt": bytes.fromhex(salt), "hash": bytes.fromhex(digest)}
    return users


if __name__ == "__main__":
    import getpass
    import sys

    name, group = sys.argv[1:]
    salt = os.urandom(16)
    print(name, group, salt.hex(), scrypt(getpass.getpass(), salt).hex(), sep=":")
