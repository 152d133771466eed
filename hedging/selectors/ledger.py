"""What the fills add up to: hedges held, money spent and money recovered. Fills alone, never a status word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from django.db import connection

from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.engine.one_row import Conversions, conversions_of, converted
from hedging.models import Adjustment, Fill, HedgeOrder, HedgeTransaction


@dataclass(frozen=True, slots=True)
class Holding:
    """Net units of one contract and product by our own fills; `average_price` is what those units cost, in rupees each.

    `since` is the fill with which the holding began. A negative quantity means that more was sold than bought: a breach
    that is shown rather than hidden.
    """

    contract: Contract
    product: Product
    quantity: int
    average_price: Decimal
    since: datetime


@dataclass(frozen=True, slots=True)
class FillRow:
    """One fill with the contract that it belongs to."""

    contract: Contract
    product: Product
    side: Side
    quantity: int
    price: Decimal
    at: datetime


_FROM_FILLS = f"""
    FROM {Fill._meta.db_table} f
    JOIN {HedgeOrder._meta.db_table} o ON o.id = f.order_id
    JOIN {HedgeTransaction._meta.db_table} t ON t.id = o.transaction_id
    WHERE o.account_id = %s AND f.mode = %s AND t.expiry >= %s
"""
_FROM_ADJUSTMENTS = f"FROM {Adjustment._meta.db_table} a WHERE account_id = %s AND mode = %s AND expiry >= %s"

# Composed once: the ORM took longer to write a union of these than the database took to answer it, with every cycle.
_LINES = f"""
    SELECT t."index", t.expiry, t.strike, t."right", t.product, t.side, f.quantity, f.price, f.at, 0, f.id {_FROM_FILLS}
    UNION ALL
    SELECT a."index", a.expiry, a.strike, a."right", a.product, a.side, a.quantity, 0, a.at, 1, a.id {_FROM_ADJUSTMENTS}
"""

_FIELDS = (
    *(HedgeTransaction._meta.get_field(name) for name in ("index", "expiry", "strike", "right", "product", "side")),
    *(Fill._meta.get_field(name) for name in ("quantity", "price", "at")),
)


@cache
def _conversions(vendor: str) -> Conversions:
    del vendor  # it is the name under which the answer is kept
    return conversions_of(_FIELDS, alias="f")


def holdings(*, account_id: int, mode: str, day: date) -> tuple[Holding, ...]:
    """Return what an account holds by our own fills in one mode, ordered by contract; expired before `day` is gone.

    Fills of earlier days count while their contract lives; what was sold by hand, squared off or has expired is taken off
    by its adjustment. One query.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LINES, asked_of_ledger(account_id=account_id, mode=mode, day=day))
        rows = [converted(row, _conversions(connection.vendor)) for row in cursor.fetchall()]
    # This is asked for with every cycle and every poll, and most of what was ever bought has been sold: what is flat by
    # plain sums is passed over before any value is made of it, and each contract that is left is made once.
    units: dict[tuple[object, ...], int] = {}
    for row in rows:
        units[row[:5]] = units.get(row[:5], 0) + (row[6] if row[5] == Side.BUY else -row[6])
    rows = sorted((row for row in rows if units[row[:5]]), key=lambda row: row[8:])
    contracts = {
        key: Contract(Index(key[0]), key[1], key[2].normalize(), Right(key[3])) for key in {row[:4] for row in rows}
    }
    return net(
        FillRow(
            contracts[index, expiry, strike, right],
            Product(product),
            Side(side),
            quantity,
            price,
            at,
        )
        for index, expiry, strike, right, product, side, quantity, price, at, _, _ in rows
    )


LEDGER = f"(SELECT count(*) {_FROM_FILLS}) + (SELECT count(*) {_FROM_ADJUSTMENTS})"
"""An SQL expression that names the state of a ledger. Rows are only ever added, so as long as their number stays, so do all
holdings. Their highest number would not do: of two fills under way at once, the one with the lower may commit last."""


def asked_of_ledger(*, account_id: int, mode: str, day: date) -> tuple[Any, ...]:
    """Return the parameters of `LEDGER`, and of the lines that it counts."""
    return (account_id, str(mode), day) * 2


def ledger_state(*, account_id: int, mode: str, day: date) -> int:
    """Return the name of a ledger's state. One query."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {LEDGER}", asked_of_ledger(account_id=account_id, mode=mode, day=day))
        state: int = cursor.fetchone()[0]
        return state


@lru_cache(maxsize=64)
def holdings_as_of(ledger: int, *, account_id: int, mode: str, day: date) -> tuple[Holding, ...]:
    """Return the holdings of a ledger in the state `ledger`; its rows are never changed, so they cannot differ."""
    del ledger  # it is the name under which the answer is kept
    return holdings(account_id=account_id, mode=mode, day=day)


def net(fills: Iterable[FillRow]) -> tuple[Holding, ...]:
    """Add up fills, oldest first, to what is held. The average moves with buys, stays with sells, restarts after flat."""
    held: dict[tuple[Contract, Product], Holding] = {}
    for fill in fills:
        key = (fill.contract, fill.product)
        before = held.get(key)
        if before is None or before.quantity == 0:
            held[key] = Holding(
                fill.contract, fill.product, fill.side.sign * fill.quantity, average_price=fill.price, since=fill.at
            )
            continue
        after = before.quantity + fill.side.sign * fill.quantity
        average = before.average_price
        if fill.side is Side.BUY and before.quantity > 0:
            average = (before.quantity * average + fill.quantity * fill.price) / after
        elif fill.side is Side.BUY:
            average = fill.price
        held[key] = Holding(fill.contract, fill.product, after, average_price=average, since=before.since)
    return tuple(held[key] for key in sorted(held) if held[key].quantity)
