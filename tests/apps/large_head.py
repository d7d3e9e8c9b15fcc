"""Sends as many header lines of 1,000 bytes as its path says."""


def application(environ, start_response):
    count = int(environ["PATH_INFO"][1:])
    start_response("200 OK", [("Content-Type", "text/plain")] + [(f"X-Line-{number}", "x" * 1000) for number in range(count)])
    return [b"the body"]
