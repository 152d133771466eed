"""Routes under /api/: each with and without a trailing slash, so that no POST is ever redirected."""

from django.urls import re_path

from hedging.api import (
    analytics,
    board,
    course,
    document,
    halting,
    ledgers,
    manual,
    schedule,
    session_changes,
    sessions,
    views,
)

urlpatterns = [
    re_path(r"^hedge/status/?$", views.StatusView.as_view(), name="api-status"),
    re_path(r"^hedge/session/?$", sessions.SessionView.as_view(), name="api-session"),
    re_path(r"^hedge/plan/?$", views.PlanView.as_view(), name="api-plan"),
    re_path(r"^hedge/course/?$", course.CourseView.as_view(), name="api-course"),
    re_path(r"^hedge/session/figures/?$", session_changes.FiguresView.as_view(), name="api-session-figures"),
    re_path(r"^hedge/session/baseline/?$", session_changes.BaselineView.as_view(), name="api-session-baseline"),
    re_path(r"^hedge/session/close/?$", session_changes.CloseView.as_view(), name="api-session-close"),
    re_path(r"^hedge/mode/?$", session_changes.ModeView.as_view(), name="api-mode"),
    re_path(r"^hedge/schedule/?$", schedule.ScheduleView.as_view(), name="api-schedule"),
    re_path(r"^hedge/schedule/skip/?$", schedule.SkipView.as_view(), name="api-schedule-skip"),
    re_path(r"^hedge/schedule/entry/?$", schedule.EntryView.as_view(), name="api-schedule-entry"),
    re_path(r"^hedge/toggle/?$", sessions.ToggleView.as_view(), name="api-toggle"),
    re_path(r"^hedge/halt/?$", halting.HaltView.as_view(), name="api-halt"),
    re_path(r"^hedge/resume/?$", halting.ResumeView.as_view(), name="api-resume"),
    re_path(r"^hedge/reconcile/?$", sessions.ReconcileView.as_view(), name="api-reconcile"),
    re_path(r"^hedge/manual/board/?$", board.BoardView.as_view(), name="api-manual-board"),
    re_path(r"^hedge/manual/buy/?$", manual.ManualBuyView.as_view(), name="api-manual-buy"),
    re_path(r"^hedge/manual/exit/?$", manual.ManualExitView.as_view(), name="api-manual-exit"),
    re_path(r"^hedge/preview/?$", analytics.PreviewView.as_view(), name="api-preview"),
    re_path(r"^hedge/analytics/?$", analytics.AnalyticsView.as_view(), name="api-analytics"),
    re_path(r"^hedge/analytics/accuracy/?$", analytics.AccuracyView.as_view(), name="api-accuracy"),
    re_path(r"^hedge/analytics/static-hedge/?$", analytics.StaticHedgeView.as_view(), name="api-static-hedge"),
    re_path(r"^hedge/transactions/?$", ledgers.TransactionsView.as_view(), name="api-transactions"),
    re_path(r"^hedge/transactions/(?P<pk>[0-9]{1,18})/?$", ledgers.TransactionView.as_view(), name="api-transaction"),
    re_path(r"^hedge/decisions/?$", ledgers.DecisionsView.as_view(), name="api-decisions"),
    re_path(r"^hedge/decisions/(?P<pk>[0-9]{1,18})/?$", ledgers.DecisionView.as_view(), name="api-decision"),
    re_path(r"^schema/?$", document.SchemaView.as_view(), name="api-schema"),
    re_path(r"^", views.NoSuchEndpoint.as_view(), name="api-none"),
]
