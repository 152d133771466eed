"""Random books that need a hedge: part-stopped straddles with real premium bands, for the campaign and the benchmark."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from random import Random

from hedging.domain.charges import ChargeRates
from hedging.domain.entries import ComingEntry, EntryLeg
from hedging.domain.instruments import Contract, ContractSpec, Index, Product, Right, Side
from hedging.domain.margin import MarginLine, MarginMarket, MarginParameters, Universe
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.optimizer_types import Candidate, HedgeProblem, HeldWing
from hedging.domain.policy import HedgePolicy, Relaxation
from hedging.domain.pricing import black_scholes
from hedging.domain.risk import IST

DAY = date(2026, 12, 1)
PARAMETERS = MarginParameters()
NO_RELAXATION = (Relaxation.NONE,)


@dataclass(frozen=True, slots=True)
class Underlying:
    """An index as the books know it: its contract terms and its level."""

    spec: ContractSpec
    level: int


NIFTY = Underlying(
    ContractSpec(Index.NIFTY, 65, Decimal(50), Decimal("0.05"), 1800, 1, Decimal(200), Decimal(1000)), 24_000
)
SENSEX = Underlying(
    ContractSpec(Index.SENSEX, 20, Decimal(100), Decimal("0.05"), 1000, 1, Decimal(500), Decimal(2500)), 78_000
)


@dataclass(frozen=True, slots=True)
class Day:
    """Prices of one day: everything on one smile, so that a book and its candidates agree."""

    underlying: Underlying
    now: datetime
    expiry: date
    volatility: float
    skew: float

    @property
    def market(self) -> MarginMarket:
        level = Decimal(self.underlying.level)
        return MarginMarket(spots={self.underlying.spec.index: level}, now=self.now)

    def option(self, points: int, right: Right) -> Contract:
        """Return the option `points` out of the money."""
        strike = self.underlying.level + (points if right is Right.CE else -points)
        return Contract(self.underlying.spec.index, self.expiry, Decimal(strike), right)

    def fair(self, contract: Contract) -> Decimal:
        return _fair(self, contract)

    def line(self, contract: Contract, lots: int) -> MarginLine:
        return MarginLine(contract, lots * self.underlying.spec.lot, self.fair(contract), Product.NRML)


@lru_cache(maxsize=4096)
def _fair(day: Day, contract: Contract) -> Decimal:
    level, tick = day.underlying.level, day.underlying.spec.tick
    value = black_scholes(
        spot=level,
        strike=float(contract.strike),
        years=max(0.0, day.market.years_to(contract.expiry)),
        volatility=day.volatility + day.skew * abs(float(contract.strike) / level - 1),
        is_call=contract.right is Right.CE,
    )
    return max(tick, round(Decimal(repr(float(value))) / tick) * tick)


def random_day(random: Random) -> Day:
    """Return a day between the morning of expiry and four days before it, calm or wild."""
    underlying = random.choice([NIFTY, NIFTY, SENSEX])
    ahead = random.choice([0, 0, 0, 1, 2])
    now = datetime(2026, 12, 1, random.randint(9, 13), random.randint(20, 59), tzinfo=IST)
    calm, wild = (0.14, 0.28) if ahead == 0 else (0.09, 0.15)
    return Day(underlying, now, DAY + timedelta(days=ahead), random.uniform(calm, wild), random.uniform(0.5, 2.5))


def random_book(
    seed: int,
    *,
    strikes: int | None = None,
    most_lots: int = 4,
    replacing: bool | None = None,
    all_eligible: bool = False,
) -> HedgeProblem:
    """Return a book of two to five part-stopped straddles with an entry or two coming, hedges held in some.

    `strikes` narrows what is on offer to so many a side, at random and at any premium; `None` offers the whole chain in
    the usual band. One level of relaxation, so that an answer is comparable with any other way of solving.
    """
    random = Random(seed)
    day = random_day(random)
    if all_eligible:
        day = _fine(day, strikes or 1)
    spec = day.underlying.spec
    step = int(spec.strike_step)
    unit = random.randint(1, most_lots)
    book: list[MarginLine] = []
    for _ in range(random.randint(2, 5)):
        away = step * random.randint(-3, 3)
        book += [
            day.line(day.option(away if right is Right.CE else -away, right), -unit)
            for right in Right
            if random.random() < 0.8
        ]
    offered = _offered(random, day, strikes)
    wings = _wings(random, day, unit) if (random.random() < 0.3 if replacing is None else replacing) else ()
    book += [day.line(wing.contract, wing.lots) for wing in wings]
    coming = tuple(_entry(day, f"E{number}", unit, number) for number in range(1, random.choice([2, 2, 3])))
    policy = HedgePolicy(relaxations=NO_RELAXATION)
    if strikes is not None:
        policy = replace(policy, min_premium=Decimal("0.05"), max_premium=Decimal(100_000))
    profile = MarginProfile(
        premium_counted=random.random() < 0.3,
        scale=Decimal(random.choice(["0.95", "1", "1", "1.04"])),
        error_pct=Decimal(1),
    )
    lines = [*book, *(line for entry in coming for line in entry.lines)]
    universe = Universe.of(lines, market=day.market, parameters=PARAMETERS)
    now, after = (Decimal(round(universe.total(universe.quantities(found)))) * profile.scale for found in (book, lines))
    budget = (after * Decimal(random.randint(75, 104)) / 100).quantize(Decimal(1))
    room = ((after - now) * Decimal(random.randint(80, 160)) / 100).quantize(Decimal(1))
    return HedgeProblem(
        spec=spec,
        expiry=day.expiry,
        product=Product.NRML,
        book=tuple(book),
        coming=coming,
        candidates=offered,
        wings=wings,
        market=day.market,
        parameters=PARAMETERS,
        policy=policy,
        profile=profile,
        rates=ChargeRates(),
        budget=budget,
        used_now=now,
        free_margin=max(room, Decimal(1)),
        cash=Decimal(random.choice([20_000, 100_000, 400_000])) * unit,
        cost_cap_left=Decimal(random.choice([1_000, 4_000, 50_000])) * unit,
        time_limit_seconds=20.0,
    )


def _fine(day: Day, strikes: int) -> Day:
    """Return the day with a strike step that lays `strikes` of them evenly between both distance bounds."""
    spec = day.underlying.spec
    step = ((spec.otm_max - spec.otm_min) / 2 / strikes // 5) * 5
    narrow = replace(spec, strike_step=max(Decimal(5), step))
    return replace(day, underlying=replace(day.underlying, spec=narrow))


def _offered(random: Random, day: Day, strikes: int | None) -> tuple[Candidate, ...]:
    spec = day.underlying.spec
    offered = []
    for right in Right:
        points = list(range(int(spec.strike_step), int(spec.otm_max) + 1, int(spec.strike_step)))
        if strikes is not None:
            points = [p for p in points if p >= spec.otm_min]
            points = sorted(random.sample(points, min(strikes, len(points))))
        for away in points:
            contract = day.option(away, right)
            ask = day.fair(contract) + spec.tick * random.choice([0, 0, 1, 2, 5, 15])
            depth = random.choice([None, None, None, None, 1, 3, 8])
            offered.append(Candidate(contract, ask, max(spec.tick, ask - spec.tick * random.randint(1, 4)), depth))
    return tuple(offered)


def _wings(random: Random, day: Day, unit: int) -> tuple[HeldWing, ...]:
    far = int(day.underlying.spec.otm_max)
    step = int(day.underlying.spec.strike_step)
    return tuple(
        HeldWing(contract, random.randint(1, 2 * unit), day.fair(contract), random.choice([None, None, 1]))
        for right in Right
        for contract in [day.option(far - step * random.randint(0, 6), right)]
    )


def _entry(day: Day, portfolio: str, lots: int, number: int) -> ComingEntry:
    legs = tuple(
        EntryLeg(option, Side.SELL, lots * day.underlying.spec.lot, day.fair(option))
        for option in (day.option(0, right) for right in Right)
    )
    at = day.now + timedelta(minutes=2 * number)
    return ComingEntry(portfolio, day.underlying.spec.index, day.expiry, Product.NRML, at, legs)


def eligible_book(seed: int, each_side: int, *, most_lots: int = 15, replacing: bool = False) -> HedgeProblem:
    """Return a book with `each_side` strikes in band and bounds on both sides: what the speed depends on.

    The strike step is narrowed so that all of them lie where premium still tells them apart.
    """
    return random_book(seed, most_lots=most_lots, replacing=replacing, strikes=each_side, all_eligible=True)
