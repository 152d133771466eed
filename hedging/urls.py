"""Routes of the pages and of the API."""

from django.urls import include, path, re_path

from hedging import views

urlpatterns = [
    path("", views.status_page, name="status"),
    re_path(r"^preflight/?$", views.preflight_page, name="preflight"),
    re_path(r"^healthz/?$", views.healthz, name="healthz"),
    re_path(r"^readyz/?$", views.readyz, name="readyz"),
    re_path(r"^metrics/?$", views.metrics, name="metrics"),
    re_path(r"^api/docs/?$", views.api_docs_page, name="api-docs"),
    path("api/", include("hedging.api.urls")),
]
