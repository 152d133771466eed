"""Imagined: the same reading under another price scan range, for a what-if alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hedging.domain.facts import CycleFacts
from hedging.domain.margin import requirement

LEAST_SCAN_PCT, MOST_SCAN_PCT = Decimal(3), Decimal(30)
"""Below, no index option has ever been margined; above lies a day on which the exchange is closed."""


def with_scan_range(facts: CycleFacts, scan_pct: Decimal) -> CycleFacts:
    """Return `facts` as they would be were the price scan range `scan_pct` of the index level.

    What the present book blocks moves by what the engine says it would, in used and in free margin. The broker's basket
    answers and the measured jumps are of the range that is really in force, so the engine alone decides. Raises `ValueError`
    where no chain was read, and where a line of the book has no price.
    """
    # Without its sigmas the minimum is the whole range; the volatility scan goes on by the day's own sigma.
    parameters = replace(facts.parameters, price_scan_minimum_pct=float(scan_pct), price_scan_sigmas=0.0)
    book, market = facts.book(), facts.market
    now = requirement(lines=book, market=market, parameters=facts.parameters)
    then = requirement(lines=book, market=market, parameters=parameters)
    added = facts.profile.scale * (then.total - now.total)
    return replace(
        facts,
        parameters=parameters,
        used=None if facts.used is None else facts.used + added,
        free_margin=None if facts.free_margin is None else facts.free_margin - added,
        increments={},
        past=(),
    )
