"""The day ahead as it was last drawn: every coming entry and exit with the hedges held, without them, and their floor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from hedging.models import CycleKind, HedgeDecision
from hedging.selectors.cards import moment, number
from hedging.selectors.facts import SessionFacts
from sessions_app.models import TradingSession


@dataclass(frozen=True, slots=True)
class AheadFigures:
    """Rupees used afterwards, its percent of budget, and rupees asked at the order on top of now's margin."""

    used_after: Decimal | None
    used_after_pct: Decimal | None
    at_order: Decimal | None


@dataclass(frozen=True, slots=True)
class AheadMoment:
    """One moment of the day: `kind` is now, entry or exit. `crosses`: over the trigger with the hedges that are held."""

    kind: str
    portfolio: str
    at: datetime | None
    held: AheadFigures
    bare: AheadFigures
    floor: AheadFigures
    beyond_saving: bool
    crosses: bool | None


@dataclass(frozen=True, slots=True)
class DayAhead:
    """The rest of the day, drawn `at` (market time; `None`: not yet), at the prices of then.

    `kept_to_the_end`: portfolios with an exit whose legs were never seen. `not_of_this_session`: coming entries of another
    index or expiry. `unknown` says why nothing could be drawn.
    """

    session: int
    at: datetime | None
    age_seconds: int | None
    spot: Decimal | None
    budget: Decimal
    free_margin: Decimal | None
    trigger_pct: Decimal | None
    calibrated: bool | None
    moments: tuple[AheadMoment, ...]
    kept_to_the_end: tuple[str, ...]
    not_of_this_session: tuple[str, ...]
    unknown: str


def day_ahead(*, session: TradingSession | SessionFacts, now: datetime) -> DayAhead:
    """Return the rest of the session's day from market time `now` on, as its last drawing shows it. One query."""
    drawn = (
        HedgeDecision.objects.filter(session_id=session.id, kind=CycleKind.MARGIN_CHECK, facts__has_key="day")
        .order_by("-id")
        .values_list("facts__day", flat=True)
        .first()
    )
    day: Mapping[str, Any] = drawn if isinstance(drawn, Mapping) else {}
    at = moment(day.get("at"))
    trigger = number(day.get("trigger_pct"))
    moments = tuple(_moment(row, trigger) for row in day.get("moments", ()))
    calibrated = day.get("calibrated")
    return DayAhead(
        session=session.id,
        at=at,
        age_seconds=None if at is None else int((now - at).total_seconds()),
        spot=number(day.get("spot")),
        budget=session.budget,
        free_margin=number(day.get("free_margin")),
        trigger_pct=trigger,
        calibrated=calibrated if isinstance(calibrated, bool) else None,
        moments=tuple(m for m in moments if m.kind == "now" or m.at is None or m.at >= now),
        kept_to_the_end=tuple(day.get("kept_to_the_end", ())),
        not_of_this_session=tuple(day.get("not_of_this_session", ())),
        unknown=str(day.get("unknown", "")) if day else "the day is drawn every five minutes while we act",
    )


def _moment(row: Mapping[str, Any], trigger_pct: Decimal | None) -> AheadMoment:
    held = _figures(row.get("held"))
    percent = held.used_after_pct
    return AheadMoment(
        kind=str(row.get("kind", "")),
        portfolio=str(row.get("portfolio", "")),
        at=moment(row.get("at")),
        held=held,
        bare=_figures(row.get("bare")),
        floor=_figures(row.get("floor")),
        beyond_saving=row.get("beyond_saving") is True,
        crosses=None if percent is None or trigger_pct is None else percent > trigger_pct,
    )


def _figures(value: object) -> AheadFigures:
    row = value if isinstance(value, Mapping) else {}
    return AheadFigures(number(row.get("used_after")), number(row.get("used_after_pct")), number(row.get("at_order")))
