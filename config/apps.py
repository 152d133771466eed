"""The app that owns what belongs to no single app: the schema, Celery with Django, and which admin site is used."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import pre_migrate


class GuardedAdminConfig(AdminConfig):
    """Django's admin with our site: it denies what nobody declared, and counts failed logins."""

    default_site = "hedging.access.site.HedgeAdminSite"


class PlumbingConfig(AppConfig):
    """Load the Celery app, and create the schema before the first migration writes into it."""

    name = "config"
    label = "plumbing"
    verbose_name = "Plumbing"

    def ready(self) -> None:
        """Connect the schema hook; import the Celery app so that `shared_task` finds it."""
        from config import celery  # noqa: F401, PLC0415 - importing registers it

        # For every sender: Django sends it for apps that have models, and any of them may be the first to migrate.
        pre_migrate.connect(_create_schema, dispatch_uid="create_schema")


def _create_schema(*, using: str, **_kwargs: Any) -> None:
    from config.schema import create_schema  # noqa: PLC0415 - needs the app registry

    create_schema(using=using)
