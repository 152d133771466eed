"""System checks of access: every route, admin page and admin action says what it needs, or `manage.py check` names it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's own word

from hedging.access.declare import need_of, need_of_endpoint
from hedging.access.routes import all_routes

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_HOW = "Declare it as docs/security.md says; until then it is refused."


@register(Tags.security)
def routes_declare_what_they_need(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """A route without a declaration is closed to everybody, which somebody forgot to intend."""
    found: list[CheckMessage] = []
    for route in all_routes():
        endpoint = getattr(route.callback, "cls", None)
        if endpoint is not None:
            missing = [
                method
                for method in _METHODS
                if hasattr(endpoint, method.lower()) and need_of_endpoint(endpoint, method) is None
            ]
        elif getattr(route.callback, "model_admin", None) is not None:
            continue  # by its ModelAdmin, below
        else:
            missing = ["every method"] if need_of(route.callback, "GET") is None else []
        if missing:
            text = f"{route.pattern or '/'} does not declare what it needs: {', '.join(missing)}."
            found.append(Error(text, hint=_HOW, id="access.E001"))
    return found


@register(Tags.security)
def admin_pages_declare_what_they_need(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Of each registered model somebody says who may see it, and of each action which permission it asks for."""
    found: list[CheckMessage] = []
    for model, owner in admin.site._registry.items():
        if not getattr(owner, "needs", None):
            found.append(Error(f"The admin of {model._meta.label} has no `needs`.", hint=_HOW, id="access.E002"))
        for function, name, _ in owner._get_base_actions():  # type: ignore[attr-defined] # the stubs leave it out
            if not getattr(function, "allowed_permissions", None):
                text = f"The admin action {model._meta.label}.{name} has no `permissions`."
                found.append(Error(text, hint=_HOW, id="access.E003"))
    return found


@register(Tags.security, deploy=True)
def passwords_travel_encrypted(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """On an address of the network, without TLS, passwords and keys can be read on their way."""
    if settings.LOOPBACK_BIND or settings.BEHIND_TLS:
        return []
    return [
        Warning(
            f"HOST={settings.HOST} serves the network without TLS: passwords and keys can be read on their way.",
            hint="Put a proxy with TLS before it, and name its origin: CSRF_TRUSTED_ORIGINS=https://….",
            id="access.W001",
        )
    ]
