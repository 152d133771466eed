"""The margin against two others: a published calculator over a SPAN file of our arrays, and the simulator's own margin."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache

import numpy as np
import pytest
from marginism import Position, SpanCalculator

from hedging.domain.instruments import Contract, Index, Product, Right
from hedging.domain.margin import MarginLine, MarginMarket, MarginParameters, Universe, requirement
from hedging.domain.pricing import black_scholes
from hedging.domain.risk import IST, value_contracts
from hedging.simulator.margin import Holding, IndexState, MarginModel
from hedging.simulator.margin import MarginParameters as SimulatedParameters

TODAY = date(2026, 12, 1)
NEXT, FAR, LONG_DATED = TODAY + timedelta(days=7), TODAY + timedelta(days=28), date(2027, 12, 28)
LEVELS = {Index.NIFTY: (24_000.0, 24_110.0, 50, 65), Index.SENSEX: (78_000.0, 77_650.0, 100, 20)}
PARAMETERS = MarginParameters()
BOOKS = 200


def market(now):
    return MarginMarket(
        spots={index: Decimal(str(level[0])) for index, level in LEVELS.items()},
        now=now,
        previous_closes={index: Decimal(str(level[1])) for index, level in LEVELS.items()},
    )


def price(now, contract, skew=0.0):
    """The price at 14 %, or on a smile that rises by `skew` with the distance from the money."""
    spot = LEVELS[contract.index][0]
    volatility = 0.14 + skew * abs(float(contract.strike) / spot - 1)
    years = max(0.0, market(now).years_to(contract.expiry))
    is_call = contract.right is Right.CE
    value = black_scholes(spot=spot, strike=float(contract.strike), years=years, volatility=volatility, is_call=is_call)
    return Decimal(repr(float(value)))


# --- a published calculator, over a file of our arrays ------------------------------------------------------------------


@cache
def file_contracts():
    return tuple(
        Contract(Index.NIFTY, expiry, Decimal(strike), right)
        for expiry in (TODAY, NEXT, FAR)
        for right in Right
        for strike in range(21_600, 26_401, 300)
    )


@cache
def file_prices(now):
    return {contract: price(now, contract, skew=1.0) for contract in file_contracts()}


def span_file(now):
    """A SPAN file whose risk arrays are ours, so that only the scan over them is the calculator's."""
    prices = file_prices(now)
    value = value_contracts(
        contracts=file_contracts(), prices=list(prices.values()), market=market(now), parameters=PARAMETERS
    )
    series: dict[date, list[str]] = {}
    for row, contract in enumerate(file_contracts()):
        losses = "".join(f"<a>{float(loss)!r}</a>" for loss in value.risk[row])
        delta = f"<d>{float(value.deltas[row])!r}</d>"
        series.setdefault(contract.expiry, []).append(
            f"<opt><o>{contract.right[0]}</o><k>{contract.strike}</k><p>{prices[contract]}</p>{delta}"
            f"<ra><r>1</r>{losses}{delta}</ra></opt>"
        )
    expiries = "".join(
        f"<series><pe>{expiry:%Y%m%d}</pe><cvf>1</cvf>{''.join(options)}</series>" for expiry, options in series.items()
    )
    charge = PARAMETERS.calendar_charge_pct / 100 * LEVELS[Index.NIFTY][0]
    legs = "".join(
        f"<pLeg><cc>NIFTY</cc><pe>{expiry:%Y%m%d}</pe><rs>{side}</rs><i>1</i></pLeg>"
        for side, expiry in (("A", NEXT), ("B", FAR))
    )
    return (
        f"<spanFile><fileFormat>4.00</fileFormat><pointInTime><date>{now:%Y%m%d}</date><clearingOrg><ec>NSCCL</ec>"
        f"<exchange><oopPf><pfId>1</pfId><pfCode>NIFTY</pfCode><cvf>1</cvf>{expiries}</oopPf></exchange><ccDef>"
        f"<cc>NIFTY</cc><dSpread><spread>1</spread><chargeMeth>F</chargeMeth><rate><val>{charge!r}</val></rate>{legs}"
        f"</dSpread></ccDef></clearingOrg></pointInTime></spanFile>"
    )


@pytest.fixture(scope="module")
def calculator(tmp_path_factory):
    made = {}

    def at(now):
        if now not in made:
            path = tmp_path_factory.mktemp("span") / "nsccl.spn"
            path.write_text(span_file(now), encoding="utf-8")
            made[now] = SpanCalculator.from_file(str(path))
        return made[now]

    return at


def calculated(oracle, book):
    positions = [
        Position("NIFTY", c.right.value, quantity, expiry=c.expiry.isoformat(), strike=int(c.strike))
        for c, quantity in book.items()
    ]
    result = oracle.calculate(positions)
    assert not result.unmatched
    return result.by_commodity["NIFTY"]


def ours(now, book):
    lines = [MarginLine(c, quantity, file_prices(now)[c], Product.NRML) for c, quantity in book.items()]
    universe = Universe.of(lines, market=market(now), parameters=PARAMETERS)
    [pool] = universe.pools(universe.quantities(lines)).values()
    return pool


def random_books(seed, expiries, count):
    rng = random.Random(seed)
    choices = [contract for contract in file_contracts() if contract.expiry in expiries]
    return [
        {c: rng.choice([-3, -2, -1, 1, 2]) * 65 for c in rng.sample(choices, rng.randint(1, 6))} for _ in range(count)
    ]


EXPIRY_MORNING = datetime.combine(TODAY, time(10, 12), IST)
DAY_BEFORE = datetime.combine(TODAY - timedelta(days=1), time(11, 0), IST)


@pytest.mark.parametrize(
    ("now", "expiry"),
    [(EXPIRY_MORNING, TODAY), (EXPIRY_MORNING, NEXT), (DAY_BEFORE, TODAY)],
    ids=["expires today", "expires next week", "expires tomorrow"],
)
def test_scanning_risk_of_books_of_one_tier_is_the_published_calculator_s(calculator, now, expiry):
    required = 0
    for book in random_books(f"{now} {expiry}", {expiry}, BOOKS):
        expected, pool = calculated(calculator(now), book), ours(now, book)
        assert pool.scan == pytest.approx(expected.scan_risk, rel=1e-9, abs=1e-6)
        assert pool.span == pytest.approx(expected.span_risk, rel=1e-9, abs=1e-6)
        required += pool.scan > 0
    assert required > BOOKS / 2


def test_the_calendar_charge_of_two_later_expiries_is_the_published_calculator_s(calculator):
    charged = 0
    for book in random_books("two expiries", {NEXT, FAR}, BOOKS):
        expected, pool = calculated(calculator(EXPIRY_MORNING), book), ours(EXPIRY_MORNING, book)
        assert pool.scan == pytest.approx(expected.scan_risk, rel=1e-9, abs=1e-6)
        assert pool.calendar == pytest.approx(expected.calendar_spread_charge, rel=1e-9, abs=1e-6)
        charged += expected.calendar_spread_charge > 0
    assert charged > 30


# --- the simulator's margin, written separately -------------------------------------------------------------------------


def simulated(now, book, parameters):
    states = {}
    expiries = {contract.expiry for contract, _ in book}
    for index, (spot, close, _, _) in LEVELS.items():
        years = {expiry: np.array([max(0.0, market(now).years_to(expiry))]) for expiry in expiries}
        states[index] = IndexState(np.array([spot]), close, years)
    holdings = [
        Holding(contract, product, quantity, np.array([float(price(now, contract))]))
        for (contract, product), quantity in book.items()
    ]
    return MarginModel(today=now.date(), parameters=parameters).requirement(holdings, states)


def mixed_book(rng, expiries):
    """Up to ten holdings: near and deep out of the money, in both indices and products, of several expiries."""
    book: dict[tuple[Contract, Product], int] = {}
    for _ in range(rng.randint(1, 10)):
        index = rng.choice(list(LEVELS))
        spot, _, step, lot = LEVELS[index]
        reach = rng.choice([0, 4, 20, 66])  # the last lies beyond 10 %, where the exposure rate is higher
        strike = Decimal(int(spot) + rng.randint(-reach, reach) * step)
        contract = Contract(index, rng.choice(expiries), strike, rng.choice(list(Right)))
        book[contract, rng.choice(list(Product))] = rng.choice([-4, -2, -1, 1, 3]) * lot
    return book


DAYS = {
    "expiry morning": EXPIRY_MORNING,
    "expiry afternoon": datetime.combine(TODAY, time(15, 20), IST),
    "the day before": DAY_BEFORE,
    "two days before": datetime.combine(TODAY - timedelta(days=2), time(9, 30), IST),
}
# The two take the delta of the calendar charge at different moments (now, or a day on): without look-ahead they are one,
# and what expires today is left out, since there we always look ahead to its intrinsic value.
LOOK_AHEAD = {
    "one expiry a tier": (1.0, lambda rng: [TODAY, rng.choice([NEXT, FAR, LONG_DATED])]),
    "many expiries, no look-ahead": (0.0, lambda _: [NEXT, FAR, LONG_DATED]),
}


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("kind", LOOK_AHEAD)
def test_the_simulator_s_margin_agrees_under_the_same_parameters(day, kind):
    now = DAYS[day]
    days_ahead, choose = LOOK_AHEAD[kind]
    expiring = now.date() == TODAY
    our_parameters = MarginParameters(look_ahead_days=days_ahead)
    their_parameters = SimulatedParameters(look_ahead_days=days_ahead)
    rng = random.Random(f"{day} {kind}")
    charged = deep = 0
    for _ in range(100):
        expiries = choose(rng)
        if kind == "one expiry a tier" and not expiring:
            expiries = expiries[:1]
        book = mixed_book(rng, expiries)
        lines = [MarginLine(c, quantity, price(now, c), product) for (c, product), quantity in book.items()]
        found = requirement(lines=lines, market=market(now), parameters=our_parameters)
        expected = simulated(now, book, their_parameters)
        assert float(found.span) == pytest.approx(float(expected.span[0]), rel=1e-9, abs=0.05)
        assert float(found.elm) == pytest.approx(float(expected.elm[0]), rel=1e-9, abs=0.05)
        charged += found.calendar > 0
        deep += any(abs(float(c.strike) / LEVELS[c.index][0] - 1) > 0.1 for c, _ in book)
    assert deep > 10
    assert (charged > 5) == (kind == "many expiries, no look-ahead")
