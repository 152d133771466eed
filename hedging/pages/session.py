"""The session tab: create today's session; see all of it, and change what one's role allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from hedging import selectors
from hedging.access import Scope, needing
from hedging.engine.hours import trading_day_of
from hedging.engine.preflight import gate
from hedging.pages.base import Moment, draw, look, page, scopes_of
from hedging.pages.status import automation_words, last_day
from hedging.selectors.facts import Status
from hedging.selectors.figures import Figure, figures_of
from hedging.selectors.opening import tradable
from sessions_app.models import Account, TradingSession

LABELS = {
    "trigger_pct": ("Trigger, of budget", "%"),
    "target_pct": ("Target, of budget", "%"),
    "exit_trigger_pct": ("Exit trigger, of budget", "%"),
    "lookahead_minutes": ("Lookahead", "min"),
    "exit_buffer_minutes": ("Exit buffer", "min"),
    "min_premium": ("Least premium", "₹"),
    "max_premium": ("Most premium", "₹"),
    "max_cost_per_day": ("Cost cap of the day", "₹"),
    "cooldown_seconds": ("Cooldown", "s"),
}
"""How people call the figures that a session may override, and their units."""


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure with its words."""

    figure: Figure
    label: str
    unit: str


@require_safe
@page
@needing(Scope.READ)
def session_page(request: HttpRequest) -> HttpResponse:
    """Draw the session whole, or the form that creates today's."""
    moment = look(request)
    if moment.session is None or moment.status is None:
        context = opening(moment) | last_day(moment)
        return draw(request, "hedging/session_new.html", tab="session", moment=moment, context=context)
    context = facts_of(moment.session, moment.status, now=moment.now, scopes=scopes_of(request))
    return draw(request, "hedging/session.html", tab="session", moment=moment, context=context)


def opening(moment: Moment) -> dict[str, Any]:
    """Return what the form of an opening is filled with: what trades today, and the budget of the last session."""
    last = selectors.last_session(account=moment.account)
    return {
        "tradable": tradable(day=trading_day_of(moment.now)),
        "accounts": list(Account.objects.order_by("name", "id").values_list("name", flat=True)),
        "baskets": last.baskets if last else 1,
        "per_basket": last.budget_per_basket if last else Decimal(1_000_000),
    }


def facts_of(session: TradingSession, state: Status, *, now: datetime, scopes: Sequence[str]) -> dict[str, Any]:
    """Return what is drawn of a session: at first, and anew while its page is open. No query."""
    known = figures_of(session)
    cooldown = next(each for each in known.figures if each.name == "cooldown_seconds").in_force
    rested = None if session.last_action_at is None else (now - session.last_action_at).total_seconds()
    return {
        "status": state,
        "row": session,
        "automation": automation_words(state),
        "figures": known,
        "rows": [FigureRow(each, *LABELS[each.name]) for each in known.figures],
        "cooldown_left": 0 if rested is None else max(0, int(float(cooldown) - rested)),
        "preflight_words": gate.words(session),
        "preflight_cleared": gate.is_cleared(session),
        "live_lid_open": not settings.AUTO_HEDGE_DRY_RUN,
        "scopes": scopes,
    }
