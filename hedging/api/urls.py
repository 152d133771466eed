"""Routes under /api/hedge/: each with and without a trailing slash, so that no POST is ever redirected."""

from django.urls import re_path

from hedging.api import halting, views

urlpatterns = [
    re_path(r"^hedge/status/?$", views.StatusView.as_view(), name="api-status"),
    re_path(r"^hedge/session/?$", views.SessionView.as_view(), name="api-session"),
    re_path(r"^hedge/plan/?$", views.PlanView.as_view(), name="api-plan"),
    re_path(r"^hedge/schedule/?$", views.ScheduleView.as_view(), name="api-schedule"),
    re_path(r"^hedge/toggle/?$", views.ToggleView.as_view(), name="api-toggle"),
    re_path(r"^hedge/halt/?$", halting.HaltView.as_view(), name="api-halt"),
    re_path(r"^hedge/resume/?$", halting.ResumeView.as_view(), name="api-resume"),
    re_path(r"^hedge/reconcile/?$", views.ReconcileView.as_view(), name="api-reconcile"),
    re_path(r"^hedge/transactions/?$", views.TransactionsView.as_view(), name="api-transactions"),
    re_path(r"^", views.NoSuchEndpoint.as_view(), name="api-none"),
]
