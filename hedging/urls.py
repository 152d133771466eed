"""Routes of the pages and of the API."""

from django.urls import include, path, re_path

from hedging.pages import analytics, manual, others, plan, probes, schedule, session, status, transactions

urlpatterns = [
    path("", status.status_page, name="status"),
    re_path(r"^plan/?$", plan.plan_page, name="plan"),
    re_path(r"^session/?$", session.session_page, name="session"),
    re_path(r"^schedule/?$", schedule.schedule_page, name="schedule"),
    re_path(r"^manual/?$", manual.manual_page, name="manual"),
    re_path(r"^transactions/?$", transactions.transactions_page, name="transactions"),
    re_path(r"^analytics/?$", analytics.analytics_page, name="analytics"),
    re_path(r"^preflight/?$", others.preflight_page, name="preflight"),
    re_path(r"^healthz/?$", probes.healthz, name="healthz"),
    re_path(r"^readyz/?$", probes.readyz, name="readyz"),
    re_path(r"^metrics/?$", probes.metrics, name="metrics"),
    re_path(r"^api/docs/?$", others.api_docs_page, name="api-docs"),
    path("api/", include("hedging.api.urls")),
]
