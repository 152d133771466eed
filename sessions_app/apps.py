"""Sessions: accounts, trading sessions, margin snapshots."""

from django.apps import AppConfig


class SessionsConfig(AppConfig):
    """Knows notifications only."""

    name = "sessions_app"
    verbose_name = "Sessions"
