"""The simulator's SPAN equals that of an independent calculator over a SPAN file, for books of one scan tier."""

from __future__ import annotations

import math
import random
from datetime import date
from decimal import Decimal
from statistics import NormalDist

import numpy as np
import pytest
from marginism import Position, SpanCalculator

from hedging.domain.instruments import Contract, Index, Product, Right
from hedging.simulator.margin import Holding, IndexState, MarginModel

TODAY = date(2026, 12, 1)
SPOT, LOT = 24_000.0, 65
SCAN, VOLATILITY, TURN, RATE, CALENDAR = 0.093, 0.14, 0.04, 0.066, 0.0175
NEAR, FAR = date(2026, 12, 8), date(2026, 12, 29)
YEARS = {TODAY: 0.26 / 365, NEAR: 7.26 / 365, FAR: 28.26 / 365}
STRIKES = range(21_600, 26_401, 300)
# The file's own order of scenarios: thirds of the scan range, volatility up and down, then the two extremes at 35 %.
SCENARIOS = [
    *((thirds / 3, turn, 1.0) for thirds in (0, 1, -1, 2, -2, 3, -3) for turn in (1, -1)),
    (2.0, 0, 0.35),
    (-2.0, 0, 0.35),
]
normal = NormalDist().cdf


def value_and_delta(spot, strike, right, years, volatility):
    """A textbook's Black-Scholes, one option at a time."""
    if years <= 0:
        return max(0.0, spot - strike if right is Right.CE else strike - spot), 0.0
    spread = volatility * math.sqrt(years)
    d1 = (math.log(spot / strike) + (RATE + volatility**2 / 2) * years) / spread
    present = strike * math.exp(-RATE * years)
    if right is Right.CE:
        return spot * normal(d1) - present * normal(d1 - spread), normal(d1)
    return present * normal(spread - d1) - spot * normal(-d1), normal(d1) - 1


def contracts():
    return [(expiry, right, strike) for expiry in YEARS for right in Right for strike in STRIKES]


def traded_price(expiry, right, strike):
    """What the option costs; the smile makes it differ from the model's own value."""
    return value_and_delta(SPOT, strike, right, YEARS[expiry], 0.12 + abs(strike / SPOT - 1))[0]


def risk_array(expiry, right, strike):
    later = max(0.0, YEARS[expiry] - 1 / 365)
    price = traded_price(expiry, right, strike)
    return [
        cover * (price - value_and_delta(SPOT * (1 + move * SCAN), strike, right, later, VOLATILITY + turn * TURN)[0])
        for move, turn, cover in SCENARIOS
    ]


def span_file():
    series = []
    for expiry in YEARS:
        options = []
        for right in Right:
            for strike in STRIKES:
                losses = "".join(f"<a>{loss!r}</a>" for loss in risk_array(expiry, right, strike))
                delta = value_and_delta(SPOT, strike, right, YEARS[expiry], VOLATILITY)[1]
                price = traded_price(expiry, right, strike)
                options.append(
                    f"<opt><o>{right.value[0]}</o><k>{strike}</k><p>{price!r}</p><d>{delta!r}</d>"
                    f"<ra><r>1</r>{losses}<d>{delta!r}</d></ra></opt>"
                )
        series.append(f"<series><pe>{expiry:%Y%m%d}</pe><cvf>1</cvf>{''.join(options)}</series>")
    legs = "".join(
        f"<pLeg><cc>NIFTY</cc><pe>{expiry:%Y%m%d}</pe><rs>{side}</rs><i>1</i></pLeg>"
        for side, expiry in (("A", NEAR), ("B", FAR))
    )
    return (
        f"<spanFile><fileFormat>4.00</fileFormat><pointInTime><date>{TODAY:%Y%m%d}</date><clearingOrg><ec>NSCCL</ec>"
        f"<exchange><oopPf><pfId>1</pfId><pfCode>NIFTY</pfCode><cvf>1</cvf>{''.join(series)}</oopPf></exchange>"
        f"<ccDef><cc>NIFTY</cc><dSpread><spread>1</spread><chargeMeth>F</chargeMeth>"
        f"<rate><val>{CALENDAR * SPOT!r}</val></rate>{legs}</dSpread></ccDef></clearingOrg></pointInTime></spanFile>"
    )


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    path = tmp_path_factory.mktemp("span") / "nsccl.20261201.s.spn"
    path.write_text(span_file(), encoding="utf-8")
    return SpanCalculator.from_file(str(path))


def simulated_span(book):
    state = IndexState(np.array([SPOT]), SPOT, {expiry: np.array([years]) for expiry, years in YEARS.items()})
    holdings = [
        Holding(
            Contract(Index.NIFTY, expiry, Decimal(strike), right),
            Product.NRML,
            quantity,
            np.array([traded_price(expiry, right, strike)]),
        )
        for (expiry, right, strike), quantity in book.items()
    ]
    return float(MarginModel(today=TODAY).requirement(holdings, {Index.NIFTY: state}).span[0])


def calculated(oracle, book):
    positions = [
        Position("NIFTY", right.value, quantity, expiry=expiry.isoformat(), strike=strike)
        for (expiry, right, strike), quantity in book.items()
    ]
    result = oracle.calculate(positions)
    assert not result.unmatched
    return result.by_commodity["NIFTY"]


def books(seed, expiries, count):
    rng = random.Random(seed)
    choices = [contract for contract in contracts() if contract[0] in expiries]
    return [
        {contract: rng.choice([-3, -2, -1, 1, 2]) * LOT for contract in rng.sample(choices, rng.randint(1, 6))}
        for _ in range(count)
    ]


@pytest.mark.parametrize("expiry", [TODAY, NEAR], ids=["on expiry day", "before expiry day"])
def test_scanning_risk_of_books_of_one_expiry_is_the_calculator_s(oracle, expiry):
    required = 0
    for book in books(f"one tier {expiry}", {expiry}, 150):
        expected, span = calculated(oracle, book), simulated_span(book)
        assert span == pytest.approx(expected.span_risk, rel=1e-9, abs=1e-6)
        if span > 0:
            required += 1
            assert span + expected.net_option_value == pytest.approx(expected.scan_risk, rel=1e-9, abs=1e-6)
    assert required > 75


def test_scanning_risk_and_calendar_charge_of_two_later_expiries_are_the_calculator_s(oracle):
    charged = 0
    for book in books("two expiries", {NEAR, FAR}, 150):
        expected = calculated(oracle, book)
        assert simulated_span(book) == pytest.approx(expected.span_risk, rel=1e-9, abs=1e-6)
        charged += expected.calendar_spread_charge > 0
    assert charged > 30


def test_the_expiring_tier_is_scanned_apart_which_the_calculator_does_not_do(oracle):
    """Protection that lives on does not count for what dies today: never less than one tier for all."""
    short, wing = (TODAY, Right.CE, 24_000), (NEAR, Right.CE, 24_300)
    book = {short: -LOT, wing: LOT}
    assert simulated_span(book) > calculated(oracle, book).span_risk * 2
