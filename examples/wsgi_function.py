# pyfcgid serve examples/wsgi_function.py
"""The shorter shape of a WSGI application (PEP 3333): a function, called once for each request."""


def application(environ, start_response):
    text = f"Hello from {environ['SCRIPT_NAME'] or 'the root'}, you asked for {environ['PATH_INFO']}\n"
    # The path is decoded already; as PEP 3333 wants it, each character stands for one byte of UTF-8.
    body = text.encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]
