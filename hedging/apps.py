"""Hedging: decisions, orders, fills, and everything that drives them."""

from django.apps import AppConfig


class HedgingConfig(AppConfig):
    """Top of the house: knows every other app."""

    name = "hedging"
    verbose_name = "Hedging"
