"""How long a margin what-if takes, beside naive repricing and the PyPI package `marginism` in the same run.

`python -m benchmarks.bench_margin [--seconds 1]`. One what-if of 16 scenarios × 200 candidate books × 100 positions; the
peers do the same 200 books one by one. Then what one cycle spends: valuing a chain, one book, one projection. Figures are
printed, never judged: a busy machine is slow for all, so read the ratios. All do the same work and must agree, or it stops.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from marginism import Position, SpanCalculator

from hedging.domain.instruments import Contract, Index, Product, Right
from hedging.domain.margin import MarginLine, MarginMarket, MarginParameters, Universe, requirement
from hedging.domain.pricing import FloatArray, black_scholes
from hedging.domain.risk import IST, Valuation

SPOT, LOT, RATE, VOLATILITY = 24_000.0, 65, 0.066, 0.14
EXPIRY = date(2026, 12, 8)
NOW = datetime(2026, 12, 6, 10, 0, tzinfo=IST)
BOOKS, POSITIONS = 200, 100
PARAMETERS = MarginParameters()
MARKET = MarginMarket(spots={Index.NIFTY: Decimal(24_000)}, now=NOW)
YEARS = MARKET.years_to(EXPIRY)
SCENARIOS = [
    *((thirds / 3, turn, 1.0) for thirds in (0, 1, -1, 2, -2, 3, -3) for turn in (1, -1)),
    (2.0, 0, 0.35),
    (-2.0, 0, 0.35),
]
normal = NormalDist().cdf


def contracts(count: int) -> list[Contract]:
    """Return calls and puts around the money, half of each."""
    strikes = [int(SPOT) + 50 * (step - count // 4) for step in range(count // 2)]
    return [Contract(Index.NIFTY, EXPIRY, Decimal(strike), right) for strike in strikes for right in Right]


def priced(options: list[Contract], smile: float = 0.0) -> list[MarginLine]:
    """Return one unit of each; at a flat volatility the peers need no search for it."""
    lines = []
    for option in options:
        volatility = VOLATILITY + smile * abs(float(option.strike) / SPOT - 1)
        value = black_scholes(
            spot=SPOT,
            strike=float(option.strike),
            years=YEARS,
            volatility=volatility,
            is_call=option.right is Right.CE,
        )
        lines.append(MarginLine(option, 1, Decimal(repr(float(value))), Product.NRML))
    return lines


def plain_value(spot: float, strike: float, years: float, volatility: float, *, is_call: bool) -> float:
    spread = volatility * math.sqrt(years)
    d1 = (math.log(spot / strike) + RATE * years) / spread + spread / 2
    call = spot * normal(d1) - strike * math.exp(-RATE * years) * normal(d1 - spread)
    return call if is_call else call - spot + strike * math.exp(-RATE * years)


def naive_span(lines: list[MarginLine], units: list[float]) -> float:
    """Reprice every position in every scenario, the way a first version of such a program does."""
    worst, value = 0.0, 0.0
    for line, quantity in zip(lines, units, strict=True):
        value += quantity * float(line.price)
    for move, turn, cover in SCENARIOS:
        loss = 0.0
        for line, quantity in zip(lines, units, strict=True):
            after = plain_value(
                SPOT * (1 + move * PARAMETERS.price_scan_fraction),
                float(line.contract.strike),
                YEARS - 1 / 365,
                VOLATILITY + turn * PARAMETERS.volatility_scan,
                is_call=line.contract.right is Right.CE,
            )
            loss += cover * quantity * (float(line.price) - after)
        worst = max(worst, loss)
    return max(0.0, worst - value)


def span_file(lines: list[MarginLine], value: Valuation) -> str:
    options = []
    for row, line in enumerate(lines):
        losses = "".join(f"<a>{float(loss)!r}</a>" for loss in value.risk[row])
        options.append(
            f"<opt><o>{line.contract.right[0]}</o><k>{line.contract.strike}</k><p>{line.price}</p><d>0</d>"
            f"<ra><r>1</r>{losses}<d>0</d></ra></opt>"
        )
    return (
        f"<spanFile><fileFormat>4.00</fileFormat><pointInTime><date>{NOW:%Y%m%d}</date><clearingOrg><ec>NSCCL</ec>"
        f"<exchange><oopPf><pfId>1</pfId><pfCode>NIFTY</pfCode><cvf>1</cvf><series><pe>{EXPIRY:%Y%m%d}</pe><cvf>1</cvf>"
        f"{''.join(options)}</series></oopPf></exchange></clearingOrg></pointInTime></spanFile>"
    )


def calculator(lines: list[MarginLine], value: Valuation) -> SpanCalculator:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nsccl.spn"
        path.write_text(span_file(lines, value), encoding="utf-8")
        return SpanCalculator.from_file(str(path))


def oracle_span(oracle: SpanCalculator, lines: list[MarginLine], units: list[float]) -> float:
    positions = [
        Position(
            "NIFTY",
            line.contract.right.value,
            int(quantity),
            expiry=EXPIRY.isoformat(),
            strike=int(line.contract.strike),
        )
        for line, quantity in zip(lines, units, strict=True)
    ]
    return float(oracle.calculate(positions).by_commodity["NIFTY"].span_risk)


class Taken(NamedTuple):
    """Milliseconds of wall time: on a busy machine the fastest run says more than the median."""

    fastest: float
    median: float

    def times(self, count: int) -> Taken:
        return Taken(self.fastest * count, self.median * count)


def milliseconds(run: Callable[[], object], seconds: float, least: int = 5) -> Taken:
    """Return what single runs take, repeated over at least `seconds`."""
    run()
    taken: list[float] = []
    begins = time.perf_counter()
    while len(taken) < least or time.perf_counter() - begins < seconds:
        start = time.perf_counter()
        run()
        taken.append((time.perf_counter() - start) * 1000)
    return Taken(min(taken), statistics.median(taken))


def row(what: str, took: Taken, beside: Taken | None = None, goal: str = "") -> None:
    ratio = "" if beside is None else f"{took.median / beside.median:,.0f} ×"
    print(f"{what:<52}{took.fastest:>12,.3f}{took.median:>12,.3f} ms{ratio:>12}   {goal}")


def what_ifs(seconds: float) -> None:
    lines = priced(contracts(POSITIONS))
    universe = Universe.of(lines, market=MARKET, parameters=PARAMETERS)
    units: FloatArray = np.random.default_rng(5).integers(-4, 5, (BOOKS, POSITIONS)).astype(np.float64) * LOT
    oracle = calculator(lines, universe.valuation)
    plain = [[float(quantity) for quantity in book] for book in units]
    spans = np.array([sum(pool.span for pool in universe.pools(book).values()) for book in units])
    for name, peer in (
        ("naive repricing", [naive_span(lines, book) for book in plain[:5]]),
        ("marginism", [oracle_span(oracle, lines, book) for book in plain[:5]]),
    ):
        if not np.allclose(spans[:5], peer, rtol=1e-6):
            raise RuntimeError(f"{name} finds {peer} instead of {spans[:5]}")
    what = f"{BOOKS} books of {POSITIONS} positions in {len(SCENARIOS)} scenarios"
    print(f"{what:<52}{'fastest':>12}{'median':>12}{'ratio':>15}")
    batch = milliseconds(lambda: universe.totals(units), seconds)
    row("  Universe.totals", batch, goal="goal 0.3 ms")
    row("  Universe.total, one by one", milliseconds(lambda: [universe.total(b) for b in units], seconds), batch)
    part = plain[: BOOKS // 20]
    row(
        "  marginism, one by one",
        milliseconds(lambda: [oracle_span(oracle, lines, book) for book in part], seconds).times(20),
        batch,
    )
    row(
        "  naive repricing, one by one",
        milliseconds(lambda: [naive_span(lines, book) for book in part], seconds, least=1).times(20),
        batch,
    )


def one_cycle(seconds: float) -> None:
    print("what one cycle needs, for a chain of 2 × 100 contracts")
    for name, now in (("two days before expiry", NOW), ("expiry day", NOW + timedelta(days=2))):
        market = MarginMarket(spots=MARKET.spots, now=now)
        lines = priced(contracts(200), smile=1.5)
        prices = {(line.contract, line.product): line.price for line in lines}
        universe = Universe(prices=prices, market=market, parameters=PARAMETERS)
        units = universe.quantities(lines) * -LOT
        book = [MarginLine(line.contract, -LOT, line.price, line.product) for line in lines[90:110]]
        value = milliseconds(lambda p=prices, m=market: Universe(prices=p, market=m, parameters=PARAMETERS), seconds)  # type: ignore[misc]
        row(f"  value the chain, {name}", value)
        row(f"  one more book over it, {name}", milliseconds(lambda u=universe, b=units: u.total(b), seconds))  # type: ignore[misc]
        whole = milliseconds(lambda b=book, m=market: requirement(lines=b, market=m, parameters=PARAMETERS), seconds)  # type: ignore[misc]
        row(f"  a book of 20 from nothing, {name}", whole)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=0.5, help="wall time of each measurement")
    seconds = options.parse_args().seconds
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    what_ifs(seconds)
    one_cycle(seconds)


if __name__ == "__main__":
    main()
