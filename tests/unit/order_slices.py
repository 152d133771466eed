"""Slices as they look in each state of the protocol, and the readings that tests show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hedging.domain.instruments import Side
from hedging.domain.lifecycle import AT_BROKER, BookRow, OrderStatus, Slice, Trade

S = OrderStatus
T0 = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)
ID = "261201000000001"
PRICE = Decimal("4.15")
WITH_ID = AT_BROKER | {S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED}


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def order(status: OrderStatus = S.NEW, **changes: object) -> Slice:
    """A buy of 130 in the given state, as it would have come there: sent at 0 s, with an id where the broker gave one."""
    fields: dict[str, object] = {"side": Side.BUY, "quantity": 130, "created_at": T0, "valid_until": at(240)}
    if status not in {S.NEW, S.DENIED, S.LAPSED}:
        fields |= {"limit_price": PRICE, "sent_at": T0, "seen_order_ids": frozenset({"before"})}
    if status in WITH_ID:
        fields["order_id"] = ID
    if status is S.PARTIAL:
        fields["trades"] = (Trade(65, PRICE),)
    if status is S.FILLED:
        fields["trades"] = (Trade(130, PRICE),)
    return Slice(status=status, **(fields | changes))  # type: ignore[arg-type]


def row(terminal: OrderStatus | None) -> BookRow:
    return BookRow(order_id=ID, quantity=130, price=PRICE, terminal=terminal)


HALF, WHOLE = (Trade(65, PRICE),), (Trade(130, PRICE),)
