"""Admin of the alert outbox: what was said, and what still waits to be delivered. Read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from config.long_lists import LongLists
from hedging.domain.roles import Scope
from notifications.models import Alert

if TYPE_CHECKING:
    _AlertAdmin = admin.ModelAdmin[Alert]
else:  # Django's own class takes no type parameter at run time
    _AlertAdmin = admin.ModelAdmin


@admin.register(Alert)
class AlertAdmin(LongLists, _AlertAdmin):
    """The outbox, newest first."""

    needs = {"view": Scope.READ}
    list_display = ["happened_at", "severity", "kind", "title", "delivered_at", "attempts", "last_error"]
    list_filter = ["severity", ("delivered_at", admin.EmptyFieldListFilter)]
    search_fields = ["title", "kind", "last_error"]

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Refuse: an alert is written with its cause."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Alert | None = None) -> bool:
        """Refuse: a record of what happened."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Alert | None = None) -> bool:
        """Refuse: a record of what happened."""
        return False
