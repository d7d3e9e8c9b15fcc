"""A Django page with a template, in one file."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.shortcuts import render
from django.urls import re_path

PAGE = """<!doctype html>
<title>{{ title }}</title>
<h1>{{ title|upper }}</h1>
<table>{% for row in rows %}
<tr class="{% cycle 'odd' 'even' %}"><td>{{ row.number }}</td><td>{{ row.name|capfirst }}</td><td>{{ row.price|floatformat:2 }}</td></tr>{% endfor %}
</table>
{% if user %}<p>Hello, {{ user }}.</p>{% else %}<p>Who are you?</p>{% endif %}
"""

settings.configure(
    SECRET_KEY="only measured with",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"page.html": PAGE})]},
        }
    ],
)


def page(request):
    rows = [{"number": number, "name": f"row {number}", "price": number * 1.25} for number in range(30)]
    return render(request, "page.html", {"title": "A list", "rows": rows, "user": request.GET.get("user")})


urlpatterns = [re_path("", page)]

application = get_wsgi_application()
