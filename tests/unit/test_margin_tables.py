"""The margin tables and anchors that are published for NIFTY and SENSEX, row by row, on a normal day and an expiry day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pytest

from hedging.domain.instruments import Contract, Index, Product, Right
from hedging.domain.margin import MarginLine, MarginMarket, MarginParameters, MarginRequirement, requirement
from hedging.domain.pricing import black_scholes
from hedging.domain.risk import IST, risk_arrays

LAKH = 100_000
EXPIRY = date(2026, 12, 1)
NEXT_EXPIRY = EXPIRY + timedelta(days=7)
NORMAL = datetime.combine(EXPIRY - timedelta(days=2), time(15, 30), IST)
EXPIRY_DAY = datetime.combine(EXPIRY, time(9, 20), IST)


@dataclass(frozen=True)
class Lot:
    """One lot of an index at the level of the tables: both are 15.6 lakh of notional."""

    index: Index
    spot: int
    units: int

    def line(self, now, percent, right, sign, expiry=EXPIRY):
        """`percent` out of the money; priced at a flat volatility of 14 %."""
        strike = round(self.spot * (1 + percent / 100 * (1 if right is Right.CE else -1)), 2)
        years = max(0.0, self.market(now).years_to(expiry))
        value = black_scholes(spot=self.spot, strike=strike, years=years, volatility=0.14, is_call=right is Right.CE)
        contract = Contract(self.index, expiry, Decimal(str(strike)), right)
        return MarginLine(contract, sign * self.units, Decimal(str(float(value))), Product.NRML)

    def market(self, now):
        return MarginMarket(spots={self.index: Decimal(self.spot)}, now=now)

    def margin(self, now, *legs) -> MarginRequirement:
        """`legs`: (percent, right, sign) or the same with an expiry."""
        lines = [self.line(now, *leg) for leg in legs]
        return requirement(lines=lines, market=self.market(now), parameters=MarginParameters())


LOTS = (Lot(Index.NIFTY, 24_000, 65), Lot(Index.SENSEX, 78_000, 20))
STRADDLE = tuple((0, right, -1) for right in Right)


def wings(percent):
    return tuple((percent, right, 1) for right in Right)


TABLE = {
    "straddle": (STRADDLE, 2.06, 2.69),
    "wings at 1 %": ((*STRADDLE, *wings(1)), 0.78, 1.41),
    "wings at 2 %": ((*STRADDLE, *wings(2)), 0.93, 1.57),
    "wings at 3 %": ((*STRADDLE, *wings(3)), 1.09, 1.72),
    "wings at 5 %": ((*STRADDLE, *wings(5)), 1.39, 2.02),
    "wings at 9.3 %": ((*STRADDLE, *wings(9.3)), 2.06, 2.69),
    "wings at 12 %": ((*STRADDLE, *wings(12)), 2.06, 2.69),
    "call wing only": ((*STRADDLE, wings(2)[0]), 2.06, 2.69),
    "put wing only": ((*STRADDLE, wings(2)[1]), 2.06, 2.69),
    "naked call": (STRADDLE[:1], 1.76, 2.07),
    "naked put": (STRADDLE[1:], 1.76, 2.07),
}


@pytest.mark.parametrize("lot", LOTS, ids=lambda lot: lot.index)
@pytest.mark.parametrize("row", TABLE)
def test_every_row_of_the_published_table_is_met_within_two_percent(lot, row):
    legs, normal, expiry_day = TABLE[row]
    assert float(lot.margin(NORMAL, *legs).total) == pytest.approx(normal * LAKH, rel=0.02)
    assert float(lot.margin(EXPIRY_DAY, *legs).total) == pytest.approx(expiry_day * LAKH, rel=0.02)


@pytest.mark.parametrize("lot", LOTS, ids=lambda lot: lot.index)
@pytest.mark.parametrize("now", [NORMAL, EXPIRY_DAY], ids=["normal day", "expiry day"])
class TestWhatAWingReleases:
    """The rules of thumb that follow from the table."""

    def released(self, lot, now, *legs):
        """The share of the straddle's margin that `legs` release."""
        bare = lot.margin(now, *STRADDLE).total
        return float((bare - lot.margin(now, *STRADDLE, *legs).total) / bare)

    @pytest.mark.parametrize("side", [0, 1], ids=["call", "put"])
    def test_one_wing_alone_releases_next_to_nothing(self, lot, now, side):
        bare = float(lot.margin(now, *STRADDLE).total)
        assert 0 <= self.released(lot, now, wings(2)[side]) * bare <= 2_000

    def test_wings_ten_percent_away_release_less_than_one_and_a_half_percent(self, lot, now):
        assert 0 <= self.released(lot, now, *wings(10)) < 0.015

    def test_the_release_has_a_ceiling(self, lot, now):
        ceiling = 0.70 if now == NORMAL else 0.54
        assert self.released(lot, now, *wings(0.2)) < ceiling
        assert self.released(lot, now, *wings(0.01)) == pytest.approx(ceiling, abs=0.005)

    def test_nearer_wings_release_more(self, lot, now):
        shares = [self.released(lot, now, *wings(percent)) for percent in (9, 7, 5, 3, 2, 1)]
        assert shares == sorted(shares)

    def test_a_second_set_of_wings_adds_little(self, lot, now):
        once = self.released(lot, now, *wings(2))
        assert 0 <= self.released(lot, now, *wings(2), *wings(2)) - once < 0.16 * once

    def test_wings_never_touch_the_exposure_margin(self, lot, now):
        assert lot.margin(now, *STRADDLE).elm == lot.margin(now, *STRADDLE, *wings(1)).elm


@pytest.mark.parametrize("lot", LOTS, ids=lambda lot: lot.index)
def test_a_wing_of_next_week_releases_nothing_of_what_expires_today(lot):
    bare, same, crossed = (
        float(lot.margin(EXPIRY_DAY, *STRADDLE, *legs).total)
        for legs in ((), wings(2), tuple((*leg, NEXT_EXPIRY) for leg in wings(2)))
    )
    assert bare - same > 0.4 * bare
    assert abs(bare - crossed) < 2_000


@pytest.mark.parametrize("lot", LOTS, ids=lambda lot: lot.index)
@pytest.mark.parametrize("days", [1, 2, 4, 6])
@pytest.mark.parametrize("right", list(Right))
def test_span_of_a_weekly_short_at_the_money_is_8_9_to_9_8_percent_of_spot(lot, days, right):
    now = datetime.combine(EXPIRY - timedelta(days=days), time(15, 30), IST)
    share = float(lot.margin(now, (0, right, -1)).span) / (lot.spot * lot.units)
    assert 0.089 <= share <= 0.098


def test_the_published_array_of_a_future_is_met():
    """NSE Clearing, NIFTY, scan range 2235.63: scenario 15 is -1561.89. A long call less a put at a strike is a future."""
    spot = 2235.63 / 0.093
    market = MarginMarket(spots={Index.NIFTY: Decimal(str(spot))}, now=NORMAL)
    pair = [
        Decimal(str(float(black_scholes(spot=spot, strike=spot, years=2 / 365, volatility=0.14, is_call=call))))
        for call in (True, False)
    ]
    contracts = [Contract(Index.NIFTY, EXPIRY, Decimal(str(spot)), right) for right in Right]
    call, put = risk_arrays(contracts=contracts, prices=pair, market=market, parameters=MarginParameters())
    assert (call - put)[14] == pytest.approx(-1561.89, rel=0.005)
