"""Sends as many MiB as its path says, each of them another, and their SHA-256 in `/N?digest`."""
import hashlib


def mebibyte(number):
    return (b"%07d\n" % number) * (1 << 17)


def application(environ, start_response):
    count = int(environ["PATH_INFO"][1:])
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    if environ["QUERY_STRING"] != "digest":
        return map(mebibyte, range(count))
    digest = hashlib.sha256()
    for number in range(count):
        digest.update(mebibyte(number))
    return [digest.hexdigest().encode()]
