"""Past jumps: what entries and hedges of an account really did to used margin, read when there is something new only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from hedging.brokers.openalgo.symbols import parse_symbol
from hedging.domain.exposure import Cover, cover_of, exposures
from hedging.domain.history import PastJump, shape_of
from hedging.domain.instruments import Index, Product
from hedging.domain.margin import MarginLine
from hedging.models import JumpKind, MarginJump
from sessions_app.models import TradingSession

HISTORY_DAYS = 60
HISTORY_ROWS = 400

BookRow = list[Any]  # [symbol, product, signed units, price] as the row's JSON holds it


def past_jumps(*, session: TradingSession, measured: int) -> tuple[PastJump, ...]:
    """Return the measured jumps of this account, index and mode, newest first. `measured`: how many the session has.

    That number is the name under which the answer is kept, so a query is made only when there is another one.
    """
    return _past_jumps(measured, session.pk, session.account_id, session.mode, session.index, session.trading_day)


@lru_cache(maxsize=64)
def _past_jumps(
    _measured: int, session_id: int, account_id: int, mode: str, index: str, day: date
) -> tuple[PastJump, ...]:
    rows = MarginJump.objects.filter(
        session__account_id=account_id,
        mode=mode,
        index=index,
        after__isnull=False,
        session__trading_day__gte=day - timedelta(days=HISTORY_DAYS),
        session__trading_day__lte=day,
    ).order_by("-at", "-id")
    wanted = rows.values_list(
        "session_id",
        "kind",
        "subject",
        "at",
        "dte",
        "hedged",
        "baskets",
        "before",
        "after",
        "forecast",
        "book__legs",
        "book__after",
    )
    past = []
    for own, kind, subject, at, dte, hedged, baskets, before, after, forecast, legs, lines in wanted[:HISTORY_ROWS]:
        if before is None or after is None:  # the database refuses an `after` without a `before`
            continue
        entered = kind == JumpKind.ENTRY
        # Without its legs an entry has no shape, and nothing that comes is like it.
        shape = shape_of(((parse_symbol(leg[0]), leg[2]) for leg in legs or ()), baskets=baskets) if entered else ()
        past.append(
            PastJump(
                what=subject if entered else "hedge",
                at=at,
                index=Index(index),
                dte=dte,
                cover=_cover(legs, lines, hedged=hedged),
                shape=shape,
                baskets=baskets,
                realized=after - before,
                forecast=forecast,
                today=own == session_id,
            )
        )
    return tuple(past)


def _cover(legs: Sequence[BookRow], lines: Sequence[BookRow] | None, *, hedged: bool) -> Cover:
    """Return the state of hedge after a jump, by its stored book; `hedged` tells what a row without one still knows."""
    if not legs or lines is None:
        return Cover.COVERED if hedged else Cover.BARE
    contract, product = parse_symbol(legs[0][0]), Product(legs[0][1])
    book = [MarginLine(parse_symbol(row[0]), row[2], Decimal(0), Product(row[1])) for row in lines]
    return cover_of(exposures(book), index=contract.index, expiry=contract.expiry, product=product)
