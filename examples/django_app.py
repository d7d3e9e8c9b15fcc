# pyfcgid serve examples/django_app.py
"""A Django project in one file. Needs Django in the active virtual environment (`pip install django`), or in one that is named
with --venv. A project of the usual shape is served with `pyfcgid serve mysite.wsgi`, from the directory of its manage.py."""

import logging
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path, reverse

settings.configure(
    # In earnest: a secret of your own, and the names that your web server answers to.
    SECRET_KEY=os.environ.get("DJANGO_SECRET_KEY", "only for this example"),
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    # To pyfcgid's log, each record at its own level and with the number of its request.
    LOGGING={
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"named": {"format": "%(name)s: %(message)s"}},
        "handlers": {"pyfcgid": {"class": "pyfcgid.LogHandler", "formatter": "named"}},
        "root": {"level": "INFO", "handlers": ["pyfcgid"]},
    },
)

LOGGER = logging.getLogger("hello")


def index(request):
    link = reverse("hello", args=["Ada"])
    return HttpResponse(f'<!doctype html><title>Django</title><p>Say hello to <a href="{link}">Ada</a>.</p>\n')


def hello(request, name):
    LOGGER.info("greeting %s", name)
    return JsonResponse({"hello": name, "method": request.method, "body": len(request.body)})


urlpatterns = [path("", index), path("hello/<name>/", hello, name="hello")]

application = get_wsgi_application()
