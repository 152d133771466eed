"""Margin: SPAN and exposure margin of a book of options, as the clearing corporations count it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from hedging.domain.instruments import Contract, Index, Product
from hedging.domain.pricing import FloatArray
from hedging.domain.risk import (
    SCENARIOS,
    MarginMarket,
    MarginParameters,
    MarketUnknown,
    Valuation,
    risk_arrays,
    value_contracts,
)

__all__ = [
    "MarginLine",
    "MarginMarket",
    "MarginParameters",
    "MarginRequirement",
    "MarketUnknown",
    "PoolMargin",
    "Universe",
    "requirement",
    "risk_arrays",
    "rupees",
]

Key = tuple[Contract, Product]
Pool = tuple[Index, Product]
IntArray = npt.NDArray[np.int64]
Rows = IntArray | slice


@dataclass(frozen=True, slots=True)
class MarginLine:
    """A holding as the margin sees it: signed quantity in units (short negative), market price in rupees a unit.

    A long covers shorts of its own product only, so the product is a part of the line.
    """

    contract: Contract
    quantity: int
    price: Decimal
    product: Product


@dataclass(frozen=True, slots=True)
class PoolMargin:
    """The margin of one index and product in float rupees. `tiers` holds the 16 scenario losses of each scan tier.

    Tier `True` is what expires today, which nothing of another expiry can offset.
    """

    tiers: Mapping[bool, FloatArray]
    calendar: float
    nov: float
    elm: float

    @property
    def scan(self) -> float:
        """Return the sum over tiers of the worst scenario loss, each at least 0."""
        return sum(max(0.0, float(losses.max())) for losses in self.tiers.values())

    @property
    def span(self) -> float:
        """Return max(0, scan + calendar - net option value)."""
        return max(0.0, self.scan + self.calendar - self.nov)

    @property
    def total(self) -> float:
        """Return SPAN plus exposure margin."""
        return self.span + self.elm


@dataclass(frozen=True, slots=True)
class MarginRequirement:
    """The margin of a book in rupees. Pools (index and product) are computed apart and added.

    `scenario_losses` names each pool and scan tier, such as "NIFTY NRML expiring", and its 16 losses.
    """

    scan: Decimal
    calendar: Decimal
    nov: Decimal
    span: Decimal
    elm: Decimal
    total: Decimal
    scenario_losses: Mapping[str, tuple[Decimal, ...]]


@dataclass(frozen=True, slots=True)
class _Tier:
    """One pool's rows in one scan tier: what a long unit of each loses and is worth, and its delta in its expiry's column.

    `table` is [rows, 16 losses + price + one column for each expiry]; a tier of one expiry pays no calendar charge.
    """

    expiring: bool
    rows: Rows
    table: FloatArray
    calendar_rate: float


@dataclass(frozen=True, slots=True)
class _PoolRows:
    rows: Rows
    elm: FloatArray
    tiers: tuple[_Tier, ...]


class Universe:
    """Contracts valued once, so that many books over them can be margined by arithmetic alone."""

    __slots__ = ("_pools", "_row", "valuation")

    def __init__(self, *, prices: Mapping[Key, Decimal], market: MarginMarket, parameters: MarginParameters) -> None:
        """Value each (contract, product) of `prices`. Raises `MarketUnknown` where an index has no spot."""
        keys = tuple(prices)
        self.valuation: Valuation = value_contracts(
            contracts=[contract for contract, _ in keys],
            prices=list(prices.values()),
            market=market,
            parameters=parameters,
        )
        self._row = {key: row for row, key in enumerate(keys)}
        expiries = np.array([contract.expiry.toordinal() for contract, _ in keys])
        members: dict[Pool, list[int]] = {}
        for row, (contract, product) in enumerate(keys):
            members.setdefault((contract.index, product), []).append(row)
        self._pools = {
            pool: _pool_rows(np.array(rows), expiries, self.valuation, parameters) for pool, rows in members.items()
        }

    @classmethod
    def of(cls, lines: Iterable[MarginLine], *, market: MarginMarket, parameters: MarginParameters) -> Universe:
        """Value the contracts of `lines`; of several prices for a contract the first counts."""
        prices: dict[Key, Decimal] = {}
        for line in lines:
            prices.setdefault((line.contract, line.product), line.price)
        return cls(prices=prices, market=market, parameters=parameters)

    def row(self, contract: Contract, product: Product) -> int:
        """Return the row of a contract in `valuation`."""
        return self._row[contract, product]

    def quantities(self, lines: Iterable[MarginLine]) -> FloatArray:
        """Return the net signed units of each valued contract."""
        vector = np.zeros(len(self._row))
        for line in lines:
            vector[self._row[line.contract, line.product]] += line.quantity
        return vector

    def pools(self, quantities: FloatArray) -> dict[Pool, PoolMargin]:
        """Return the margin of each index and product for one vector of net units."""
        return {pool: _pool_margin(rows, quantities) for pool, rows in self._pools.items()}

    def total(self, quantities: FloatArray) -> float:
        """Return SPAN plus exposure margin of one vector of net units, in float rupees."""
        return sum(pool.total for pool in self.pools(quantities).values())

    def totals(self, quantities: FloatArray) -> FloatArray:
        """Return SPAN plus exposure margin of many books at once, in float rupees: [books, contracts] to [books].

        The same figures as `total` one by one; one matrix product for each pool and scan tier.
        """
        found = np.zeros(len(quantities))
        for pool in self._pools.values():
            span = np.zeros(len(quantities))
            for tier in pool.tiers:
                sums = quantities[:, tier.rows] @ tier.table
                span += np.maximum(sums[:, :SCENARIOS].max(axis=1), 0.0) - sums[:, SCENARIOS]
                if tier.calendar_rate:
                    span += _calendar_charge(sums[:, SCENARIOS + 1 :], tier.calendar_rate)
            found += np.maximum(span, 0.0)
            found -= np.minimum(quantities[:, pool.rows], 0.0) @ pool.elm
        return found


def _pool_rows(rows: IntArray, expiries: IntArray, value: Valuation, parameters: MarginParameters) -> _PoolRows:
    tiers = []
    for expiring in (True, False):
        inside = rows[value.expiring[rows] == expiring]
        if not len(inside):
            continue
        dates = np.unique(expiries[inside])
        deltas = np.where(expiries[inside][:, None] == dates, value.deltas[inside][:, None], 0.0)
        table = np.hstack((value.risk[inside], value.prices[inside][:, None], deltas))
        rate = float(value.spots[inside[0]]) * parameters.calendar_charge_pct / 100 if len(dates) > 1 else 0.0
        tiers.append(_Tier(expiring, _together(inside), table, rate))
    return _PoolRows(_together(rows), value.elm[rows], tuple(tiers))


def _together(rows: IntArray) -> Rows:
    """Return neighbours as a slice, through which many books are read without being copied."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows


def _pool_margin(pool: _PoolRows, quantities: FloatArray) -> PoolMargin:
    tiers: dict[bool, FloatArray] = {}
    nov = calendar = 0.0
    for tier in pool.tiers:
        sums = quantities[tier.rows] @ tier.table
        tiers[tier.expiring] = sums[:SCENARIOS]
        nov += float(sums[SCENARIOS])
        if tier.calendar_rate:
            calendar += float(_calendar_charge(sums[None, SCENARIOS + 1 :], tier.calendar_rate)[0])
    return PoolMargin(
        tiers=tiers,
        calendar=calendar,
        nov=nov,
        elm=float(np.maximum(-quantities[pool.rows], 0.0) @ pool.elm),
    )


def _calendar_charge(deltas: FloatArray, rate: float) -> FloatArray:
    """Return `rate` on the deltas that offset each other: [books, expiries] net units of delta to [books] rupees."""
    longs: FloatArray = np.maximum(deltas, 0.0).sum(axis=1)
    shorts: FloatArray = longs - deltas.sum(axis=1)
    matched: FloatArray = np.minimum(longs, shorts) * rate
    return matched


def rupees(value: float) -> Decimal:
    """Return float rupees as `Decimal`, to the paisa: how figures leave the margin maths."""
    return Decimal(repr(round(float(value), 2)))


def requirement(
    *, lines: Sequence[MarginLine], market: MarginMarket, parameters: MarginParameters
) -> MarginRequirement:
    """Return SPAN and exposure margin of a book in rupees (domain.md, SPAN as NSE Clearing and ICCL run it).

    Premium paid for longs is not in it: that is a cash debit beside it. Raises `MarketUnknown` without a spot.
    """
    universe = Universe.of(lines, market=market, parameters=parameters)
    pools = universe.pools(universe.quantities(lines))
    return MarginRequirement(
        scan=rupees(sum(pool.scan for pool in pools.values())),
        calendar=rupees(sum(pool.calendar for pool in pools.values())),
        nov=rupees(sum(pool.nov for pool in pools.values())),
        span=rupees(sum(pool.span for pool in pools.values())),
        elm=rupees(sum(pool.elm for pool in pools.values())),
        total=rupees(sum(pool.total for pool in pools.values())),
        scenario_losses={
            f"{index} {product} {'expiring' if tier else 'later'}": tuple(rupees(float(loss)) for loss in losses)
            for (index, product), pool in pools.items()
            for tier, losses in pool.tiers.items()
        },
    )
