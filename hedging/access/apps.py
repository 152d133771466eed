"""The app of keys, roles and failures: it stands beside the others and no table of theirs points to it."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """API keys, counted failures, and the permissions that stand for scopes."""

    name = "hedging.access"
    label = "access"
    verbose_name = "Access"

    def ready(self) -> None:
        """Register the check that every route declares what it needs."""
        from hedging.access import checks  # noqa: F401, PLC0415 - importing registers it
