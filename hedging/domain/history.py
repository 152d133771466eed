"""History: what entries like a coming one really took of used margin, a basket, at their last times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from statistics import median_high

from hedging.domain.entries import ComingEntry
from hedging.domain.exposure import Cover
from hedging.domain.instruments import Contract, Index

LEAST_SAMPLES = 3
LAST_SAMPLES = 9

Shape = tuple[tuple[str, Decimal, Decimal], ...]
"""Each leg's right, distance of its strike from the lowest one, and signed units a basket: a straddle is no strangle."""


@dataclass(frozen=True, slots=True)
class PastJump:
    """One measured jump of used margin. `realized` and `forecast` in rupees of change; `None` was not foretold.

    `cover` is the state of hedge afterwards: longs to spare lower the next jump, so they are a state of their own. `what`
    is the portfolio of an entry; `shape` is empty for a hedge action, which no entry resembles. `today` tells that
    it was measured in the present session.
    """

    what: str
    at: datetime
    index: Index
    dte: int
    cover: Cover
    shape: Shape
    baskets: int
    realized: Decimal
    forecast: Decimal | None
    today: bool


@dataclass(frozen=True, slots=True)
class Experience:
    """What the last `samples` entries of a kind took: the median of rupees a basket, the upper of a middle two."""

    per_basket: Decimal
    samples: int
    same_portfolio: bool

    @property
    def plausible(self) -> bool:
        """Return whether there are samples enough to decide by."""
        return self.samples >= LEAST_SAMPLES


def shape_of(legs: Iterable[tuple[Contract, int]], *, baskets: int) -> Shape:
    """Return the shape of an entry's legs, given as contracts and signed units of all `baskets` together."""
    known = list(legs)
    lowest = min((contract.strike for contract, _ in known), default=Decimal(0))
    return tuple(
        sorted(
            (contract.right.value, contract.strike - lowest, Decimal(quantity) / baskets)
            for contract, quantity in known
        )
    )


def shape_of_entry(entry: ComingEntry) -> Shape:
    """Return the shape of a coming entry."""
    return shape_of(((leg.contract, leg.side.sign * leg.quantity) for leg in entry.legs), baskets=entry.baskets)


def experience(past: Sequence[PastJump], entry: ComingEntry, *, cover: Cover) -> Experience | None:
    """Return what is known of `entry` from `past`, newest first, or `None` when nothing like it was ever measured.

    Alike are entries of the same index, DTE, shape and state of hedge; those of the same portfolio alone count where
    there are samples enough of it. Of an even number the upper middle counts: to expect too little is the worse error.
    """
    shape = shape_of_entry(entry)
    alike = [
        jump
        for jump in past
        if (jump.index, jump.dte, jump.cover, jump.shape) == (entry.index, entry.dte, cover, shape)
    ]
    own = [jump for jump in alike if jump.what == entry.portfolio]
    same = len(own) >= LEAST_SAMPLES
    chosen = (own if same else alike)[:LAST_SAMPLES]
    if not chosen:
        return None
    return Experience(median_high(jump.realized / jump.baskets for jump in chosen), len(chosen), same)
