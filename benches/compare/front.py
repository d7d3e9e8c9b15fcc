"""The nginx that all servers stand behind: one, with a location for each."""

import os
import signal

from peers import FASTCGI, UWSGI
from processes import Server, free_port, safe

MAIN = """\
daemon off;
worker_processes 1;
pid {place}/nginx.pid;
error_log {place}/nginx-error.log error;
{user}
events {{
    worker_connections 4096;
}}
http {{
    access_log off;
    sendfile on;
    tcp_nodelay on;
    default_type application/octet-stream;
    keepalive_requests 1000000;
    client_max_body_size 1g;
    client_body_temp_path {place}/nginx-body;
    proxy_temp_path {place}/nginx-proxy;
    fastcgi_temp_path {place}/nginx-fastcgi;
    uwsgi_temp_path {place}/nginx-uwsgi;
    scgi_temp_path {place}/nginx-scgi;
    # A response that the browser takes slowly stays with the server: none goes to nginx's disk.
    proxy_max_temp_file_size 0;
    fastcgi_max_temp_file_size 0;
    uwsgi_max_temp_file_size 0;
{upstreams}
    server {{
        listen 127.0.0.1:{port};
{locations}
    }}
}}
"""
UPSTREAM = """
    upstream {name} {{
        server {address};
        {keepalive}
    }}
"""
# nginx keeps more connections than it uses at once, and these answer on no other one while a kept one is open.
ONE_CONNECTION_AT_A_TIME = {"flup6", "PHP-FPM"}
KEEPALIVE = "keepalive 64; keepalive_requests 1000000;"
LOCATION = """
        location /{name}/ {{
{directives}
        }}
"""
# What every FastCGI and uwsgi server is told; request headers come of their own.
PARAMS = [
    ("QUERY_STRING", "$query_string"),
    ("REQUEST_METHOD", "$request_method"),
    ("CONTENT_TYPE", "$content_type"),
    ("CONTENT_LENGTH", "$content_length"),
    ("SCRIPT_NAME", '""'),
    ("PATH_INFO", "$document_uri"),
    ("REQUEST_URI", "$request_uri"),
    ("DOCUMENT_URI", "$document_uri"),
    ("DOCUMENT_ROOT", "$document_root"),
    ("SERVER_PROTOCOL", "$server_protocol"),
    ("REQUEST_SCHEME", "$scheme"),
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("SERVER_SOFTWARE", "nginx/$nginx_version"),
    ("REMOTE_ADDR", "$remote_addr"),
    ("REMOTE_PORT", "$remote_port"),
    ("SERVER_ADDR", "$server_addr"),
    ("SERVER_PORT", "$server_port"),
    ("SERVER_NAME", "$server_name"),
]


class Front(Server):
    """An nginx before running servers, given as pairs of a peer and its server."""

    def __init__(self, tools, place, pairs):
        port = free_port()
        upstreams = "".join(upstream(peer, server) for peer, server in pairs)
        locations = "".join(location(peer, place) for peer, _ in pairs)
        user = "user root;" if os.geteuid() == 0 else ""
        text = MAIN.format(place=place, port=port, user=user, upstreams=upstreams, locations=locations)
        conf = place / "nginx.conf"
        conf.write_text(text)
        command = [tools.nginx, "-p", place, "-c", conf, "-e", place / "nginx-error.log"]
        super().__init__("nginx", command, place, ("127.0.0.1", port), stop_signal=signal.SIGTERM)


def path_of(peer):
    return f"/{safe(peer.name)}/articles/list"


def upstream(peer, server):
    address = server.address
    where = f"{address[0]}:{address[1]}" if isinstance(address, tuple) else f"unix:{address}"
    return UPSTREAM.format(name=safe(peer.name), address=where, keepalive=KEEPALIVE if is_kept(peer) else "")


def is_kept(peer):
    return peer.kind.keeps and peer.kind.peer not in ONE_CONNECTION_AT_A_TIME


def location(peer, place):
    lines = directives(peer, safe(peer.name), place)
    return LOCATION.format(name=safe(peer.name), directives="\n".join(f"            {line};" for line in lines))


def directives(peer, name, place):
    if peer.kind.speaks == FASTCGI:
        keep = ["fastcgi_keep_conn on"] if is_kept(peer) else []
        script = [f"fastcgi_param SCRIPT_FILENAME {place}/hello.php"] if peer.kind.peer == "PHP-FPM" else []
        return [f"fastcgi_pass {name}", *keep, *script, *(f"fastcgi_param {key} {value}" for key, value in PARAMS)]
    if peer.kind.speaks == UWSGI:
        return [f"uwsgi_pass {name}", *(f"uwsgi_param {key} {value}" for key, value in PARAMS)]
    # Without this nginx speaks HTTP/1.0 and closes.
    return [f"proxy_pass http://{name}", "proxy_http_version 1.1", 'proxy_set_header Connection ""']
