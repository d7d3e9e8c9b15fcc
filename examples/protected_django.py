# pyfcgid serve examples/protected_django.py --sendfile-header X-Accel-Redirect
"""Django says who gets a file, nginx sends it: with nginx/sendfile.conf, where /protected/ is the directory FILES.

In development, without nginx, Django sends the file itself. With --sendfile-header pyfcgid closes it unread.
"""

import os
from urllib.parse import quote

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, Http404, HttpResponseForbidden
from django.urls import path
from django.utils._os import safe_join

FILES = os.environ.get("FILES", "/srv/example/protected")

settings.configure(
    # In earnest: a secret of your own, and the names that your web server answers to.
    SECRET_KEY=os.environ.get("DJANGO_SECRET_KEY", "only for this example"),
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
)


def protected(request, name):
    # In earnest: whoever your application knows.
    if request.GET.get("token") != "lovelace":
        return HttpResponseForbidden("not yours\n")
    try:
        file = open(safe_join(FILES, name), "rb")
    except (OSError, SuspiciousFileOperation) as error:
        raise Http404(name) from error
    return FileResponse(file, headers={"X-Accel-Redirect": "/protected/" + quote(name)})


urlpatterns = [path("files/<path:name>", protected)]

application = get_wsgi_application()
