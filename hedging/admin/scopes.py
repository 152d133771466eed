"""Scopes for admin actions: `@admin.action(permissions=["operate"])` asks for the scope of that name."""

from __future__ import annotations

from django.http import HttpRequest

from hedging.access import Scope, holds


class ScopedActions:
    """Mixin of a ModelAdmin whose actions ask for a scope instead of Django's add, change or delete."""

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return whether this person may toggle, halt, reduce and exit."""
        return holds(request.user, Scope.OPERATE)

    def has_trade_permission(self, request: HttpRequest) -> bool:
        """Return whether this person may buy, resume and open sessions."""
        return holds(request.user, Scope.TRADE)

    def has_administer_permission(self, request: HttpRequest) -> bool:
        """Return whether this person may change policy, parameters, keys and users."""
        return holds(request.user, Scope.ADMIN)
