"""The plan tab: the rest of the day, what would be bought for it, and what if the policy were another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from hedging import selectors
from hedging.access import Scope, needing
from hedging.domain.imagined import LEAST_SCAN_PCT, MOST_SCAN_PCT
from hedging.engine.meaning import meaning_of
from hedging.engine.plan import ReferenceMissing, dated_parameters
from hedging.pages.base import draw, look, page
from hedging.selectors.ahead import AheadMoment, DayAhead
from sessions_app.models import TradingSession
from sessions_app.policy import policy_of

MOST_BASKETS: Final = 20
"""How far the slider goes, and at least twice what the session has; the field beside it takes more."""


@dataclass(frozen=True, slots=True)
class Control:
    """A figure that may be imagined otherwise: its name in the address, its bounds, and what it is at present."""

    name: str
    label: str
    unit: str
    least: Decimal
    most: Decimal
    step: Decimal
    present: Decimal | None

    @property
    def written(self) -> str:
        """Return the present figure as a field holds it; "" where it is unknown."""
        return "" if self.present is None else f"{self.present.normalize():f}"


@require_safe
@page
@needing(Scope.READ)
def plan_page(request: HttpRequest) -> HttpResponse:
    """Draw the day ahead, and the controls of the what-if at the session's own figures."""
    moment = look(request)
    if moment.session is None:
        return draw(request, "hedging/no_session.html", tab="plan", moment=moment, context={})
    drawn = selectors.day_ahead(session=moment.session, now=moment.now)
    context = ahead_context(drawn, now=moment.now) | {"controls": controls(moment.session)}
    return draw(request, "hedging/plan.html", tab="plan", moment=moment, context=context)


def ahead_context(drawn: DayAhead, *, now: datetime) -> dict[str, Any]:
    """Return what `_ahead.html` shows: for the first paint, and for the endpoint that the page asks later."""
    return {
        "ahead": drawn,
        "moments": tuple((moment, meaning_words(moment, drawn)) for moment in drawn.moments),
        "now": now,
        "crossing": sum(1 for moment in drawn.moments if moment.crosses and moment.kind == "entry"),
        "lost": sum(1 for moment in drawn.moments if moment.beyond_saving),
    }


def meaning_words(moment: AheadMoment, drawn: DayAhead) -> str:
    """Say in words what a moment of the day ahead means for hedging."""
    if moment.held.used_after_pct is None:
        return "unknown: used margin is not known"
    if moment.beyond_saving:
        over = moment.floor.used_after_pct is not None and moment.floor.used_after_pct > 100
        return f"beyond saving: even hedged it passes {'the budget' if over else 'free margin'}"
    if moment.kind == "exit":
        return "leaves the book"
    if moment.kind == "now":
        return "over the trigger" if moment.crosses else "under the trigger"
    if moment.crosses:
        return "crosses the trigger"
    short = (
        moment.held.at_order is not None and drawn.free_margin is not None and moment.held.at_order > drawn.free_margin
    )
    return "asks for more than is free" if short else "stays under the trigger"


def controls(session: TradingSession) -> tuple[Control, ...]:
    """Return the controls of the what-if at the session's own figures. One query."""
    policy = policy_of(session, settings.HEDGE_POLICY)
    half, whole = Decimal("0.5"), Decimal(1)
    most = Decimal(max(MOST_BASKETS, 2 * session.baskets))
    return (
        Control("baskets", "Baskets", "", whole, most, whole, Decimal(session.baskets)),
        Control("trigger_pct", "Trigger", "%", Decimal(50), Decimal(100), half, policy.utilization_trigger_pct),
        Control("target_pct", "Target", "%", Decimal(40), Decimal(100), half, policy.utilization_target_pct),
        Control("min_premium", "Premium from", "₹", half, Decimal(20), half, policy.min_premium),
        Control("max_premium", "Premium to", "₹", half, Decimal(20), half, policy.max_premium),
        Control(
            "scan_range_pct", "Scan range", "%", LEAST_SCAN_PCT, MOST_SCAN_PCT, Decimal("0.1"), _scan_range(session)
        ),
    )


def _scan_range(session: TradingSession) -> Decimal | None:
    try:
        parameters = meaning_of(session).parameters(dated_parameters(session))
    except ReferenceMissing:
        return None
    return Decimal(str(round(parameters.price_scan_fraction * 100, 2)))
