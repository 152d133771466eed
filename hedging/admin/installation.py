"""The kill switch in the admin: halt, reduce and resume the whole installation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from hedging.access import Scope
from hedging.admin.reasons import REASON_WANTED, ReasonedActionForm, act_of, reason_of
from hedging.admin.scopes import ScopedActions
from hedging.engine.sessions import SessionRefused
from hedging.engine.standing import halt_file_exists
from hedging.engine.states import Act, restrict_installation, resume_installation
from sessions_app.models import Installation, TradingState

if TYPE_CHECKING:
    _InstallationAdmin = admin.ModelAdmin[Installation]
else:  # Django's own class takes no type parameter at run time
    _InstallationAdmin = admin.ModelAdmin


@admin.register(Installation)
class InstallationDesk(ScopedActions, _InstallationAdmin):
    """The trading state of everything: one row, changed by acts alone."""

    needs = {"view": Scope.READ}
    list_display = ["trading_state", "halt_file", "state_reason", "state_by", "state_at"]
    list_display_links = None
    ordering = ["id"]
    actions = ("halt", "reduce", "resume")
    action_form = ReasonedActionForm

    @admin.display(description="halt file", boolean=True)
    def halt_file(self, _row: Installation) -> bool:
        """Return whether the file halts as well."""
        return halt_file_exists()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, str] | None = None) -> HttpResponse:
        """Show the row, made on first need: an act wants something to be selected."""
        Installation.objects.get_or_create(pk=Installation.ONLY)
        return super().changelist_view(request, extra_context)

    @admin.action(description="HALT everything: no new order, cancels go on", permissions=["operate"])
    def halt(self, request: HttpRequest, _rows: QuerySet[Installation]) -> None:
        """Stop every new order of every account."""
        self._do(request, lambda act: restrict_installation(state=TradingState.HALTED, act=act), "HALTED")

    @admin.action(description="Reduce everything: sells only", permissions=["operate"])
    def reduce(self, request: HttpRequest, _rows: QuerySet[Installation]) -> None:
        """Allow sells only; what is halted stays halted."""
        self._do(request, lambda act: restrict_installation(state=TradingState.REDUCING, act=act), "REDUCING")

    @admin.action(description="Resume (wants a reason)", permissions=["trade"])
    def resume(self, request: HttpRequest, _rows: QuerySet[Installation]) -> None:
        """Allow everything again that the sessions' own states and the lids allow."""
        if not reason_of(request):
            self.message_user(request, REASON_WANTED, messages.ERROR)
            return
        self._do(request, lambda act: resume_installation(act=act), "ACTIVE")

    def _do(self, request: HttpRequest, change: Callable[[Act], bool], what: str) -> None:
        try:
            changed = change(act_of(request))
        except SessionRefused as refused:
            self.message_user(request, refused.message, messages.ERROR)
            return
        self.message_user(request, f"Whole installation: {what if changed else 'nothing changed'}.")

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Refuse: there is one."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Installation | None = None) -> bool:
        """Refuse: acts change it, and leave their trace."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Installation | None = None) -> bool:
        """Refuse: its absence would read as ACTIVE."""
        return False
