"""The web servers: nginx with the application at /, Apache with it under /app. Each passes requests to a back end by FastCGI or HTTP."""

import shutil
from pathlib import Path

from processes import APPLICATION_USER, Fault, Process, free_port, is_open

REPOSITORY = Path(__file__).resolve().parents[2]


class Front:
    """A web server on a port of its own; prefix is where the application is. Who logs in at it is ada, with the password secret."""

    def __init__(self, place):
        self.place, self.port, self.process = place, free_port(), None
        self.origin = f"http://127.0.0.1:{self.port}"

    def start(self, backend, recipe, site):
        self.place.mkdir(parents=True, exist_ok=True)
        password = self.place / "passwords"
        password.write_text("ada:{PLAIN}secret\n" if self.name == "nginx" else "ada:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
        self.process = Process(self.name, self.command(backend, recipe, site), self.place / "output.log")
        self.process.wait_until(lambda: is_open(self.port), 20)

    def stop(self):
        return self.process.stop() if self.process else []


class Nginx(Front):
    name, prefix = "nginx", ""

    def command(self, backend, recipe, site):
        shutil.copy(REPOSITORY / "nginx/pyfcgid_params", self.place)
        pass_on = self.fastcgi(backend) if backend.is_fastcgi else self.proxy(backend)
        locations = [f"location / {{ {pass_on} }}"]
        for path in recipe.login_paths:
            protected = "fastcgi_param AUTH_TYPE Basic; fastcgi_param REMOTE_USER $remote_user;" if backend.is_fastcgi else ""
            auth = f"auth_basic site; auth_basic_user_file {self.place}/passwords;"
            locations.append(f"location {path} {{ {auth} {pass_on} {protected} }}")
        for path, directory in recipe.static.items():
            locations.append(f"location {path} {{ alias {site.fill(directory)}/; }}")
        conf = self.place / "nginx.conf"
        conf.write_text(NGINX.format(
            user=f"user {APPLICATION_USER};" if APPLICATION_USER else "", place=self.place, port=self.port,
            locations="\n        ".join(locations)))
        return ["nginx", "-p", self.place, "-c", conf, "-e", self.place / "error.log"]

    def fastcgi(self, backend):
        return f"fastcgi_pass unix:{backend.socket}; include pyfcgid_params;"

    def proxy(self, backend):
        return f"proxy_pass http://127.0.0.1:{backend.port}; proxy_set_header Host $http_host;"


class Apache(Front):
    name, prefix = "Apache", "/app"

    def command(self, backend, recipe, site):
        if not Path(MODULES).is_dir():
            raise Fault(f"there is no {MODULES}: install apache2")
        lines = []
        for path, directory in recipe.static.items():
            where = site.fill(directory)
            lines += [f'ProxyPass "/app{path}" "!"', f'Alias "/app{path}" "{where}/"',
                      f'<Directory "{where}">\n    Require all granted\n</Directory>']
        if backend.is_fastcgi:
            keep = "enablereuse=on ttl=30 flushpackets=auto flushwait=10"
            lines.append(f'ProxyPass "/app/" "fcgi://127.0.0.1:{backend.port}/app/" {keep}')
        else:
            lines.append(f'ProxyPass "/app/" "http://127.0.0.1:{backend.port}/app/"')
        for path in recipe.login_paths:
            lines.append(f'<Location "/app{path}">\n    AuthType Basic\n    AuthName site\n    AuthUserFile {self.place}/passwords\n'
                         "    Require valid-user\n</Location>")
        identity = f"User {APPLICATION_USER}\nGroup {APPLICATION_USER}" if APPLICATION_USER else ""
        conf = self.place / "apache2.conf"
        load = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in APACHE_MODULES)
        conf.write_text(APACHE.format(
            place=self.place, port=self.port, load=load, identity=identity, lines="\n    ".join(lines)))
        return ["apache2", "-f", conf, "-DFOREGROUND"]


FRONTS = (Nginx, Apache)
MODULES = "/usr/lib/apache2/modules"
APACHE_MODULES = ("mpm_event", "authz_core", "authz_host", "authn_core", "authn_file", "auth_basic", "authz_user", "alias", "dir",
                  "env", "mime", "filter", "setenvif", "proxy", "proxy_fcgi", "proxy_http", "headers")
NGINX = """\
daemon off;
worker_processes 1;
pid {place}/nginx.pid;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log {place}/access.log;
    include /etc/nginx/mime.types;
    client_max_body_size 200m;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    fastcgi_buffer_size 16k;
    fastcgi_buffers 8 16k;
    fastcgi_read_timeout 120s;
    proxy_read_timeout 120s;
    server {{
        listen 127.0.0.1:{port};
        server_name 127.0.0.1;
        {locations}
    }}
}}
"""
APACHE = """\
ServerRoot "{place}"
DefaultRuntimeDir "{place}"
PidFile "{place}/pid"
ErrorLog "{place}/error.log"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
{load}
TypesConfig /etc/mime.types
{identity}
<Directory />
    AllowOverride None
    Require all denied
</Directory>
<VirtualHost 127.0.0.1:{port}>
    AllowEncodedSlashes On
    RedirectMatch 308 "^/app$" "/app/"
    ProxyPreserveHost On
    ProxyTimeout 120
    {lines}
    <Location "/app">
        CGIPassAuth On
        SetEnv ap_trust_cgilike_cl 1
    </Location>
</VirtualHost>
"""
