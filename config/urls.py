"""Routes: Django admin, and everything else in `hedging.urls`."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("hedging.urls")),
]
