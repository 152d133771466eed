"""Hedging: decisions, orders, fills, and everything that drives them."""

from django.apps import AppConfig


class HedgingConfig(AppConfig):
    """Top of the house: knows every other app."""

    name = "hedging"
    verbose_name = "Hedging"

    def ready(self) -> None:
        """Register the system checks, and the journal of what people change."""
        from hedging import checks, journal  # noqa: F401, PLC0415 - importing registers them
