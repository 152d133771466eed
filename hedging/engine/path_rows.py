"""Rows on the path: what a claim and a send ask of the database between the decision and the bytes, in one statement each.

Written as SQL because composing these with the ORM took longer than answering them. Every value is a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache

from django.db import connection
from django.db.models import Model

from hedging.engine.hours import hours_at
from hedging.engine.standing import STANDING, Standing, standing_from
from hedging.engine.written import Change, ids_drawn
from hedging.models import Fill, HedgeOrder, HedgeTransaction
from schedule.calendar import SessionHours
from schedule.models import ContractSpec, TradingDay
from sessions_app.models import TradingSession

_INTENTS, _ORDERS = HedgeTransaction._meta.db_table, HedgeOrder._meta.db_table

# Invariant 11: one live intent on a leg. Asked with the standing (6, 10, 16), after the session's lock was granted; with it
# the ids of the rows to come are drawn.
_CLAIMING = f"""
    SELECT EXISTS (SELECT 1 FROM {_INTENTS} WHERE is_live AND session_id = %s AND symbol IN (%s)), standing.*
    FROM ({STANDING}) standing
"""  # noqa: S608 - names of our own tables; every value is a parameter

# Invariants 2 and 3: a cost fits under the cap, or is refused; with it the cooldown begins.
_RESERVE = f"""
    UPDATE {TradingSession._meta.db_table} SET reserved = reserved + %s, last_action_at = %s
    WHERE id = %s AND closed_at IS NULL
      AND spent <= %s - %s - reserved
"""  # noqa: S608 - the name of our own table; every value is a parameter
_ACT = f"UPDATE {TradingSession._meta.db_table} SET last_action_at = %s WHERE id = %s"  # noqa: S608 - as above

# Invariant 1: the prices of our own equal orders of today, which no book may show yet, and the tick to move away by.
_PRICES = f"""
    SELECT (SELECT tick FROM {ContractSpec._meta.db_table} WHERE "index" = %(index)s AND effective_from <= %(day)s
            ORDER BY effective_from DESC, id DESC LIMIT 1), own.limit_price
    FROM (SELECT 1) always
    LEFT JOIN (SELECT o.limit_price FROM {_ORDERS} o JOIN {_INTENTS} t ON t.id = o.transaction_id
               WHERE o.account_id = %(account)s AND o.trading_day = %(day)s AND o.mode = %(mode)s
                 AND o.quantity = %(quantity)s AND t.symbol = %(symbol)s AND t.side = %(side)s
                 AND o.limit_price IS NOT NULL) own ON true
"""  # noqa: S608 - names of our own tables; every value is a parameter

# Invariants 1, 5, 6, 10 and 16 once more, right before the socket: is the slice still ours to send, has an earlier attempt at
# it filled meanwhile (the first one wanted most), is the market open, and does every trading state allow it.
_FENCE = f"""
    SELECT o.status,
           (SELECT coalesce(sum(f.quantity), 0) FROM {Fill._meta.db_table} f JOIN {_ORDERS} tried ON tried.id = f.order_id
            WHERE tried.transaction_id = o.transaction_id AND tried.slice = o.slice),
           (SELECT max(tried.quantity) FROM {_ORDERS} tried
            WHERE tried.transaction_id = o.transaction_id AND tried.slice = o.slice),
           d.opens_at, d.closes_at, d.act_from, d.act_until, standing.*
    FROM {_ORDERS} o
    LEFT JOIN {TradingDay._meta.db_table} d ON d.day = o.trading_day AND d.is_open
    CROSS JOIN ({STANDING}) standing
    WHERE o.id = %s
"""  # noqa: S608 - names of our own tables; every value is a parameter


@dataclass(frozen=True, slots=True)
class Ground:
    """What a claim stands on: the session's standing, whether a leg has a live intent, and new ids for each table."""

    standing: Standing
    is_live: bool
    ids: tuple[list[int], ...]


@dataclass(frozen=True, slots=True)
class AtTheFence:
    """What the rows say right before a POST. `filled` and `wanted` are units of all attempts at the slice; no `hours`: closed."""

    status: str
    filled: int
    wanted: int
    hours: SessionHours | None
    standing: Standing


def ground_of_claim(session_id: int, symbols: Sequence[str], wanted: Mapping[type[Model], int]) -> Ground:
    """Return what a claim of these legs stands on, with so many new ids for each table. One statement.

    Raises `TradingSession.DoesNotExist` when there is no such session.
    """
    with connection.cursor() as cursor:
        statement = _claiming(connection.vendor, len(symbols), tuple(wanted.items()))
        cursor.execute(statement, [session_id, *symbols, session_id])
        row = cursor.fetchone()
    if row is None:
        raise TradingSession.DoesNotExist(f"session {session_id}")
    drawn = iter(row)
    ids = tuple([next(drawn) for _ in range(count)] for count in wanted.values())
    is_live, *standing = drawn
    return Ground(standing_from(tuple(standing)), bool(is_live), ids)


@cache
def _claiming(vendor: str, legs: int, wanted: tuple[tuple[type[Model], int], ...]) -> str:
    asked = _CLAIMING.replace("IN (%s)", f"IN ({', '.join(['%s'] * legs)})")
    return asked.replace("SELECT ", f"SELECT {', '.join(ids_drawn(vendor, dict(wanted)))}, ", 1)


def reserve_of(*, session_id: int, amount: Decimal, cap: Decimal, acted_at: datetime) -> Change:
    """Return the change that reserves `amount` rupees of the day's cost cap, where they fit, and begins the cooldown.

    The cooldown begins at `acted_at` (market time). Nothing is reserved for what costs nothing: that fits always.
    """
    at = connection.ops.adapt_datetimefield_value(acted_at)
    if amount <= 0:
        return Change(_ACT, (at, session_id))
    return Change(_RESERVE, (amount, at, session_id, cap, amount))


def tick_and_own_prices(order: HedgeOrder) -> tuple[Decimal | None, set[Decimal]]:
    """Return the tick in force (`None` without a contract spec) and the prices of our equal orders of today. Rupees."""
    tx = order.transaction
    words: dict[str, str | int] = {
        "index": tx.index,
        "day": order.trading_day.isoformat(),
        "account": order.account_id,
        "mode": str(tx.mode),
        "quantity": order.quantity,
        "symbol": tx.symbol,
        "side": str(tx.side),
    }
    with connection.cursor() as cursor:
        cursor.execute(_PRICES, words)
        rows = cursor.fetchall()
    tick = rows[0][0]
    # A decimal already, but in memory, where numbers are floats.
    prices = {Decimal(str(price)) for _, price in rows if price is not None}
    return (None if tick is None else Decimal(str(tick))), prices


def at_the_fence(order: HedgeOrder) -> AtTheFence:
    """Return what the rows that can forbid a POST say now. One statement. Raises `HedgeOrder.DoesNotExist`."""
    with connection.cursor() as cursor:
        cursor.execute(_FENCE, [order.transaction.session_id, order.pk])
        row = cursor.fetchone()
    if row is None:
        raise HedgeOrder.DoesNotExist(f"order {order.pk}")
    status, filled, wanted, *times = row[:7]
    hours = None if times[0] is None else hours_at(order.trading_day, times)
    return AtTheFence(status, filled, wanted, hours, standing_from(tuple(row[7:])))
