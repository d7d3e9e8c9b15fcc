# pyfcgid serve examples/wsgi_class.py
"""The longer shape of a WSGI application (PEP 3333): a class. Each request makes an instance, and iterates it for the body."""


class Application:
    def __init__(self, environ, start_response):
        self.environ = environ
        self.start_response = start_response

    def __iter__(self):
        self.start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        yield b"These are the variables that the application gets:\n\n"
        for name, value in sorted(self.environ.items()):
            yield f"{name} = {value!r}\n".encode("utf-8")

    def close(self):
        """Called when the response is out, or given up: the place to let go of what the request held."""


application = Application
