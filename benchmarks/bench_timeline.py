"""How long the whole-day timeline takes, beside the naive way: a requirement for each moment of each of its three lines.

`make bench`, or `python -m benchmarks.bench_timeline [--rounds 50]`. The day has 10 entries and 10 exits to come, 20 lines
in the book and a chain of 2 x 60 strikes. Figures are printed, never judged: a busy machine is slow for both, so read the
ratio. The budget is 20 ms. The naive way is also the check: both must find the same rupees.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from datetime import time as day_time
from decimal import Decimal

from hedging.domain.entries import ComingEntry, EntryLeg, PlannedExit, order_moments
from hedging.domain.instruments import Contract, ContractSpec, Index, Product, Right, Side
from hedging.domain.margin import MarginLine, MarginMarket, MarginParameters, requirement
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.policy import HedgePolicy
from hedging.domain.pricing import black_scholes
from hedging.domain.risk import IST
from hedging.domain.timeline import DayInputs, MomentKind, draw_day, lots_needed

DAY = date(2026, 12, 1)
NOW = datetime.combine(DAY, day_time(9, 20), IST)
SPOT, LOT, NRML = 24_000, 65, Product.NRML
SPEC = ContractSpec(Index.NIFTY, LOT, Decimal(50), Decimal("0.05"), 1800, 1, Decimal(200), Decimal(3000))
MARKET = MarginMarket(spots={Index.NIFTY: Decimal(SPOT)}, now=NOW)


def option(strike: int, right: Right) -> Contract:
    return Contract(Index.NIFTY, DAY, Decimal(strike), right)


def price(contract: Contract) -> Decimal:
    strike = float(contract.strike)
    value = black_scholes(
        spot=SPOT, strike=strike, years=MARKET.years_to(DAY), volatility=0.2 + 2 * abs(strike / SPOT - 1),
        is_call=contract.right is Right.CE,
    )  # fmt: skip
    return max(Decimal("0.05"), round(Decimal(float(value)) / SPEC.tick) * SPEC.tick)


def line(contract: Contract, lots: int) -> MarginLine:
    return MarginLine(contract, lots * LOT, price(contract), NRML)


def busy_day() -> DayInputs:
    """Return an expiry morning with five straddles and five pairs of wings in the book, and ten more to come and go."""
    shorts = [line(option(SPOT + 50 * n, right), -1) for n in range(-2, 3) for right in Right]
    wings = [
        line(option(SPOT + (out if right is Right.CE else -out), right), 1)
        for out in range(300, 550, 50)
        for right in Right
    ]
    coming = []
    for number in range(10):
        legs = [EntryLeg(option(SPOT, right), Side.SELL, LOT, price(option(SPOT, right))) for right in Right]
        at = NOW + timedelta(minutes=10 + 25 * number)
        leaves = at + timedelta(minutes=60) if number < 5 else None
        coming.append(ComingEntry(f"E{number}", Index.NIFTY, DAY, NRML, at, tuple(legs), exit_at=leaves))
    exits = tuple(
        PlannedExit(
            f"B{number}", NOW + timedelta(minutes=40 * (number + 1)), tuple(shorts[2 * number : 2 * number + 2])
        )
        for number in range(5)
    )
    strikes = [
        option(SPOT + sign * 50 * n, right) for right, sign in ((Right.CE, 1), (Right.PE, -1)) for n in range(60)
    ]
    return DayInputs(
        book=(*shorts, *wings),
        coming=tuple(coming),
        exits=exits,
        wings={wing.contract: wing.quantity for wing in wings},
        asks={contract: price(contract) for contract in strikes},
        spec=SPEC,
        expiry=DAY,
        product=NRML,
        market=MARKET,
        parameters=MarginParameters(),
        profile=MarginProfile(error_pct=Decimal(1)),
        policy=HedgePolicy(),
        budget=Decimal(3_000_000),
        used_now=Decimal(900_000),
        free_margin=Decimal(2_100_000),
    )


def naive(day: DayInputs) -> list[Decimal]:
    """Margin every moment's whole book from scratch, once for each of the three lines; the floor's wings are not sought."""
    leaving = [PlannedExit(e.portfolio, e.exit_at, e.lines) for e in day.coming if e.exit_at is not None]
    without = tuple(replace(wing, quantity=-wing.quantity) for wing in day.book if wing.contract in day.wings)

    def margin(*lines: MarginLine) -> Decimal:
        return requirement(lines=lines, market=day.market, parameters=day.parameters).total

    found = []
    now = margin(*day.book)
    for moment in order_moments(day.coming, (*day.exits, *leaving)):
        held = margin(*day.book, *moment.added)
        for _ in range(2):
            margin(*day.book, *moment.added, *without)
        if moment.completes_entry:
            found.append(held - now)
    return found


def milliseconds(work: Callable[[], object], rounds: int) -> list[float]:
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1000)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    day = busy_day()
    drawn = draw_day(day).moments[1:]
    ours = [(moment.held.used_after or Decimal(0)) - (day.used_now or Decimal(0)) for moment in drawn]
    assert len(drawn) == 20
    assert max(abs(a - b) for a, b in zip(ours, naive(day), strict=True)) < Decimal("0.05")
    crowded = replace(day, budget=Decimal(1_000_000), free_margin=Decimal(100_000))
    lost = [m for m in draw_day(crowded).moments if m.beyond_saving]
    entries = sum(moment.kind is MomentKind.ENTRY for moment in drawn)
    cases: tuple[tuple[str, Callable[[], object], int], ...] = (
        ("the day, three lines", lambda: draw_day(day), rounds),
        (f"the day, {len(lost)} of {entries} beyond saving", lambda: draw_day(crowded), rounds),
        ("lots that later entries need", lambda: lots_needed(day), rounds),
        ("a requirement for each moment", lambda: naive(day), max(3, rounds // 10)),
    )
    print("whole-day timeline: 10 entries, 10 exits, 20 book lines, 2 x 60 strikes; budget 20 ms")
    print(f"{'':36}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>8}")
    first = 0.0
    for name, work, times in cases:
        work()
        taken = sorted(milliseconds(work, times))
        middle = statistics.median(taken)
        first = first or middle
        print(f"{name:36}{middle:9.2f}{taken[int(0.99 * (len(taken) - 1))]:9.2f}{middle / first:8.1f}")


if __name__ == "__main__":
    main()
