"""The desk: sessions with the acts that the engine allows, from opening to halting."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from hedging import access
from hedging.access import Scope
from hedging.admin.baseline import BaselinePages
from hedging.admin.manual import ManualPages
from hedging.admin.opening import OPENING, PolicyForm, form_of, own_figures, repeated, today
from hedging.admin.reasons import REASON_WANTED, ReasonedActionForm, act_of, reason_of
from hedging.admin.scopes import ScopedActions
from hedging.engine import clock
from hedging.engine.hours import trading_day_of
from hedging.engine.own_figures import CHANGEABLE, change_figures
from hedging.engine.sessions import SessionRefused, open_session, set_automation
from hedging.engine.states import restrict_session, resume_session
from sessions_app.admin import TradingSessionAdmin
from sessions_app.models import Account, TradingSession, TradingState
from sessions_app.policy import OVERRIDES

PAGES = (
    ("baseline", "Baseline", Scope.TRADE),
    ("exit", "Exit hedges", Scope.OPERATE),
    ("buy", "Buy a hedge", Scope.TRADE),
)

admin.site.unregister(TradingSession)


@admin.register(TradingSession)
class SessionDesk(ManualPages, BaselinePages, ScopedActions, TradingSessionAdmin):
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
        """Return the form of an opening with what trades today, else the one of a session."""
        if obj is not None:
            return super().get_form(request, obj, change, form=PolicyForm, **kwargs)
        first = Account.objects.order_by("id").first()
        kwargs |= {"form": form_of(today(first)), "fields": self.get_fields(request)}
        return super().get_form(request, obj, change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: TradingSession | None = None) -> Any:
        """Return what a person may not type over: nothing yet while opening."""
        return () if obj is None else super().get_readonly_fields(request, obj)

    def get_fields(self, request: HttpRequest, obj: TradingSession | None = None) -> Any:
        """Return the few fields of an opening, else all. A session's own figures are policy: an administrator's."""
        if obj is not None:
            return super().get_fields(request, obj)
        own = tuple(OVERRIDES) if access.holds(request.user, Scope.ADMIN) else ()
        return (*OPENING, *own, "like")

    def get_fieldsets(self, request: HttpRequest, obj: TradingSession | None = None) -> Any:
        """Set a session's own figures apart."""
        fields = list(self.get_fields(request, obj))
        own = [name for name in fields if name in OVERRIDES]
        rest = [name for name in fields if name not in OVERRIDES]
        figures = ("Own figures of this session", {"fields": own, "description": "Empty: as everywhere."})
        return [(None, {"fields": rest}), *([figures] if own else [])]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill in the only account there is, or all of an earlier session."""
        like = _session_in(request.GET.get("like", ""))
        if like is not None:
            return repeated(like)
        accounts = list(Account.objects.order_by("id").values_list("pk", flat=True)[:2])
        return {"account": accounts[0]} if len(accounts) == 1 else {}

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Open today's session; a refusal is shown in its own words."""
        like = _session_in(request.GET.get("like", ""))
        earlier = TradingSession.objects.select_related("account").order_by("-id")[:3]
        context = {
            "title": "Open today's session",
            "show_save_and_add_another": False,  # there is one a day
            "like": like,
            "figures": own_figures(like) if like else {},
            "earlier": [] if like else earlier,
        }
        try:
            return super().add_view(request, form_url, context | (extra_context or {}))
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
        wall = clock.wall_now()
        if change:
            change_figures(
                session=obj,
                figures={name: form.cleaned_data[name] for name in form.changed_data if name in CHANGEABLE},
                now=clock.market_time_or(wall),
                wall_now=wall,
                actor=request.user.get_username(),
            )
            return
        now = clock.market_clock().now()
        chosen = form.chosen(form.known)
        opened = open_session(
            account=obj.account,
            day=trading_day_of(now),
            now=now,
            wall_now=clock.wall_now(),
            actor=request.user.get_username(),
            index=chosen.index,
            expiry=None if chosen.by_calendar else chosen.expiry,
            baskets=obj.baskets,
            budget_per_basket=obj.budget_per_basket,
            policy=form.figures(),
        )
        obj.pk = opened.pk
        obj.refresh_from_db()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Edit a session; without a readable clock nothing of the edit is kept."""
        context = {"ways": self._ways(request, object_id), **(extra_context or {})}
        try:
            return super().change_view(request, object_id, form_url, context)
        except SessionRefused as refused:
            self.message_user(request, refused.message, messages.ERROR)
        except clock.ClockUnavailable as unavailable:
            self.message_user(request, str(unavailable), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    def _ways(self, request: HttpRequest, object_id: str) -> list[dict[str, str]]:
        """Return the pages that lead on from a session, those of them that this person may use."""
        ledger = reverse("admin:hedging_hedgetransaction_changelist")
        ways = [{"words": "Transactions", "address": f"{ledger}?session__id__exact={object_id}"}]
        if not object_id.isdecimal():
            return []
        for page, words, scope in PAGES:
            if access.holds(request.user, scope):
                address = reverse(f"admin:sessions_app_tradingsession_{page}", args=[object_id])
                ways.insert(0, {"words": words, "address": address})
        if access.holds(request.user, Scope.TRADE):
            address = f"{reverse('admin:sessions_app_tradingsession_add')}?like={object_id}"
            ways.append({"words": "Open today's like this", "address": address})
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


def _session_in(text: str) -> TradingSession | None:
    """Return the session that an address names, `None` where it names none."""
    found = TradingSession.objects.select_related("account").filter(pk=int(text)) if text.isdecimal() else None
    return None if found is None else found.first()
