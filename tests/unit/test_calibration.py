"""Calibration, pure: which probes may be asked, which answers are believed, and what a profile does with the error."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from hedging.domain.calibration import FoundBy, calibrate
from hedging.domain.funds_meaning import FundsReading, read_funds_change
from hedging.domain.instruments import Contract, Index, Product, Right
from hedging.domain.learning import nothing_known
from hedging.domain.margin import MarginMarket, MarginParameters, requirement
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.probes import PROBES, ProbeUnanswered, Reading, resolve
from tests.unit.cycle_facts import NOW, SPEC, SPOT, option

MARKET = MarginMarket(spots={Index.NIFTY: SPOT}, now=NOW, previous_closes={Index.NIFTY: SPOT})
BELIEVED = MarginParameters()
TRUE = MarginParameters(price_scan_minimum_pct=10.4, elm_pct=2.6, elm_deep_otm_pct=4.1)


def prices() -> dict[Contract, Decimal]:
    """A whole chain, dearer towards the money."""
    return {
        option(strike, right): Decimal(max(5, 12000 - 20 * abs(strike - int(SPOT)))) / 100
        for strike in range(22_000, 30_050, 50)
        for right in Right
    }


def baskets(known=None):
    return resolve(spec=SPEC, product=Product.NRML, market=MARKET, prices=known or prices())


def readings(*, true: MarginParameters = TRUE, nets: bool = True, factor: str = "1") -> list[Reading]:
    """The answers of a broker that charges by `true`: netted or leg by leg, premium paid on top."""

    def margin(lines) -> Decimal:
        return requirement(lines=lines, market=MARKET, parameters=true).total

    return [
        Reading(b, (margin(b.lines) if nets else sum(margin((line,)) for line in b.lines)) * Decimal(factor) + b.bought)
        for b in baskets()
    ]


def test_every_probe_is_resolved_to_listed_contracts_of_one_lot():
    found = baskets()
    assert [basket.probe for basket in found] == list(PROBES)
    assert {abs(line.quantity) for basket in found for line in basket.lines} == {SPEC.lot}
    strikes = {basket.probe.name: [int(line.contract.strike) for line in basket.lines] for basket in found}
    assert strikes["straddle, wings at 2 %"] == [26000, 26000, 26500, 25500]
    assert strikes["short call 11 % out"] == [28850]


def test_a_probe_with_an_unlisted_leg_is_not_asked_since_the_leg_would_drop_out_silently():
    near = {contract: price for contract, price in prices().items() if abs(contract.strike - SPOT) <= 1500}
    names = {basket.probe.name for basket in baskets(near)}
    assert "short call 11 % out" not in names
    assert "straddle, wings at 4 %" in names


def test_without_prices_for_the_straddle_nothing_is_asked():
    with pytest.raises(ProbeUnanswered, match="straddle"):
        baskets({c: price for c, price in prices().items() if c.strike > SPOT + 100})


@pytest.mark.parametrize("nets", [True, False])
def test_the_rates_of_a_broker_are_found_from_its_answers(nets):
    found = calibrate(readings(nets=nets), MARKET, BELIEVED)
    assert found.nets is nets
    assert (found.scan_pct, found.elm_pct, found.elm_deep_pct) == pytest.approx((10.4, 2.6, 4.1), abs=0.02)
    assert found.error_pct is not None
    assert found.error_pct < Decimal("0.1")
    applied = found.applied_to(BELIEVED)
    assert applied.price_scan_fraction == pytest.approx(0.104, abs=0.0002)
    assert applied.volatility_scan == BELIEVED.volatility_scan


def test_a_sigma_that_would_raise_the_scan_range_does_not_raise_a_measured_one():
    wild = replace(BELIEVED, daily_volatility_pct=2.0)
    applied = calibrate(readings(), MARKET, wild).applied_to(wild)
    assert applied.price_scan_fraction == pytest.approx(0.104, abs=0.0002)
    assert applied.volatility_scan == wild.volatility_scan


def test_without_deep_probes_the_deep_rate_stays_at_its_dated_row():
    without = [reading for reading in readings() if "11 %" not in reading.basket.probe.name]
    found = calibrate(without, MARKET, BELIEVED)
    assert found.elm_deep_pct == pytest.approx(BELIEVED.elm_deep_otm_pct, abs=0.01)


@pytest.mark.parametrize("share", ["0.02", "30"])
def test_an_answer_out_of_any_plausible_range_is_an_error_and_no_calibration(share):
    spoilt = readings()
    spoilt[2] = replace(spoilt[2], answer=spoilt[2].answer * Decimal(share))
    with pytest.raises(ProbeUnanswered, match="straddle"):
        calibrate(spoilt, MARKET, BELIEVED)


def test_answers_that_no_rates_explain_leave_an_error_that_widens_the_buffer():
    spoilt = readings()
    spoilt[3] = replace(spoilt[3], answer=spoilt[3].answer * Decimal("1.5"))
    found = calibrate(spoilt, MARKET, BELIEVED)
    assert found.error_pct is not None
    assert found.error_pct > 3
    profile = found.profile(premium_counted=True)
    assert profile.wide
    assert profile.buffer_pct(Decimal(1)) == 2
    assert "doubled" in profile.words


@pytest.mark.parametrize(
    ("error", "buffers"), [(None, "2"), ("3.01", "2"), ("3.00", "1"), ("1.00", "1"), ("0.99", "0.5"), ("0.10", "0.5")]
)
def test_the_buffer_is_doubled_while_the_model_fits_badly_and_halved_where_it_fits_within_a_percent(error, buffers):
    profile = MarginProfile(error_pct=None if error is None else Decimal(error))
    assert profile.wide is (buffers == "2")
    assert profile.buffer_pct(Decimal(1)) == Decimal(buffers)


@pytest.mark.parametrize(
    ("cash_falls", "net"), [(Decimal(0), False), (Decimal(200_000), True), (Decimal(100_000), None)]
)
def test_cash_that_falls_as_used_rises_has_the_margin_taken_off(cash_falls, net):
    found = read_funds_change(
        nothing_known(BELIEVED),
        before=FundsReading(Decimal(1_000_000), Decimal(50_000)),
        after=FundsReading(Decimal(1_000_000) - cash_falls, Decimal(250_000)),
        margin=None,
        premium=Decimal(0),
    )
    assert found.cash_is_net is net


@pytest.mark.parametrize(("moved", "counted"), [(190_000, True), (200_000, False), (195_000, None)])
def test_premium_is_in_used_margin_where_used_moved_by_margin_less_premium(moved, counted):
    measured = replace(nothing_known(BELIEVED), found_by=FoundBy.BASKET, error_pct=Decimal("0.5"))
    found = read_funds_change(
        measured,
        before=FundsReading(Decimal(1_000_000), Decimal(0)),
        after=FundsReading(Decimal(1_000_000), Decimal(moved)),
        margin=Decimal(200_000),
        premium=Decimal(-10_000),
    )
    assert found.premium_in_used is counted


def test_a_change_too_small_to_tell_tells_nothing():
    known = nothing_known(BELIEVED)
    reading = FundsReading(Decimal(1_000_000), Decimal(0))
    later = FundsReading(Decimal(990_000), Decimal(10_000))
    assert read_funds_change(known, before=reading, after=later, margin=None, premium=Decimal(0)) == known
