"""Probes: baskets of one lot whose margin tells what a broker's numbers mean, and which rates it charges by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hedging.domain.instruments import Contract, ContractSpec, Index, Product, Right, Side, nearest_strike
from hedging.domain.margin import MarginLine, MarginMarket

HUNDRED = Decimal(100)
STRIKE_TOLERANCE = Decimal("0.006")
LIKELY_PCT = (Decimal(1), Decimal(60))
"""What a basket that sells one lot can cost alone, in percent of one lot's notional value for each short leg."""


class ProbeUnanswered(Exception):
    """A probe cannot be asked, or its answer is no margin. The message says which; nothing may be learned from it."""


@dataclass(frozen=True, slots=True)
class ProbeLeg:
    """One lot of the option nearest to `otm_pct` percent out of the money (0: at the money)."""

    side: Side
    right: Right
    otm_pct: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Probe:
    """A basket by name. `needed`: without it nothing can be said. `decides`: hedges are judged by baskets like it."""

    name: str
    legs: tuple[ProbeLeg, ...]
    needed: bool = False
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Basket:
    """A probe whose every leg is a listed contract with a price: signed units, rupees a unit."""

    probe: Probe
    lines: tuple[MarginLine, ...]

    @property
    def bought(self) -> Decimal:
        """Return the rupees of premium that its buys pay."""
        return sum((line.price * line.quantity for line in self.lines if line.quantity > 0), Decimal(0))

    @property
    def sold(self) -> Decimal:
        """Return the rupees of premium that its sells receive."""
        return sum((-line.price * line.quantity for line in self.lines if line.quantity < 0), Decimal(0))


@dataclass(frozen=True, slots=True)
class Reading:
    """A basket and the broker's `total_margin_required` for it, in rupees."""

    basket: Basket
    answer: Decimal


def _wings(otm_pct: int) -> tuple[ProbeLeg, ...]:
    return tuple(ProbeLeg(Side.BUY, right, Decimal(otm_pct)) for right in Right)


_CALL, _PUT = ProbeLeg(Side.SELL, Right.CE), ProbeLeg(Side.SELL, Right.PE)
STRADDLE = Probe("straddle", (_CALL, _PUT), needed=True, decides=True)
PROBES = (
    Probe("short call", (_CALL,)),
    Probe("short put", (_PUT,)),
    STRADDLE,
    Probe("straddle, wings at 2 %", (_CALL, _PUT, *_wings(2)), needed=True, decides=True),
    Probe("straddle, wings at 4 %", (_CALL, _PUT, *_wings(4)), decides=True),
    # Where wings are not netted, these two tell the scan range from the exposure rates: the first is charged the plain
    # rate and the extreme scenario only, the second the deep rate.
    Probe("short call 8 % out", (ProbeLeg(Side.SELL, Right.CE, Decimal(8)),)),
    Probe("short call 11 % out", (ProbeLeg(Side.SELL, Right.CE, Decimal(11)),)),
    Probe("long wing", (ProbeLeg(Side.BUY, Right.CE, Decimal(2)),)),
    # Two bought legs beside a book that is short: released margin shows that the book is counted.
    Probe("both wings", _wings(2)),
)


def resolve(
    *, spec: ContractSpec, product: Product, market: MarginMarket, prices: Mapping[Contract, Decimal]
) -> tuple[Basket, ...]:
    """Return the probes of which every leg is listed and priced; `prices` (rupees) are of one index and expiry.

    A leg that a server does not know would drop out of its sum without a word, so none is asked for. Raises
    `ProbeUnanswered` where a probe that is needed has no prices, or the index no spot.
    """
    spot = market.spots.get(spec.index)
    if spot is None:
        raise ProbeUnanswered(f"no spot for {spec.index}")
    baskets = []
    for probe in PROBES:
        lines = tuple(_lines(probe, spec=spec, product=product, market=market, prices=prices))
        if len(lines) == len(probe.legs):
            baskets.append(Basket(probe, lines))
        elif probe.needed:
            raise ProbeUnanswered(f"no prices for the probe {probe.name!r}")
    return tuple(baskets)


def _lines(
    probe: Probe, *, spec: ContractSpec, product: Product, market: MarginMarket, prices: Mapping[Contract, Decimal]
) -> Iterator[MarginLine]:
    spot = market.spots[spec.index]
    for leg in probe.legs:
        # What is deep out of the money is counted from yesterday's close, a wing's distance from the spot.
        base = market.previous_closes.get(spec.index, spot) if leg.otm_pct > 5 else spot
        way = 1 if leg.right is Right.CE else -1
        wanted = nearest_strike(base * (1 + way * leg.otm_pct / HUNDRED), spec.strike_step)
        furthest = max(spec.strike_step, spot * STRIKE_TOLERANCE) if leg.otm_pct else spec.strike_step
        contract = _nearest(prices, leg.right, wanted, furthest)
        if contract is not None:
            yield MarginLine(contract, leg.side.sign * spec.lot, prices[contract], product)


def _nearest(prices: Mapping[Contract, Decimal], right: Right, wanted: Decimal, furthest: Decimal) -> Contract | None:
    near = [c for c in prices if c.right is right and abs(c.strike - wanted) <= furthest]
    return min(near, key=lambda contract: (abs(contract.strike - wanted), contract), default=None)


def refuse_implausible(readings: Sequence[Reading], *, spot: Decimal, index: Index, alone: bool) -> None:
    """Raise `ProbeUnanswered` for an answer that no margin of its basket can be (domain.md, what a broker's numbers mean).

    `alone`: the account holds nothing, so that the answer has an upper bound, too.
    """
    for reading in readings:
        shorts = [line for line in reading.basket.lines if line.quantity < 0]
        lot_value = spot * max(abs(line.quantity) for line in reading.basket.lines)
        share = reading.answer / lot_value * HUNDRED
        least, most = (LIKELY_PCT[0], LIKELY_PCT[1] * len(shorts)) if shorts else (Decimal(-5), Decimal(25))
        if alone and not least <= share <= most:
            raise ProbeUnanswered(
                f"{reading.answer} for the probe {reading.basket.probe.name!r} of {index} is {share:.1f} % of the lot's value"
            )
