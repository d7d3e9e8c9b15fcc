"""A browser as far as a test needs one: cookies, forms, redirects, uploads; whatever it gets is checked."""

import http.client
import html.parser
import secrets
import threading
import urllib.parse

from processes import Fault

TIMEOUT = 90


class Answer:
    """A complete answer, and the forms that are in it."""

    def __init__(self, url, status, headers, body):
        self.url, self.status, self.headers, self.body = url, status, headers, body

    @property
    def text(self):
        return self.body.decode(errors="replace")

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def form(self, having=None):
        """The action and the fields of the first form that has such a field."""
        finder = FormFinder()
        finder.feed(self.text)
        for action, fields in finder.forms:
            if having is None or having in fields:
                return urllib.parse.urljoin(self.url, action or self.url), dict(fields)
        raise Fault(f"{self.url} has no form with {having}")

    def links(self, attribute="href"):
        return LinkFinder.links(self.text, attribute)


class Browser:
    """One visitor of the application at origin + prefix. Paths are the application's own."""

    def __init__(self, site):
        self.site, self.cookies, self.headers, self.requests = site, {}, {}, 0

    def another(self):
        """Somebody else, without these cookies."""
        return Browser(self.site)

    def copy(self):
        """The same visitor in another thread."""
        other = Browser(self.site)
        other.cookies, other.headers = dict(self.cookies), dict(self.headers)
        return other

    def url(self, path):
        return path if path.startswith("http") else self.site.origin + self.site.prefix + path

    def get(self, path, **wanted):
        return self.ask("GET", path, **wanted)

    def post(self, path, fields=None, **wanted):
        body = urllib.parse.urlencode(fields or {}, doseq=True).encode()
        return self.ask("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"}, **wanted)

    def upload(self, path, fields, files, **wanted):
        """files: the field's name → (file name, content type, bytes)."""
        body, content_type = multipart(fields, files)
        return self.ask("POST", path, body, {"Content-Type": content_type}, **wanted)

    def submit(self, page, having=None, files=None, **changes):
        """Fills in a form of a page and sends it, with the hidden fields (CSRF) that it has."""
        wanted = {key: changes.pop(key) for key in ("expect", "has") if key in changes}
        action, fields = page.form(having)
        fields.update(changes)
        headers = {"Referer": page.url}
        if files is not None:
            body, content_type = multipart({key: value for key, value in fields.items() if key not in files}, files)
        else:
            body = urllib.parse.urlencode({k: v for k, v in fields.items() if v is not None}, doseq=True).encode()
            content_type = "application/x-www-form-urlencoded"
        return self.ask("POST", action, body, {"Content-Type": content_type, **headers}, **wanted)

    def ask(self, method, path, body=None, headers=None, expect=200, has=None, lacks=None, follow=True):
        """One request, and those it is redirected to; expect is a status or several, has a text or several."""
        headers = headers or {}
        answer = self.exchange(method, self.url(path), body, headers)
        for _ in range(10):
            if not follow or answer.status not in (301, 302, 303, 307, 308):
                break
            url = self.location(answer)
            again = answer.status in (307, 308)
            answer = self.exchange(method if again else "GET", url, body if again else None, headers if again else {})
        check(method, answer, expect, has, lacks)
        return answer

    def location(self, answer):
        """Where a redirect leads, which has to be inside of the application."""
        where = answer.header("Location")
        if where is None:
            raise Fault(f"{answer.url} is a redirect without Location")
        url = urllib.parse.urljoin(answer.url, where)
        inside = self.site.origin + self.site.prefix
        if not (url == inside or url.startswith((inside + "/", inside + "?"))):
            raise Fault(f"{answer.url} redirects out of the application, to {where}")
        return url

    def exchange(self, method, url, body, headers):
        self.requests += 1
        parts = urllib.parse.urlsplit(url)
        path = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + ("?" + parts.query if parts.query else "")
        sent = {"Host": parts.netloc, "User-Agent": "Mozilla/5.0 (applications)", "Accept": "text/html,*/*;q=0.8", **self.headers,
                **headers}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            answer = Answer(url, response.status, response.getheaders(), response.read())
        except (OSError, http.client.HTTPException) as error:
            raise Fault(f"{method} {url}: {type(error).__name__} {error}") from None
        finally:
            connection.close()
        self.take_cookies(answer)
        return answer

    def take_cookies(self, answer):
        for key, value in answer.headers:
            if key.lower() == "set-cookie":
                first, *attributes = value.split(";")
                name, _, content = first.strip().partition("=")
                gone = any(a.strip().lower() in ("max-age=0",) or "01 Jan 1970" in a for a in attributes)
                if gone or content in ("", '""'):
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = content


def check(method, answer, expect, has, lacks):
    expected = expect if isinstance(expect, (tuple, list)) else (expect,)
    if answer.status not in expected:
        start = " ".join(answer.text.split())[:160 if answer.status < 500 else 4000]
        raise Fault(f"{method} {answer.url} answers {answer.status}, not {' or '.join(map(str, expected))}: {start}")
    for text in [has] if isinstance(has, str) else has or []:
        if text not in answer.text:
            raise Fault(f"{method} {answer.url} lacks {text!r}")
    for text in [lacks] if isinstance(lacks, str) else lacks or []:
        if text in answer.text:
            raise Fault(f"{method} {answer.url} has {text!r}")


def together(number, work):
    """work(0) to work(number - 1) at once; their results, or the Fault of those that fail."""
    results, faults, gate = [None] * number, [], threading.Barrier(number)

    def one(index):
        gate.wait()
        try:
            results[index] = work(index)
        except Exception as error:  # whatever it is, it is told
            faults.append(error if isinstance(error, Fault) else Fault(f"{type(error).__name__}: {error}"))

    threads = [threading.Thread(target=one, args=(index,), daemon=True) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise Fault(f"{len(faults)} of {number} at once fail: {faults[0]}")
    return results


def multipart(fields, files):
    boundary = secrets.token_hex(16)
    parts = []
    for name, value in fields.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is not None:
                parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{one}\r\n'.encode())
    for name, (file_name, content_type, content) in files.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        parts.append(f"{head}Content-Type: {content_type}\r\n\r\n".encode() + content + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


class FormFinder(html.parser.HTMLParser):
    """The forms of a page: their action, and what a browser would send of them untouched."""

    def __init__(self):
        super().__init__()
        self.forms, self.area, self.select = [], None, None

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append((attributes.get("action", ""), {}))
        if not self.forms:
            return
        fields, name = self.forms[-1][1], attributes.get("name")
        if tag == "input" and name and attributes.get("type", "text") not in ("submit", "button", "file", "image"):
            if attributes.get("type") not in ("checkbox", "radio") or "checked" in attributes:
                fields[name] = attributes.get("value") or ("on" if attributes.get("type") == "checkbox" else "")
        elif tag == "textarea" and name:
            self.area, fields[name] = name, ""
        elif tag == "select" and name:
            self.select = name
        elif tag == "option" and self.select and ("selected" in attributes or self.select not in fields):
            fields[self.select] = attributes.get("value", "")

    def handle_data(self, data):
        if self.area:
            self.forms[-1][1][self.area] += data

    def handle_endtag(self, tag):
        if tag == "textarea":
            self.area = None
        elif tag == "select":
            self.select = None


class LinkFinder(html.parser.HTMLParser):
    def __init__(self, attribute):
        super().__init__()
        self.attribute, self.found = attribute, []

    @classmethod
    def links(cls, text, attribute):
        finder = cls(attribute)
        finder.feed(text)
        return finder.found

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name == self.attribute and value]
