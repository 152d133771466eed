"""The desk: sessions with the acts that the engine allows, from opening to halting."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from hedging import access
from hedging.access import Scope
from hedging.admin.manual import ManualPages
from hedging.admin.reasons import REASON_WANTED, ReasonedActionForm, act_of, reason_of
from hedging.admin.scopes import ScopedActions
from hedging.domain.instruments import Index
from hedging.engine import clock
from hedging.engine.hours import trading_day_of
from hedging.engine.sessions import (
    SessionRefused,
    capture_baseline,
    open_session,
    set_automation,
)
from hedging.engine.states import restrict_session, resume_session
from sessions_app.admin import TradingSessionAdmin
from sessions_app.models import TradingSession, TradingState

if TYPE_CHECKING:
    _SessionForm = forms.ModelForm[TradingSession]
else:  # Django's own class takes no type parameter at run time
    _SessionForm = forms.ModelForm


BY_HAND = ("baseline_by_hand", "baseline_reason")


class OpenSessionForm(_SessionForm):
    """What a person says to open today's session; the timetable says the rest."""

    index = forms.ChoiceField(
        required=False,
        choices=[("", "as the timetable says"), *((index.value, index.value) for index in Index)],
    )

    class Meta:
        model = TradingSession
        fields = ("account", "index", "baskets", "budget_per_basket")


class SetBaselineForm(_SessionForm):
    """An edit of a session that has no baseline: a person may say what was used before the first short, and how they know."""

    baseline_by_hand = forms.DecimalField(
        required=False,
        max_digits=14,
        decimal_places=2,
        help_text="₹ of margin used at the broker before today's first short. It cannot be changed afterwards.",
    )
    baseline_reason = forms.CharField(required=False, max_length=150, help_text="Where the figure comes from.")

    class Meta:
        model = TradingSession
        exclude: tuple[str, ...] = ()

    def clean(self) -> dict[str, Any]:
        """Refuse a figure without a reason."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("baseline_by_hand") is not None and not cleaned.get("baseline_reason"):
            self.add_error("baseline_reason", "Say where the figure comes from.")
        return cleaned


admin.site.unregister(TradingSession)


@admin.register(TradingSession)
class SessionDesk(ManualPages, ScopedActions, TradingSessionAdmin):
    """Sessions with the acts that the engine allows: open today's, automation on and off, halt, reduce, resume.

    Registered here and not with the model, because each act is a function of the engine, which lies above that app.
    """

    action_form = ReasonedActionForm
    actions = ("switch_automation_on", "switch_automation_off", "halt", "reduce", "resume")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow whoever may add sessions; the engine has the last word."""
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_form(
        self,
        request: HttpRequest,
        obj: TradingSession | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        **kwargs: Any,
    ) -> type[forms.ModelForm[TradingSession]]:
        """Return the short form for a session that is to be opened."""
        if obj is None:
            kwargs |= {"form": OpenSessionForm, "fields": OpenSessionForm.Meta.fields}
        elif obj.baseline is None and obj.is_open:
            kwargs |= {"form": SetBaselineForm}
        return super().get_form(request, obj, change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: TradingSession | None = None) -> Any:
        """Return what a person may not type over: nothing yet while opening."""
        return () if obj is None else super().get_readonly_fields(request, obj)

    def get_fields(self, request: HttpRequest, obj: TradingSession | None = None) -> Any:
        """Return the few fields of an opening, else all."""
        if obj is None:
            return OpenSessionForm.Meta.fields
        fields = [name for name in super().get_fields(request, obj) if name not in BY_HAND]
        return [*fields, *BY_HAND] if obj.baseline is None and obj.is_open else fields

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Open today's session; a refusal is shown in its own words."""
        try:
            return super().add_view(request, form_url, extra_context)
        except SessionRefused as refused:
            self.message_user(request, refused.message, messages.ERROR)
        except clock.ClockUnavailable as unavailable:
            self.message_user(request, str(unavailable), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    def save_model(
        self,
        request: HttpRequest,
        obj: TradingSession,
        form: Any,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Open by the engine; of an edit, write only what was edited, so that no counter of the engine is set back."""
        if change:
            edited = [name for name in form.changed_data if name in form.cleaned_data and name not in BY_HAND]
            obj.save(update_fields=edited)
            self._set_baseline(request, obj, form.cleaned_data)
            return
        now = clock.market_clock().now()
        chosen = form.cleaned_data["index"]
        opened = open_session(
            account=obj.account,
            day=trading_day_of(now),
            now=now,
            wall_now=clock.wall_now(),
            actor=request.user.get_username(),
            index=Index(chosen) if chosen else None,
            baskets=obj.baskets,
            budget_per_basket=obj.budget_per_basket,
        )
        obj.pk = opened.pk
        obj.refresh_from_db()

    def _set_baseline(self, request: HttpRequest, session: TradingSession, said: dict[str, Any]) -> None:
        used = said.get("baseline_by_hand")
        if used is None:
            return
        captured = capture_baseline(
            session=session,
            used=used,
            source=f"by hand: {said['baseline_reason']}",
            now=clock.market_clock().now(),
            wall_now=clock.wall_now(),
            actor=request.user.get_username(),
        )
        if not captured:
            self.message_user(request, "The baseline was read meanwhile, and stays as it is.", messages.ERROR)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Edit a session; without a readable clock nothing of the edit is kept."""
        context = {"ways": self._ways(request, object_id), **(extra_context or {})}
        try:
            return super().change_view(request, object_id, form_url, context)
        except clock.ClockUnavailable as unavailable:
            self.message_user(request, str(unavailable), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    def _ways(self, request: HttpRequest, object_id: str) -> list[dict[str, str]]:
        """Return the pages that lead on from a session, those of them that this person may use."""
        ledger = reverse("admin:hedging_hedgetransaction_changelist")
        ways = [{"words": "Transactions", "address": f"{ledger}?session__id__exact={object_id}"}]
        pages = (("exit", "Exit hedges", Scope.OPERATE), ("buy", "Buy a hedge", Scope.TRADE))
        for page, words, scope in pages:
            if object_id.isdecimal() and access.holds(request.user, scope):
                address = reverse(f"admin:sessions_app_tradingsession_{page}", args=[object_id])
                ways.insert(0, {"words": words, "address": address})
        return ways

    @admin.action(description="Switch automation on", permissions=["operate"])
    def switch_automation_on(self, request: HttpRequest, queryset: QuerySet[TradingSession]) -> None:
        """Let the engine act by itself, if the environment's lid is open."""
        if settings.AUTO_HEDGE_ENABLED:
            self._act(request, queryset, "automation on", lambda row, who: set_automation(session=row, on=True, **who))
        else:
            self.message_user(request, access.LID_CLOSED, messages.ERROR)

    @admin.action(description="Switch automation off", permissions=["operate"])
    def switch_automation_off(self, request: HttpRequest, queryset: QuerySet[TradingSession]) -> None:
        """Let the engine watch, and act no more by itself."""
        self._act(request, queryset, "automation off", lambda row, who: set_automation(session=row, on=False, **who))

    @admin.action(description="Halt: no new order, cancels go on", permissions=["operate"])
    def halt(self, request: HttpRequest, queryset: QuerySet[TradingSession]) -> None:
        """Stop every new order."""
        self._restrict(request, queryset, TradingState.HALTED)

    @admin.action(description="Reduce: sells only", permissions=["operate"])
    def reduce(self, request: HttpRequest, queryset: QuerySet[TradingSession]) -> None:
        """Allow sells only; what is halted stays halted."""
        self._restrict(request, queryset, TradingState.REDUCING)

    @admin.action(description="Resume: ACTIVE again (wants a reason)", permissions=["trade"])
    def resume(self, request: HttpRequest, queryset: QuerySet[TradingSession]) -> None:
        """Allow everything that the lids allow."""
        if not reason_of(request):
            self.message_user(request, REASON_WANTED, messages.ERROR)
            return
        self._change_state(request, queryset, TradingState.ACTIVE, resume_session)

    def _restrict(self, request: HttpRequest, queryset: QuerySet[TradingSession], state: TradingState) -> None:
        self._change_state(request, queryset, state, partial(restrict_session, state=state))

    def _change_state(
        self,
        request: HttpRequest,
        queryset: QuerySet[TradingSession],
        state: TradingState,
        change: Callable[..., bool],
    ) -> None:
        act = act_of(request)
        changed = 0
        for row in queryset.order_by("id"):
            try:
                changed += change(session=row, act=act)
            except SessionRefused as refused:
                self.message_user(request, refused.message, messages.ERROR)
        self.message_user(request, f"{state.label}: {changed} session{'' if changed == 1 else 's'}.")

    def _act(
        self,
        request: HttpRequest,
        queryset: QuerySet[TradingSession],
        what: str,
        act: Callable[[TradingSession, dict[str, Any]], object],
    ) -> None:
        try:
            now = clock.market_clock().now()
        except clock.ClockUnavailable as unavailable:
            self.message_user(request, str(unavailable), messages.ERROR)
            return
        who = {"now": now, "wall_now": clock.wall_now(), "actor": request.user.get_username()}
        done = 0
        for row in queryset.order_by("id"):
            try:
                act(row, who)
                done += 1
            except SessionRefused as refused:
                self.message_user(request, refused.message, messages.ERROR)
        self.message_user(request, f"{what}: {done} session{'' if done == 1 else 's'}.")
