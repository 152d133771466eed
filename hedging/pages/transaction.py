"""A transaction as people read it: one line of the history, and opened to its orders, attempts, fills and messages."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.conf import settings

from hedging.domain.instruments import Side
from hedging.domain.lifecycle import UNCERTAIN, OrderStatus
from hedging.models import Origin
from hedging.selectors.trades import OrderRow, TransactionRow
from sessions_app.models import Mode

STATUS_WORDS: Final = {
    OrderStatus.NEW: "not sent yet",
    OrderStatus.SENDING: "on its way to the broker",
    OrderStatus.DENIED: "denied by us, never sent",
    OrderStatus.LAPSED: "lapsed before it was sent",
    OrderStatus.ACKED: "at the exchange, waiting",
    OrderStatus.REJECTED: "rejected by the broker",
    OrderStatus.NOT_SENT: "did not reach the broker",
    OrderStatus.UNKNOWN: "outcome unknown: the books will tell",
    OrderStatus.QUEUED_UPSTREAM: "queued in OpenAlgo, waits for approval",
    OrderStatus.PARTIAL: "partly filled, working",
    OrderStatus.FILLED: "filled",
    OrderStatus.CANCEL_PENDING: "being cancelled",
    OrderStatus.CANCELLED: "cancelled",
    OrderStatus.EXPIRED: "expired",
    OrderStatus.LOST: "lost: the broker shows no such order",
    OrderStatus.REVIEW: "a person must look at the broker's books",
}
ORIGIN_WORDS: Final = {
    Origin.AUTO: "automation",
    Origin.ADMIN: "by hand, admin",
    Origin.API: "by hand, dashboard or API",
    Origin.COMMAND: "by hand, terminal",
}
_UNCERTAIN = frozenset(status.value for status in UNCERTAIN)


@dataclass(frozen=True, slots=True)
class Money:
    """Whose money it was: in a word, and the name of its colour."""

    words: str
    name: str


@dataclass(frozen=True, slots=True)
class Line:
    """One transaction in the history. `amount` is the rupees that changed hands, `None` where nothing filled.

    `unresolved`: what became of an order is not known.
    """

    row: TransactionRow
    money: Money
    amount: Decimal | None
    outcome: str
    unresolved: bool


def money_of(mode: str) -> Money:
    """Say whose money a mode moves: the account's own, paper, or the simulator's."""
    if settings.WORLD == "simulator":
        return Money("SIMULATED" if mode == Mode.LIVE else "SIMULATED PAPER", "simulated")
    return Money("LIVE", "live") if mode == Mode.LIVE else Money("PAPER", "paper")


def line_of(row: TransactionRow) -> Line:
    """Return a transaction as a line of the history. No query."""
    unresolved = row.live and any(order.status in _UNCERTAIN for order in row.orders)
    return Line(
        row=row,
        money=money_of(row.mode),
        amount=_amount(row),
        outcome="unresolved" if unresolved else row.outcome,
        unresolved=unresolved,
    )


def transaction_context(row: TransactionRow) -> dict[str, Any]:
    """Return what `_transaction.html` shows of a transaction that was read with its fills. No query."""
    return {
        "row": row,
        "line": line_of(row),
        "origin": ORIGIN_WORDS[Origin(row.origin)],
        "buys": row.side == Side.BUY,
        "orders": tuple({"row": order, "words": words_of(order), "filled": _filled(order)} for order in row.orders),
    }


def words_of(order: OrderRow) -> str:
    """Say where an order stands."""
    return STATUS_WORDS[OrderStatus(order.status)]


def _amount(row: TransactionRow) -> Decimal | None:
    return None if row.average_price is None else row.average_price * row.filled_quantity


def _filled(order: OrderRow) -> int:
    return sum(fill.quantity for fill in order.fills or ())
