"""Books for the tests of margin, projection, optimizer and unwind: a NIFTY expiry week at 24,000, priced by one smile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from hedging.domain.charges import ChargeRates
from hedging.domain.entries import ComingEntry, EntryLeg
from hedging.domain.instruments import Contract, ContractSpec, Index, Product, Right, Side
from hedging.domain.margin import MarginLine, MarginMarket, MarginParameters, requirement
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.optimizer import Candidate, HedgeProblem, HeldWing
from hedging.domain.policy import HedgePolicy
from hedging.domain.pricing import black_scholes
from hedging.domain.risk import IST

SPOT = 24_000
LOT = 65
BUDGET = Decimal(1_000_000)
EXPIRY = date(2026, 12, 1)
NEXT_EXPIRY = date(2026, 12, 8)
SPEC = ContractSpec(Index.NIFTY, LOT, Decimal(50), Decimal("0.05"), 1800, 1, Decimal(200), Decimal(1000))
PARAMETERS = MarginParameters()
CALIBRATED = MarginProfile(error_pct=Decimal(1))


def at(hour: int, minute: int, day: date = EXPIRY) -> datetime:
    return datetime.combine(day, time(hour, minute), IST)


MORNING = at(10, 12)


def market(now: datetime = MORNING, spot: int = SPOT) -> MarginMarket:
    return MarginMarket(spots={Index.NIFTY: Decimal(spot)}, now=now)


def option(strike: float, right: Right, expiry: date = EXPIRY) -> Contract:
    return Contract(Index.NIFTY, expiry, Decimal(str(strike)), right)


def otm(points: int, right: Right, expiry: date = EXPIRY) -> Contract:
    return option(SPOT + points if right is Right.CE else SPOT - points, right, expiry)


def fair(contract: Contract, now: datetime = MORNING, volatility: float = 0.22, skew: float = 3.0) -> Decimal:
    """Price on a smile that rises with distance from the money, rounded to the tick, at least one tick."""
    years = max(0.0, market(now).years_to(contract.expiry))
    smile = volatility + skew * abs(float(contract.strike) / SPOT - 1)
    value = float(
        black_scholes(
            spot=SPOT,
            strike=float(contract.strike),
            years=years,
            volatility=smile,
            is_call=contract.right is Right.CE,
        )
    )
    return max(Decimal("0.05"), round(Decimal(str(value)) / SPEC.tick) * SPEC.tick)


def line(contract: Contract, units: int, now: datetime = MORNING, product: Product = Product.NRML) -> MarginLine:
    return MarginLine(contract, units, fair(contract, now), product)


def straddle(strike: int = SPOT, lots: int = 1, now: datetime = MORNING) -> tuple[MarginLine, ...]:
    return tuple(line(option(strike, right), -LOT * lots, now) for right in Right)


def entry(
    portfolio: str = "E4", strike: int = SPOT, lots: int = 1, now: datetime = MORNING, after_minutes: int = 4
) -> ComingEntry:
    legs = tuple(
        EntryLeg(option(strike, right), Side.SELL, LOT * lots, fair(option(strike, right), now)) for right in Right
    )
    return ComingEntry(portfolio, Index.NIFTY, EXPIRY, Product.NRML, now + timedelta(minutes=after_minutes), legs)


def candidates(now: datetime = MORNING, furthest: int = 1500) -> tuple[Candidate, ...]:
    found = []
    for points in range(50, furthest + 1, 50):
        for right in Right:
            ask = fair(otm(points, right), now)
            found.append(Candidate(otm(points, right), ask, max(Decimal("0.05"), ask - Decimal("0.10"))))
    return tuple(found)


def held(points: int, right: Right, lots: int, now: datetime = MORNING) -> HeldWing:
    contract = otm(points, right)
    return HeldWing(contract, lots, fair(contract, now))


def wing_lines(wings: Iterable[HeldWing]) -> tuple[MarginLine, ...]:
    return tuple(MarginLine(w.contract, w.lots * LOT, w.bid or Decimal("0.05"), Product.NRML) for w in wings)


def total(lines: Sequence[MarginLine], now: datetime = MORNING) -> Decimal:
    return requirement(lines=lines, market=market(now), parameters=PARAMETERS).total


def problem(
    book: Sequence[MarginLine],
    *,
    coming: tuple[ComingEntry, ...] = (),
    wings: tuple[HeldWing, ...] = (),
    now: datetime = MORNING,
    **changes: Any,
) -> HedgeProblem:
    """The problem of an account whose free funds are its budget; the wings are added to the book."""
    lines = (*book, *wing_lines(wings))
    used = total(lines, now)
    made = HedgeProblem(
        spec=SPEC,
        expiry=EXPIRY,
        product=Product.NRML,
        book=lines,
        coming=coming,
        candidates=candidates(now),
        wings=wings,
        market=market(now),
        parameters=PARAMETERS,
        policy=HedgePolicy(),
        profile=CALIBRATED,
        rates=ChargeRates(),
        budget=BUDGET,
        used_now=used,
        free_margin=BUDGET - used,
        cash=BUDGET - used,
        cost_cap_left=Decimal(50_000),
    )
    return replace(made, **changes)
