"""Exposure: how many options the account is short and long on each side, and how many wings still fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

from hedging.domain.instruments import Contract, Index, Product, Right


class Holding(Protocol):
    """Anything with a contract, a product and a signed quantity in units: a position, a margin line."""

    @property
    def contract(self) -> Contract: ...  # noqa: D102
    @property
    def product(self) -> Product: ...  # noqa: D102
    @property
    def quantity(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class ExposureKey:
    """Within one key a long covers a short; across keys it never does."""

    index: Index
    expiry: date
    right: Right
    product: Product


@dataclass(frozen=True, slots=True)
class Exposure:
    """Units short and long of one key, both counted positive, netted within each contract only."""

    shorts: int = 0
    longs: int = 0

    @property
    def capacity(self) -> int:
        """Return how many more units may be bought before longs exceed shorts; never negative."""
        return max(0, self.shorts - self.longs)

    @property
    def excess(self) -> int:
        """Return by how many units the longs exceed the shorts; never negative."""
        return max(0, self.longs - self.shorts)


def exposures(*books: Iterable[Holding]) -> Mapping[ExposureKey, Exposure]:
    """Return the exposure of each key over all `books` together (positions, coming legs, pending buys).

    Quantities of the same contract and product are netted first: selling a contract that is held long shrinks the long.
    """
    net: dict[tuple[Contract, Product], int] = {}
    for book in books:
        for holding in book:
            name = (holding.contract, holding.product)
            net[name] = net.get(name, 0) + holding.quantity
    found: dict[ExposureKey, Exposure] = {}
    for (contract, product), quantity in net.items():
        key = ExposureKey(contract.index, contract.expiry, contract.right, product)
        so_far = found.get(key, Exposure())
        found[key] = Exposure(so_far.shorts + max(0, -quantity), so_far.longs + max(0, quantity))
    return found


class Cover(StrEnum):
    """How far longs cover the shorts of one expiry and product: not on both sides, just, or with longs to spare on both."""

    BARE = "bare"
    COVERED = "covered"
    SPARE = "spare"


def cover_of(found: Mapping[ExposureKey, Exposure], *, index: Index, expiry: date, product: Product) -> Cover:
    """Return the cover of one expiry and product. A book without shorts there is bare: nothing of it is hedged."""
    sides = [found.get(ExposureKey(index, expiry, right, product), Exposure()) for right in Right]
    if not any(side.shorts for side in sides) or any(side.longs < side.shorts for side in sides):
        return Cover.BARE
    return Cover.SPARE if all(side.excess for side in sides) else Cover.COVERED
