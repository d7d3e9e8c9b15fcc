# pyfcgid serve examples/protected_flask.py --sendfile-header X-Accel-Redirect
"""Flask says who gets a file, nginx sends it: with nginx/sendfile.conf, where /protected/ is the directory FILES.

In development, without nginx, Flask sends the file itself. With --sendfile-header pyfcgid closes it unread.
"""

import os
from urllib.parse import quote

from flask import Flask, abort, request, send_file
from werkzeug.security import safe_join

FILES = os.environ.get("FILES", "/srv/example/protected")

app = Flask(__name__)


@app.get("/files/<path:name>")
def protected(name):
    # In earnest: whoever your application knows.
    if request.args.get("token") != "lovelace":
        abort(403)
    path = safe_join(FILES, name)
    if path is None or not os.path.isfile(path):
        abort(404)
    response = send_file(path)
    response.headers["X-Accel-Redirect"] = "/protected/" + quote(name)
    return response
