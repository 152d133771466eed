"""Past jumps: what entries and hedges of an account really did to used margin, read when there is something new only."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

from hedging.brokers.openalgo.symbols import parse_symbol
from hedging.domain.history import PastJump, shape_of
from hedging.domain.instruments import Index
from hedging.models import JumpKind, MarginJump
from sessions_app.models import TradingSession

HISTORY_DAYS = 60
HISTORY_ROWS = 400


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
        "session_id", "kind", "subject", "at", "dte", "hedged", "baskets", "before", "after", "forecast", "book__legs"
    )
    past = []
    for own, kind, subject, at, dte, hedged, baskets, before, after, forecast, legs in wanted[:HISTORY_ROWS]:
        if before is None or after is None:  # the database refuses an `after` without a `before`
            continue
        entered = kind == JumpKind.ENTRY
        shape = shape_of(((parse_symbol(leg[0]), leg[2]) for leg in legs), baskets=baskets) if entered else ()
        past.append(
            PastJump(
                what=subject if entered else "hedge",
                at=at,
                index=Index(index),
                dte=dte,
                hedged=hedged,
                shape=shape,
                baskets=baskets,
                realized=after - before,
                forecast=forecast,
                today=own == session_id,
            )
        )
    return tuple(past)
