"""Answers with the status in its path and a body."""


def application(environ, start_response):
    status = environ["PATH_INFO"][1:]
    headers = [("X-Kept", "yes")]
    if status == "200":
        headers += [("Content-Type", "text/plain"), ("Content-Length", "11")]
    write = start_response(status + " As Asked", headers)
    if environ["QUERY_STRING"] == "write":
        write(b"written ")
    return iter([b"hello ", b"world"])
