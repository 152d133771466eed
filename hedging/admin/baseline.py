"""The baseline of a session by hand: said where none was read, or corrected, always with a reason."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from hedging import wiring
from hedging.access import Scope, needing
from hedging.brokers.base import BrokerError
from hedging.engine import clock
from hedging.engine.baseline_offer import OfferedBaseline, offer_baseline
from hedging.engine.plan import ReferenceMissing
from hedging.engine.sessions import capture_baseline, correct_baseline
from hedging.selectors.moment import mode_words
from sessions_app.models import TradingSession

if TYPE_CHECKING:
    _Pages = admin.ModelAdmin[TradingSession]
else:  # at run time a mixin beside a ModelAdmin
    _Pages = object

CHANGED_MEANWHILE = "Nothing was changed: the baseline is another than the one you were shown. Look at it below."


class BaselineForm(forms.Form):
    """The figure, how one knows it, and the baseline that one was shown ("" where there was none)."""

    used = forms.DecimalField(
        label="Baseline, ₹",
        max_digits=14,
        decimal_places=2,
        min_value=0,
        help_text="Margin used at the broker before today's first short.",
    )
    reason = forms.CharField(max_length=150, help_text="Where the figure comes from.")
    was = forms.DecimalField(required=False, max_digits=14, decimal_places=2, widget=forms.HiddenInput)


class BaselinePages(_Pages):
    """Mixin of the session's admin: its page "Baseline"."""

    def get_urls(self) -> Any:
        """Return Django's routes, and the page of a session's baseline."""
        view = self.admin_site.admin_view(self.baseline_view)
        own = path("<int:session_id>/baseline/", view, name="sessions_app_tradingsession_baseline")
        return [own, *super().get_urls()]

    @needing(Scope.TRADE)
    def baseline_view(self, request: HttpRequest, session_id: int) -> HttpResponse:
        """Show what the baseline is and what it would be now; take what a person says."""
        session = TradingSession.objects.select_related("account", "calibration").filter(pk=session_id).first()
        if session is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(session_id))  # type: ignore[attr-defined, no-any-return]
        form = BaselineForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            return self._set(request, session, form.cleaned_data)
        offer, trouble = _offer(session) if session.is_open else (None, "The session is closed: its baseline stays.")
        if request.method != "POST":
            offered = None if offer is None else offer.offered
            form = BaselineForm(initial={"used": offered, "was": session.baseline})
        context = {"title": "Baseline", "opts": self.opts, "session": session, "form": form}
        context |= {
            "mode_words": mode_words(mode=session.mode),
            "offer": offer,
            "trouble": trouble,
            **self.admin_site.each_context(request),
        }
        return TemplateResponse(request, "admin/manual/baseline.html", context)

    def _set(self, request: HttpRequest, session: TradingSession, said: dict[str, Any]) -> HttpResponse:
        here = HttpResponseRedirect(request.path)
        try:
            now = clock.market_clock().now()
        except clock.ClockUnavailable as unavailable:
            self.message_user(request, f"Nothing was changed: {unavailable}", messages.ERROR)
            return here
        used: Decimal = said["used"]
        who: dict[str, Any] = {"now": now, "wall_now": clock.wall_now(), "actor": request.user.get_username()}
        if said["was"] is None:
            source = f"by hand: {said['reason']}"
            done = session.is_open and capture_baseline(session=session, used=used, source=source, **who)
        else:
            done = correct_baseline(session=session, was=said["was"], used=used, reason=said["reason"], **who)
        if not done:
            self.message_user(request, CHANGED_MEANWHILE, messages.ERROR)
            return here
        self.message_user(request, f"The baseline is ₹{used} from now on.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:sessions_app_tradingsession_change", args=[session.pk]))


def _offer(session: TradingSession) -> tuple[OfferedBaseline | None, str]:
    try:
        return offer_baseline(session=session, rules=wiring.rules()), ""
    except (BrokerError, ReferenceMissing, clock.ClockUnavailable) as error:
        return None, f"What is used now could not be read: {error}"
