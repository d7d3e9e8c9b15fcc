from debug_toolbar.toolbar import debug_toolbar_urls
from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path
from rest_framework import parsers, routers, serializers, viewsets

from shelf.models import Book


class BookSerializer(serializers.HyperlinkedModelSerializer):
    class Meta:
        model = Book
        fields = ["url", "id", "title", "cover"]


class BookViewSet(viewsets.ModelViewSet):
    queryset = Book.objects.all()
    serializer_class = BookSerializer
    parser_classes = [parsers.JSONParser, parsers.FormParser, parsers.MultiPartParser]


router = routers.DefaultRouter()
router.register("books", BookViewSet)


def page(request):
    return HttpResponse(f"<html><body><h1>{Book.objects.count()} books</h1></body></html>")


urlpatterns = [
    path("", page),
    path("api/", include(router.urls)),
    path("auth/", include("rest_framework.urls")),
    path("admin/", admin.site.urls),
    *debug_toolbar_urls(),
]
