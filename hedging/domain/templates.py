"""Templates: what a row of the timetable sells, turned into orders at the strikes and prices of one moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from hedging.domain.entries import EntryLeg
from hedging.domain.instruments import Contract, ContractSpec, Right, Side, nearest_strike


@dataclass(frozen=True, slots=True)
class LegTemplate:
    """One leg of an entry: `offset` strike steps out of the money (negative: in the money), `lots` for each basket."""

    right: Right
    side: Side
    offset: int
    lots: int


class LegUnpriced(ValueError):
    """A leg's strike has no price: wait for a chain that quotes it. No price is ever made up."""


def resolve_legs(
    legs: Sequence[LegTemplate],
    *,
    portfolio: str,
    spec: ContractSpec,
    expiry: date,
    spot: Decimal,
    lots: int,
    price_of: Callable[[Contract], Decimal | None],
) -> tuple[EntryLeg, ...]:
    """Return the orders of `legs` in their order, counted from the strike nearest to `spot`.

    `lots` multiplies each leg's own lots: baskets times lots a basket. `price_of` gives rupees a unit, `None` where
    unknown. Raises `LegUnpriced` with the strike and `portfolio` for a leg without a price.
    """
    middle = nearest_strike(spot, spec.strike_step)
    found = []
    for leg in legs:
        outward = spec.strike_step * leg.offset * (1 if leg.right is Right.CE else -1)
        contract = Contract(spec.index, expiry, middle + outward, leg.right)
        price = price_of(contract)
        if price is None:
            raise LegUnpriced(f"no price for {contract.strike} {contract.right}, a leg of {portfolio}")
        found.append(EntryLeg(contract, leg.side, leg.lots * lots * spec.lot, price))
    return tuple(found)


def short_units(legs: Sequence[LegTemplate], *, lots: int, lot: int) -> dict[Right, int]:
    """Return the units that `legs` sell on each side, `lots` times over."""
    units = dict.fromkeys(Right, 0)
    for leg in legs:
        if leg.side is Side.SELL:
            units[leg.right] += leg.lots * lots * lot
    return units
