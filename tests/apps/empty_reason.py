"""Says the status of the path, with a reason that has nothing in it, as Django does for `HttpResponse(reason="")`."""


def application(environ, start_response):
    code, _, reason = environ["PATH_INFO"].lstrip("/").partition("/")
    status = {"none": code, "space": code + " ", "spaces": code + "  \t "}[reason]
    start_response(status, [("Content-Type", "text/plain")])
    return [b"ok\n"]
