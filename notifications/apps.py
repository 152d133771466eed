"""Notifications: the alert outbox and its transports."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Bottom of the house: knows no other app."""

    name = "notifications"
    verbose_name = "Notifications"
