"""The dry-run broker's paper book, kept in the database so that every worker sees the same paper orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction

from hedging.brokers.base import BrokerStatus
from hedging.brokers.openalgo.symbols import format_symbol, parse_symbol
from hedging.brokers.paper import PaperFill, PaperHolding, PaperOrder, holdings_of
from hedging.domain.instruments import Product, Side
from hedging.engine.hours import acting_hours
from hedging.models import PaperOrder as PaperRow

_LONGEST_CARRY = timedelta(days=100)  # no option that hedges a straddle of ours is listed for longer


@dataclass(frozen=True, slots=True)
class StoredPaperBook:
    """The paper orders of one account and trading day (`brokers.paper.PaperBook`)."""

    account_id: int
    day: date

    def orders(self) -> tuple[PaperOrder, ...]:
        """Return every order, oldest first."""
        rows = PaperRow.objects.filter(account_id=self.account_id, trading_day=self.day).order_by("id")
        return tuple(_value(row) for row in rows)

    def carried(self) -> tuple[PaperHolding, ...]:
        """Return what earlier days left in NRML and has not expired. One query."""
        rows = PaperRow.objects.filter(
            account_id=self.account_id,
            trading_day__lt=self.day,
            trading_day__gte=self.day - _LONGEST_CARRY,
            product=Product.NRML.value,
        )
        left = holdings_of(_value(row) for row in rows.order_by("id"))
        return tuple(held for held in left if held.contract.expiry >= self.day)

    def closes_at(self) -> datetime | None:
        """Return the close of the day by the calendar. One query."""
        hours = acting_hours(self.day)
        return None if hours is None else hours.closes

    def append(self, order: PaperOrder) -> bool:
        """Add a new order with the fills it has; return False when its id is taken."""
        _, added = PaperRow.objects.get_or_create(
            account_id=self.account_id,
            trading_day=self.day,
            order_id=order.order_id,
            defaults={
                "symbol": format_symbol(order.contract),
                "product": order.product.value,
                "side": order.side.value,
                "quantity": order.quantity,
                "limit_price": order.limit_price,
                "status": order.status.value,
                "placed_at": order.placed_at,
                "trades": [[fill.quantity, str(fill.price)] for fill in order.fills],
            },
        )
        return added

    def fill(self, order_id: str, fills: Sequence[PaperFill], *, filled_before: int) -> bool:
        """Add fills if the order still works with exactly `filled_before` units filled; return whether it did."""
        with transaction.atomic():
            row = self._locked(order_id)
            if row is None:
                return False
            order = _value(row)
            if order.status is not BrokerStatus.WORKING or order.filled != filled_before:
                return False
            row.trades = [*row.trades, *([fill.quantity, str(fill.price)] for fill in fills)]
            row.status = _value(row).status.value
            row.save(update_fields=["trades", "status"])
        return True

    def cancel(self, order_id: str) -> bool:
        """Cancel what is left of a working order; return whether there was one."""
        with transaction.atomic():
            row = self._locked(order_id)
            if row is None or _value(row).status is not BrokerStatus.WORKING:
                return False
            row.status = BrokerStatus.CANCELLED.value
            row.save(update_fields=["status"])
        return True

    def _locked(self, order_id: str) -> PaperRow | None:
        return (
            PaperRow.objects.select_for_update()
            .filter(account_id=self.account_id, trading_day=self.day, order_id=order_id)
            .first()
        )


def _value(row: PaperRow) -> PaperOrder:
    return PaperOrder(
        order_id=row.order_id,
        contract=parse_symbol(row.symbol),
        product=Product(row.product),
        side=Side(row.side),
        quantity=row.quantity,
        limit_price=row.limit_price,
        placed_at=row.placed_at,
        fills=tuple(PaperFill(quantity, Decimal(price)) for quantity, price in row.trades),
        cancelled=row.status == BrokerStatus.CANCELLED,
    )
