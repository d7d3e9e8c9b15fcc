"""Calls an application in a plain loop: what it costs without any server. `in_process.py MODULE TIMES`, which prints one JSON object."""

import importlib
import io
import json
import sys
import time

ENVIRON = {
    "QUERY_STRING": "page=2&sort=name",
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/articles/list",
    "REQUEST_URI": "/articles/list?page=2&sort=name",
    "DOCUMENT_URI": "/articles/list",
    "DOCUMENT_ROOT": "/var/www/html",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REQUEST_SCHEME": "http",
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SERVER_SOFTWARE": "nginx/1.22.1",
    "REMOTE_ADDR": "192.0.2.17",
    "REMOTE_PORT": "51234",
    "SERVER_ADDR": "192.0.2.1",
    "SERVER_PORT": "80",
    "SERVER_NAME": "www.example.com",
    "REDIRECT_STATUS": "200",
    "HTTP_HOST": "www.example.com",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "HTTP_ACCEPT_LANGUAGE": "en-US,en;q=0.5",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate, br",
    "HTTP_REFERER": "http://www.example.com/articles/",
    "HTTP_COOKIE": "sessionid=0123456789abcdef0123456789abcdef; theme=dark",
    "HTTP_UPGRADE_INSECURE_REQUESTS": "1",
    "HTTP_CACHE_CONTROL": "max-age=0",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": False,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}


def begin(application):
    """The response, and the list of what the application tells start_response."""
    said = []
    return application(dict(ENVIRON, **{"wsgi.input": io.BytesIO()}), lambda *arguments: said.append(arguments)), said


def call(application):
    response, said = begin(application)
    try:
        length = sum(map(len, response))
    finally:
        if hasattr(response, "close"):
            response.close()
    if said[0][0] != "200 OK" or not length:
        sys.exit(f"the application answered {said[0][0]}")


def main():
    application = importlib.import_module(sys.argv[1]).application
    times = int(sys.argv[2])
    for _ in range(times // 10):
        call(application)
    cpu, begin = time.process_time(), time.perf_counter()
    for _ in range(times):
        call(application)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    print(json.dumps({"cpu_us_per_request": cpu * 1e6 / times, "rps": times / seconds}))


if __name__ == "__main__":
    main()
