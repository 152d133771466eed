"""What the fills add up to: hedges held, money spent and money recovered. Fills alone, never a status word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import Value

from hedging.domain.instruments import Contract, Index, Product, Right, Side
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


def holdings(*, account_id: int, mode: str, day: date) -> tuple[Holding, ...]:
    """Return what an account holds by our own fills in one mode, ordered by contract; expired before `day` is gone.

    Fills of earlier days count while their contract lives; what was sold by hand, squared off or has expired is taken off
    by its adjustment. One query.
    """
    of_intent = ("index", "expiry", "strike", "right", "product", "side")
    fills = Fill.objects.filter(order__account_id=account_id, mode=mode, order__transaction__expiry__gte=day)
    adjusted = Adjustment.objects.filter(account_id=account_id, mode=mode, expiry__gte=day)
    traded = fills.values_list(
        *(f"order__transaction__{name}" for name in of_intent), "quantity", "price", "at", Value(0), "id"
    )
    taken_off = adjusted.values_list(*of_intent, "quantity", Value(Decimal(0)), "at", Value(1), "id")
    rows = list(traded.union(taken_off, all=True))
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


LEDGER = f"""
    (SELECT count(*) FROM {Fill._meta.db_table} f
       JOIN {HedgeOrder._meta.db_table} o ON o.id = f.order_id
       JOIN {HedgeTransaction._meta.db_table} t ON t.id = o.transaction_id
      WHERE o.account_id = %s AND f.mode = %s AND t.expiry >= %s)
    + (SELECT count(*) FROM {Adjustment._meta.db_table} WHERE account_id = %s AND mode = %s AND expiry >= %s)
"""  # noqa: S608 - names of our own tables; every value is a parameter
"""An SQL expression that names the state of a ledger. Rows are only ever added, so as long as their number stays, so do all
holdings. Their highest number would not do: of two fills under way at once, the one with the lower may commit last."""


def asked_of_ledger(*, account_id: int, mode: str, day: date) -> tuple[Any, ...]:
    """Return the parameters of `LEDGER`."""
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
