"""The account: cash, positions, premiums and charges. Money is Decimal rupees.

`utiliseddebits` as this broker counts it = SPAN + ELM of the book + net option premium paid today (buys less sells, all
trades of the day). The realized result of closed positions is thereby inside the premium figure, and the unrealized one
inside SPAN (which is net of the options' value), so neither is added a second time. Charges and settlement differ:
charges are kept apart and leave the cash after the day; settlement pays like a trade at intrinsic value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from hedging.domain.instruments import Contract, Exchange, Product, Side

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class ChargeTable:
    """Rates of an executed option order, as fractions (domain.md §3); `brokerage` in rupees an order."""

    brokerage: Decimal = Decimal(20)
    stt_sell: Decimal = Decimal("0.0015")
    stt_exercise: Decimal = Decimal("0.0015")
    exchange: Decimal = Decimal("0.0003553")
    sebi: Decimal = Decimal("0.000001")
    stamp_buy: Decimal = Decimal("0.00003")
    gst: Decimal = Decimal("0.18")

    def of_trade(self, *, side: Side, premium: Decimal, first_of_order: bool) -> Decimal:
        """Return the charges of one trade in rupees; brokerage falls on the first trade of its order."""
        brokerage = self.brokerage if first_of_order else _ZERO
        levies = premium * (self.exchange + self.sebi)
        tax = premium * (self.stt_sell if side is Side.SELL else self.stamp_buy)
        return brokerage + levies + tax + (brokerage + levies) * self.gst


CHARGES: dict[Exchange, ChargeTable] = {
    Exchange.NFO: ChargeTable(),
    Exchange.BFO: ChargeTable(exchange=Decimal("0.000325")),
}


@dataclass(slots=True)
class Position:
    """A net position in one contract and product: signed units, average price of what is open, realized rupees."""

    contract: Contract
    product: Product
    symbol: str
    quantity: int = 0
    average: Decimal = _ZERO
    realized: Decimal = _ZERO

    def trade(self, *, signed: int, price: Decimal) -> None:
        """Apply a trade: opening quantity moves the average, closing quantity realizes against it."""
        closing = min(abs(signed), abs(self.quantity)) if signed * self.quantity < 0 else 0
        if closing:
            direction = 1 if self.quantity > 0 else -1
            self.realized += (price - self.average) * closing * direction
        opening = abs(signed) - closing
        if opening:
            kept = abs(self.quantity) - closing
            self.average = (self.average * kept + price * opening) / (kept + opening)
        self.quantity += signed
        if self.quantity == 0:
            self.average = _ZERO


@dataclass(slots=True)
class Account:
    """The broker account of the simulated world."""

    cash: Decimal
    collateral: Decimal = _ZERO
    premium_paid: Decimal = _ZERO
    charges: Decimal = _ZERO
    positions: dict[tuple[Contract, Product], Position] = field(default_factory=dict)
    version: int = 0

    def position(self, contract: Contract, product: Product, symbol: str) -> Position:
        """Return the position, made flat if there is none."""
        key = (contract, product)
        if key not in self.positions:
            self.positions[key] = Position(contract=contract, product=product, symbol=symbol)
        return self.positions[key]

    def quantity(self, contract: Contract, product: Product) -> int:
        """Return the signed quantity held."""
        found = self.positions.get((contract, product))
        return found.quantity if found else 0

    def trade(
        self,
        *,
        contract: Contract,
        product: Product,
        symbol: str,
        side: Side,
        units: int,
        price: Decimal,
        first_of_order: bool,
    ) -> Decimal:
        """Book one trade; return its charges."""
        self.position(contract, product, symbol).trade(signed=side.sign * units, price=price)
        premium = price * units
        self.premium_paid += premium * side.sign
        charge = CHARGES[contract.exchange].of_trade(side=side, premium=premium, first_of_order=first_of_order)
        self.charges += charge
        self.version += 1
        return charge

    def settle(self, *, position: Position, intrinsic: Decimal) -> None:
        """Close an expired position at its intrinsic value; an exercised long pays its tax."""
        units = position.quantity
        position.trade(signed=-units, price=intrinsic)
        self.premium_paid -= intrinsic * units
        if units > 0:
            self.charges += intrinsic * units * CHARGES[position.contract.exchange].stt_exercise
        self.version += 1
