"""Jump: what the book shows of an entry or a hedge between two readings, so that only clean jumps are believed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from hedging.domain.exposure import Holding
from hedging.domain.instruments import Contract, Product
from hedging.domain.margin import MarginLine, MarginMarket, Universe, rupees
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.risk import MarginParameters

GIVE_UP_AFTER = timedelta(minutes=3)
"""Market time after which used margin has moved for other reasons too."""

Units = Mapping[tuple[Contract, Product], int]


class Seen(StrEnum):
    """How much of the expected legs the change of a book shows."""

    ALL = "all"
    PART = "part"
    NONE = "none"
    OTHER = "other"


def units_of(holdings: Iterable[Holding]) -> dict[tuple[Contract, Product], int]:
    """Return the net signed units of each contract and product; what nets to nothing is left out."""
    net: dict[tuple[Contract, Product], int] = {}
    for holding in holdings:
        key = (holding.contract, holding.product)
        net[key] = net.get(key, 0) + holding.quantity
    return {key: quantity for key, quantity in net.items() if quantity}


def change(before: Units, after: Units) -> dict[tuple[Contract, Product], int]:
    """Return the units by which each contract and product changed; what did not change is left out."""
    moved = {key: after.get(key, 0) - before.get(key, 0) for key in {*before, *after}}
    return {key: quantity for key, quantity in moved.items() if quantity}


def seen_of_entry(moved: Units, legs: Units) -> Seen:
    """Compare a change with an entry's legs by side alone: its strikes are chosen at its own second, not at ours."""
    return _seen(moved, legs, lambda contract, _: (contract.index, contract.expiry, contract.right))


def seen_of_hedge(moved: Units, legs: Units) -> Seen:
    """Compare a change with the units of our own fills, contract by contract."""
    return _seen(moved, legs, lambda contract, product: (contract, product))


def _seen(moved: Units, legs: Units, name: Callable[[Contract, Product], Hashable]) -> Seen:
    if not moved:
        return Seen.NONE
    found, wanted = _grouped(moved, name), _grouped(legs, name)
    if found == wanted:
        return Seen.ALL
    within = all(key in wanted and abs(units) <= abs(wanted[key]) for key, units in found.items())
    return Seen.PART if within else Seen.OTHER


def _grouped(units: Units, name: Callable[[Contract, Product], Hashable]) -> dict[Hashable, int]:
    sums: dict[Hashable, int] = {}
    for (contract, product), quantity in units.items():
        key = (name(contract, product), quantity > 0)  # a leg bought never makes up for one sold
        sums[key] = sums.get(key, 0) + quantity
    return sums


def change_of_used(
    *,
    book: tuple[MarginLine, ...],
    legs: tuple[MarginLine, ...],
    market: MarginMarket,
    parameters: MarginParameters,
    profile: MarginProfile,
) -> Decimal:
    """Return by how many rupees used margin changes when `legs` join `book`, by our engine; negative is a release.

    Premium counts where the profile says that the broker's used margin contains it. Raises `MarketUnknown` without a spot.
    """
    universe = Universe.of((*book, *legs), market=market, parameters=parameters)
    now, added = universe.quantities(book), universe.quantities(legs)
    moved = profile.scale * rupees(universe.total(now + added) - universe.total(now))
    paid = sum((leg.quantity * leg.price for leg in legs), Decimal(0))
    return moved + paid if profile.premium_counted else moved
