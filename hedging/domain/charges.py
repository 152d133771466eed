"""Charges: what an executed option order costs beside its premium."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hedging.domain.instruments import Exchange, Side

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class ChargeRates:
    """The charges of one exchange's options. Rows with effective dates fill it; the defaults are NSE's in late 2026.

    `brokerage_rupees` for each executed order; every `_pct` in percent of the premium, but `gst_pct`, which is percent of
    brokerage, exchange charge and SEBI fee together.
    """

    brokerage_rupees: Decimal = Decimal(20)
    stt_sell_pct: Decimal = Decimal("0.15")
    exchange_pct: Decimal = Decimal("0.03553")
    sebi_pct: Decimal = Decimal("0.0001")
    stamp_buy_pct: Decimal = Decimal("0.003")
    gst_pct: Decimal = Decimal(18)

    @property
    def fixed_per_order(self) -> Decimal:
        """Return the rupees that one order costs whatever its size: brokerage and its GST."""
        return self.brokerage_rupees * (1 + self.gst_pct / HUNDRED)

    def fraction_of_premium(self, side: Side) -> Decimal:
        """Return the part of the charges that grows with the premium, as a fraction of it."""
        with_gst = (self.exchange_pct + self.sebi_pct) * (1 + self.gst_pct / HUNDRED)
        return (with_gst + (self.stamp_buy_pct if side is Side.BUY else self.stt_sell_pct)) / HUNDRED


DEFAULT_CHARGES: dict[Exchange, ChargeRates] = {
    Exchange.NFO: ChargeRates(),
    Exchange.BFO: ChargeRates(exchange_pct=Decimal("0.0325")),
}


def order_charges(*, rates: ChargeRates, side: Side, premium_rupees: Decimal, orders: int = 1) -> Decimal:
    """Return the charges in rupees, unrounded, of `orders` executed orders that trade `premium_rupees` together.

    Raises `ValueError` for a negative premium or fewer than one order.
    """
    if premium_rupees < 0:
        raise ValueError(f"premium_rupees must not be negative, got {premium_rupees}")
    if orders < 1:
        raise ValueError(f"orders must be at least 1, got {orders}")
    return rates.fixed_per_order * orders + rates.fraction_of_premium(side) * premium_rupees


def orders_for(*, lots: int, freeze_lots: int) -> int:
    """Return how many orders carry `lots` when one may carry at most `freeze_lots`."""
    return -(-lots // freeze_lots)
