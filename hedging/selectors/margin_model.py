"""How well our margin model fits an account's broker, and what that broker's numbers were found to mean."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from hedging.domain.margin_profile import MarginProfile
from sessions_app.models import BasketScope, TradingSession


@dataclass(frozen=True, slots=True)
class MarginModel:
    """The calibration in force of a session; `found_at` None: none. `amber`: not of today, or the buffer is doubled for it.

    `stale_since` is the day of an older calibration that stands in for today's. Rates in percent of the index level.
    """

    found_at: datetime | None
    found_by: str
    basket: str
    scan_pct: float | None
    elm_pct: float | None
    scale: Decimal | None
    error_pct: Decimal | None
    amber: bool
    words: str
    stale_since: date | None


def margin_model(session: TradingSession) -> MarginModel:
    """Return what a session's decisions take its broker for; it comes with its calibration loaded. No query."""
    row = session.calibration
    if row is None:
        profile, scope = MarginProfile(), BasketScope(session.account.basket_scope)
    else:
        profile, scope = MarginProfile(error_pct=row.error_pct), BasketScope(row.basket_scope)
    stale = None if row is None or row.trading_day == session.trading_day else row.trading_day
    words = profile.words if stale is None else f"{profile.words} (by the probes of {stale:%-d %b}, none today)"
    return MarginModel(
        found_at=None if row is None else row.at,
        found_by="" if row is None else row.found_by,
        basket=scope.label,
        scan_pct=None if row is None else row.scan_pct,
        elm_pct=None if row is None else row.elm_pct,
        scale=None if row is None else row.scale,
        error_pct=profile.error_pct,
        amber=profile.wide or stale is not None,
        words=words,
        stale_since=stale,
    )
