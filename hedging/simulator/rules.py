"""Account rules of a broker and its exchange (domain.md §4): what refuses an order or rejects it later, and how late books are.

Limit price protection is always on unless it is switched off; the rule on far out-of-the-money NRML buys is off unless it
is switched on, because brokers differ in it. Books show everything at once unless they are let lag.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from hedging.domain.instruments import Contract, Product, Right, Side
from hedging.simulator.account import Position
from hedging.simulator.orders import Order, Ticket

_CHEAP = Decimal(50)
_BAND_RUPEES = Decimal(20)
_BAND_SHARE = Decimal("0.40")
LONGEST_BEHIND = 600.0
"""Market seconds; the books have heard of the close before the day ends."""


class FarOtm(StrEnum):
    """What happens to an NRML buy far out of the money beyond the shorts held."""

    OFF = "off"
    REFUSED = "refused"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class AccountRules:
    """The switchable rules. `far_distance` is a fraction of the spot from which a strike is far out of the money.

    Positions and funds show a fill up to `books_behind_seconds` of market time late; each draws its own lag for every fill.
    """

    price_bands: bool = True
    far_otm: FarOtm = FarOtm.OFF
    far_distance: float = 0.01
    books_behind_seconds: float = 0.0

    def outside_band(self, *, price: Decimal, last: Decimal) -> str:
        """Return the exchange's words for a limit too far from the last price (rupees), or nothing."""
        if not self.price_bands or not price:
            return ""
        reach = _BAND_RUPEES if last <= _CHEAP else last * _BAND_SHARE
        if abs(price - last) <= reach:
            return ""
        low, high = max(Decimal(0), last - reach), last + reach
        return f"Order price is outside the limit price protection range of {low:.2f} to {high:.2f}."

    def too_far_out(
        self,
        ticket: Ticket,
        *,
        spot: float,
        positions: Mapping[tuple[Contract, Product], Position],
        live: Iterable[Order],
    ) -> str:
        """Return the broker's words for a far NRML buy beyond the shorts held of its index and expiry, or nothing."""
        if self.far_otm is FarOtm.OFF or ticket.side is Side.SELL or ticket.product is not Product.NRML:
            return ""
        if not self._far(ticket.contract, spot):
            return ""
        held = positions.get((ticket.contract, ticket.product))
        wanted = ticket.quantity - max(0, -held.quantity if held else 0)
        shorts = longs = 0
        for (contract, product), position in positions.items():
            if product is Product.NRML and _family(contract) == _family(ticket.contract):
                shorts += max(0, -position.quantity)
                longs += max(0, position.quantity) if self._far(contract, spot) else 0
        for order in live:
            other = order.ticket
            if (
                other.side is Side.BUY
                and other.product is Product.NRML
                and _family(other.contract) == _family(ticket.contract)
                and self._far(other.contract, spot)
            ):
                longs += order.remaining
        if wanted <= 0 or longs + wanted <= shorts:
            return ""
        return f"NRML buy orders of {ticket.symbol} are allowed only against a short position ({shorts} held)."

    def _far(self, contract: Contract, spot: float) -> bool:
        distance = float(contract.strike) / spot - 1.0
        return (distance if contract.right is Right.CE else -distance) >= self.far_distance

    def as_json(self) -> dict[str, object]:
        """Return the rules as JSON-able values; `AccountRules.from_json` reads them back."""
        return {
            "price_bands": self.price_bands,
            "far_otm": self.far_otm.value,
            "far_distance": self.far_distance,
            "books_behind_seconds": self.books_behind_seconds,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> AccountRules:
        """Rebuild the rules that `as_json` gave; an empty mapping gives the default."""
        if not data:
            return cls()
        return cls(
            price_bands=bool(data["price_bands"]),
            far_otm=FarOtm(str(data["far_otm"])),
            far_distance=float(str(data["far_distance"])),
            books_behind_seconds=float(str(data.get("books_behind_seconds", 0.0))),
        )


def _family(contract: Contract) -> tuple[object, object]:
    return contract.index, contract.expiry
