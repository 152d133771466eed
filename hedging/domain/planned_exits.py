"""Planned exits: which lines of the present book leave it with which portfolio, as far as the day has shown it.

Another tool trades the portfolios; we see only what each entry brought into the book. What is known leaves at its time,
what is not stays to the end of the day, and where portfolios share a contract of which a part is gone already, the last
to leave is taken to own what is left. All three keep margin in the picture that may be gone sooner, never the reverse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hedging.domain.entries import PlannedExit
from hedging.domain.instruments import Contract, Product
from hedging.domain.margin import MarginLine


@dataclass(frozen=True, slots=True)
class Standing:
    """A portfolio that entered today: when it is to leave (`None`: held to expiry), and what its entry brought in.

    `legs` are signed units of each contract and product; `None` when that was never seen.
    """

    portfolio: str
    exit_at: datetime | None
    legs: Mapping[tuple[Contract, Product], int] | None


def planned_exits(
    book: Sequence[MarginLine], standing: Sequence[Standing], *, now: datetime
) -> tuple[tuple[PlannedExit, ...], tuple[str, ...]]:
    """Return the exits still to come today, by time, and the portfolios with an exit whose lines are unknown.

    A portfolio that left or was stopped has nothing in the book any more: its exit then has no lines and is left out.
    """
    prices = {(line.contract, line.product): line.price for line in book}
    left: dict[tuple[Contract, Product], int] = {}
    for line in book:
        key = (line.contract, line.product)
        left[key] = left.get(key, 0) + line.quantity
    ahead = [p for p in standing if p.exit_at is None or p.exit_at > now]
    unknown = tuple(sorted(p.portfolio for p in ahead if p.legs is None and p.exit_at is not None))
    found = []
    # The last to leave claims first; what is held to expiry claims before all others.
    for portfolio in sorted(ahead, key=_leaves_last, reverse=True):
        lines = []
        for key, units in (portfolio.legs or {}).items():
            there = left.get(key, 0)
            taken = max(units, min(there, 0)) if units < 0 else min(units, max(there, 0))
            if taken:
                left[key] = there - taken
                lines.append(MarginLine(key[0], taken, prices[key], key[1]))
        if lines and portfolio.exit_at is not None:
            found.append(PlannedExit(portfolio.portfolio, portfolio.exit_at, tuple(lines)))
    return tuple(sorted(found, key=lambda gone: (gone.at, gone.portfolio))), unknown


def _leaves_last(portfolio: Standing) -> tuple[bool, float, str]:
    at = portfolio.exit_at
    return at is None, 0.0 if at is None else at.timestamp(), portfolio.portfolio
