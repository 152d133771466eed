"""Account rules: price protection, the far NRML rule, freeze, MIS after square-off, peak-margin snapshots and their penalty."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from decimal import Decimal

import pytest

from hedging.domain.instruments import Product, Right, Side
from hedging.simulator.exchange import Exchange
from hedging.simulator.orders import OrderRefused, Origin, PriceType, Status
from hedging.simulator.peaks import Snapshot, penalty_of, snapshot_times
from hedging.simulator.rules import AccountRules, FarOtm
from tests.unit.simulator_days import contract, entries, exchange, ticket, tuesday, wait

RULES = AccountRules()


def ruled(rules: AccountRules, at: str = "10:00:00", cash: int = 5_000_000) -> Exchange:
    made = Exchange(day=tuesday(), seed=1, cash=Decimal(cash), rules=rules)
    made.advance_to(made.day.moment(time.fromisoformat(at)))
    return made


@pytest.mark.parametrize(
    ("price", "last", "inside"),
    [
        ("25", "5", True),
        ("25.05", "5", False),
        ("30", "50", True),
        ("29.95", "50", False),
        ("84", "60", True),
        ("84.05", "60", False),
        ("36", "60", True),
        ("35.95", "60", False),
        ("0", "500", True),
    ],
)
def test_limits_are_protected_by_twenty_rupees_up_to_fifty_and_by_forty_percent_above(price, last, inside):
    assert (RULES.outside_band(price=Decimal(price), last=Decimal(last)) == "") is inside


def test_a_limit_outside_the_band_is_acknowledged_and_rejected_later():
    market = ruled(RULES)
    order = market.place(ticket(market, contract(market, -6, Right.CE), Side.BUY, price=1))
    acknowledged = order.status
    wait(market, 1)
    assert (acknowledged, order.status) == (Status.OPEN, Status.REJECTED)
    assert "limit price protection" in order.reason


def test_a_change_to_a_price_outside_the_band_is_refused_and_the_order_stays():
    market = ruled(RULES)
    what = contract(market, -6, Right.CE)
    bid = market.market.ticks(what, market.t)[1]
    order = market.place(ticket(market, what, Side.BUY, price=bid - 200))
    wait(market, 1)
    with pytest.raises(OrderRefused, match="limit price protection"):
        market.modify(order.order_id, quantity=order.quantity, price=1, trigger=0)
    assert order.status is Status.OPEN
    assert order.price == bid - 200


def test_price_bands_can_be_switched_off():
    market = ruled(AccountRules(price_bands=False))
    order = market.place(ticket(market, contract(market, -6, Right.CE), Side.BUY, price=1))
    wait(market, 1)
    assert order.status is Status.OPEN


def test_the_far_rule_is_off_unless_switched_on():
    market = ruled(RULES)
    assert market.place(ticket(market, contract(market, 8, Right.CE), Side.BUY)).order_id


def test_a_far_nrml_buy_before_any_short_is_refused():
    market = ruled(AccountRules(far_otm=FarOtm.REFUSED))
    with pytest.raises(OrderRefused, match="only against a short position"):
        market.place(ticket(market, contract(market, 8, Right.CE), Side.BUY))
    assert not market.orders


def test_far_nrml_buys_are_taken_up_to_the_shorts_held_and_no_further():
    market = ruled(AccountRules(far_otm=FarOtm.REFUSED))
    market.place(ticket(market, contract(market, 0, Right.CE), Side.SELL, lots=2))
    wait(market, 2)
    wing = contract(market, 8, Right.CE)
    market.place(ticket(market, wing, Side.BUY))
    wait(market, 2)
    resting = market.place(ticket(market, wing, Side.BUY, price=1))
    with pytest.raises(OrderRefused):
        market.place(ticket(market, contract(market, 8, Right.PE), Side.BUY))
    market.cancel(resting.order_id)
    assert market.place(ticket(market, contract(market, 8, Right.PE), Side.BUY)).order_id


@pytest.mark.parametrize(("steps", "product"), [(2, Product.NRML), (8, Product.MIS)])
def test_near_strikes_and_mis_are_free_of_the_far_rule(steps, product):
    market = ruled(AccountRules(far_otm=FarOtm.REFUSED))
    assert market.place(ticket(market, contract(market, steps, Right.CE), Side.BUY, product=product)).order_id


def test_the_far_rule_may_also_reject_after_the_acknowledgement():
    market = ruled(AccountRules(far_otm=FarOtm.REJECTED))
    order = market.place(ticket(market, contract(market, 8, Right.CE), Side.BUY))
    wait(market, 1)
    assert order.status is Status.REJECTED


def test_above_the_freeze_quantity_is_acknowledged_and_rejected_later():
    market = ruled(RULES)
    order = market.place(ticket(market, contract(market, 8, Right.CE), Side.BUY, lots=28))
    assert order.status is Status.OPEN
    wait(market, 1)
    assert (order.status, order.filled) == (Status.REJECTED, 0)


def test_part_of_a_lot_is_refused():
    market = ruled(RULES)
    asked = replace(ticket(market, contract(market, 5, Right.CE), Side.BUY), quantity=70)
    with pytest.raises(OrderRefused, match="multiple of lot size 65"):
        market.place(asked)


def test_mis_is_not_taken_after_the_square_off_and_nrml_is():
    market = ruled(RULES, at="15:26:00")
    what = contract(market, -3, Right.CE)
    with pytest.raises(OrderRefused, match="MIS"):
        market.place(ticket(market, what, Side.BUY, product=Product.MIS, kind=PriceType.MARKET))
    assert market.place(ticket(market, what, Side.BUY)).order_id


def test_rules_survive_json():
    rules = AccountRules(price_bands=False, far_otm=FarOtm.REJECTED, far_distance=0.02, books_behind_seconds=12.5)
    assert AccountRules.from_json(rules.as_json()) == rules
    older = {name: value for name, value in rules.as_json().items() if name != "books_behind_seconds"}
    assert AccountRules.from_json(older) == replace(rules, books_behind_seconds=0.0)
    assert AccountRules.from_json({}) == AccountRules()


def test_snapshots_are_one_in_each_quarter_of_the_session_and_seeded():
    times = snapshot_times(seed=3, day_number=9, session_us=400)
    assert [at // 100 for at in times] == [0, 1, 2, 3]
    assert times == snapshot_times(seed=3, day_number=9, session_us=400)
    assert times != snapshot_times(seed=4, day_number=9, session_us=400)


def look(required, available):
    return Snapshot(0, Decimal(required), Decimal(available))


@pytest.mark.parametrize(
    ("looks", "penalty", "rate"),
    [
        ([look(900_000, 1_000_000)], "0", "0"),
        ([look(1_050_000, 1_000_000), look(900_000, 1_000_000)], "250.00", "0.005"),
        ([look(1_200_000, 1_000_000), look(1_050_000, 1_000_000)], "2000.00", "0.01"),
        ([look(500_000, 440_000)], "600.00", "0.01"),
        ([look(1_050_000, 1_000_000)] * 4, "2500.00", "0.05"),
        ([], "0", "0"),
    ],
)
def test_the_penalty_is_a_share_of_the_day_s_largest_shortfall(looks, penalty, rate):
    assert penalty_of(looks) == (Decimal(penalty), Decimal(rate))


def test_the_report_has_the_day_s_snapshots_and_a_shortfall_is_found():
    market = exchange(day=tuesday(entries=entries()[:3]), seed=7, at="09:35:00")
    market.account.cash = Decimal(500_000)  # as if it had been withdrawn under the open straddles
    market.advance_to(market.day.end_at)
    told = market.report()["peak_margin"]
    assert len(told["snapshots"]) == 4
    worst = max(row["shortfall"] for row in told["snapshots"])
    assert worst > 100_000
    assert told["penalty"] == pytest.approx(worst * told["penalty_rate_pct"] / 100, abs=0.01)


def test_orders_of_a_person_are_counted_apart_from_hedges():
    market = ruled(RULES)
    market.place(ticket(market, contract(market, 5, Right.CE), Side.BUY), origin=Origin.HUMAN)
    wait(market, 2)
    report = market.report()
    assert (report["by_hand"]["orders"], report["hedges"]["orders"], report["strategist"]["orders"]) == (1, 0, 0)
