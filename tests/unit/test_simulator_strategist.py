"""The strategist sells the timetable, is stopped, exits on time, and is refused when margin is short."""

from dataclasses import replace
from datetime import date, time

import pytest

from hedging.domain.instruments import Index, Right, Side
from hedging.simulator.day import JudgePolicy, LegTemplate, ScheduledEntry
from hedging.simulator.exchange import Exchange
from hedging.simulator.orders import Origin, Status
from tests.unit.simulator_days import STORY_SEED, TUESDAY, contract, entries, exchange, ticket, tuesday, wait


def whole_day(seed, **how):
    market = exchange(day=tuesday(entries=entries()), seed=seed, **how)
    market.advance_to(market.day.end_at)
    return market


def hedge(market, lots, steps):
    for right in Right:
        market.place(ticket(market, contract(market, steps, right), Side.BUY, lots=lots))


def test_nothing_is_sold_before_the_entry_s_second():
    market = exchange(day=tuesday(entries=entries()), seed=STORY_SEED, at="09:15:59")
    assert not market.orders
    wait(market, 1.0)
    assert [order.ticket.side for order in market.orders.values()] == [Side.SELL]
    wait(market, 3.0)
    straddle = [order.ticket.contract for order in market.orders.values()]
    assert {c.right for c in straddle} == set(Right)
    assert len({c.strike for c in straddle}) == 1
    assert abs(float(straddle[0].strike) - market.market.spot(Index.NIFTY, 60)) <= 26
    assert all(order.status is Status.COMPLETE for order in market.orders.values())


def test_an_unhedged_straddle_uses_about_27_percent_of_ten_lakh():
    market = exchange(day=tuesday(entries=entries()), seed=STORY_SEED, at="09:35:00")
    jumps = [row["jump"] for row in market.report()["entries"]]
    assert len(jumps) == 3
    assert all(250_000 < jump < 290_000 for jump in jumps)


def test_without_hedges_the_fourth_entry_is_refused_though_hedging_would_have_let_it_in():
    market = exchange(day=tuesday(entries=entries()), seed=STORY_SEED, at="10:17:00")
    report = market.report()
    assert (report["entries_made"], report["entries_refused"], report["entries_unavoidably_refused"]) == (3, 1, 0)
    refusal = report["refusals"][0]
    assert (refusal["portfolio"], refusal["time"]) == ("ITJ_NF_EXP 4", "10:16:30")
    assert "Insufficient funds" in refusal["reason"]
    assert set(refusal["judgement"]["wings"]) == {"CE", "PE"}


def test_wings_bought_before_the_fourth_entry_let_it_in():
    market = exchange(day=tuesday(entries=entries()), seed=STORY_SEED, at="10:10:00")
    hedge(market, lots=4, steps=5)
    market.advance_to(market.day.moment(time(10, 17)))
    report = market.report()
    assert (report["entries_made"], report["entries_refused"]) == (4, 0)
    assert report["hedges"]["bought_orders"] == 2
    assert report["peak_utilization"] < 95


def test_most_unhedged_days_refuse_entries():
    refused = [whole_day(seed).report()["entries_refused"] for seed in range(8)]
    assert sum(1 for n in refused if n) >= 5
    assert sum(refused) >= 8


def test_every_unhedged_refusal_of_a_calm_expiry_tuesday_is_preventable():
    reports = [whole_day(seed).report() for seed in (1, 3, 7, 8)]
    assert {r["family"] for r in reports} == {"calm"}
    assert sum(r["entries_unavoidably_refused"] for r in reports) == 0
    assert all(r["entries_made"] + r["entries_refused"] == 10 for r in reports)


def test_a_refusal_that_no_wing_could_prevent_is_unavoidable():
    market = whole_day(STORY_SEED, cash=100_000)
    report = market.report()
    assert report["entries_made"] == 0
    assert report["entries_unavoidably_refused"] == 10
    assert not any(p.quantity for p in market.account.positions.values())


def test_the_judge_allows_only_what_the_policy_allows():
    day = tuesday(entries=entries())
    strict = Exchange(
        day=replace(day, judge=JudgePolicy(max_premium=0.1)), seed=STORY_SEED, cash=exchange().account.cash
    )
    strict.advance_to(day.moment(time(10, 17)))
    assert strict.report()["refusals"][0]["preventable"] is False


def test_a_refused_second_leg_has_its_first_leg_bought_back():
    market = exchange(day=tuesday(entries=entries()[:1]), seed=STORY_SEED, cash=230_000, at="09:17:00")
    report = market.report()
    assert [row["leg"] for row in report["refusals"]] == [2]
    assert [order.ticket.side for order in market.orders.values()] == [Side.SELL, Side.BUY]
    assert not any(p.quantity for p in market.account.positions.values())


def test_exits_leave_nothing_of_their_entry():
    market = exchange(day=tuesday(entries=entries()[:3]), seed=STORY_SEED, at="14:14:59")
    assert any(p.quantity for p in market.account.positions.values())
    wait(market, 10)
    assert not any(p.quantity for p in market.account.positions.values())
    assert market.funds().utilised == market.account.premium_paid


def test_a_stop_buys_the_leg_back_at_a_loss_within_its_share():
    market = whole_day(1)
    report = market.report()
    assert report["stops_hit"] > 0
    orders = [o for o in market.orders.values() if o.origin is Origin.STRATEGIST]
    first = orders[0]
    back = next(o for o in orders if o.ticket.side is Side.BUY and o.ticket.contract == first.ticket.contract)
    growth = back.trades[0].price / first.trades[0].price
    if back.placed_us < market.market.second(market.day.moment(time(14, 15))) * 1_000_000:
        assert 1.25 < growth < 1.75


def test_entries_held_to_expiry_are_settled_and_leave_the_book():
    market = whole_day(STORY_SEED)
    assert market.settled
    assert not any(p.quantity for p in market.account.positions.values())
    assert market.report()["final_cash"] == pytest.approx(
        float(market.account.cash - market.account.premium_paid - market.account.charges), abs=0.01
    )


def test_large_entries_are_cut_at_the_freeze_quantity():
    big = replace(entries()[0], lots=40)
    market = exchange(day=tuesday(entries=(big,)), seed=1, cash=100_000_000, at="09:20:00")
    sizes = [order.quantity for order in market.orders.values() if order.ticket.side is Side.SELL]
    assert max(sizes) == 1755
    assert sum(sizes) == 2 * 40 * 65


def test_legs_may_lie_out_of_the_money_and_be_bought():
    legs = (LegTemplate(Right.CE, Side.BUY, 4), LegTemplate(Right.CE, Side.SELL, 1))
    entry = ScheduledEntry("spread", Index.SENSEX, date(2026, 12, 3), time(9, 30), time(10, 0), legs)
    market = exchange(day=tuesday(entries=(entry,)), seed=1, at="09:31:00")
    made = [(o.ticket.side, float(o.ticket.contract.strike)) for o in market.orders.values()]
    assert [side for side, _ in made] == [Side.BUY, Side.SELL]
    assert made[0][1] - made[1][1] == 300
    market.advance_to(market.day.moment(time(10, 1)))
    assert not any(p.quantity for p in market.account.positions.values())


def test_breaches_of_the_trigger_are_counted_from_the_second_by_second_truth():
    report = whole_day(8).report()
    assert report["trigger_breaches"] > 0
    assert report["seconds_above_trigger"] >= 2 * report["trigger_breaches"]
    assert report["peak_utilization"] > 95
    calm = exchange(day=tuesday(entries=entries()), seed=8, at="09:20:00").report()
    assert (calm["trigger_breaches"], calm["seconds_above_trigger"]) == (0, 0)


def test_the_truth_tells_hedges_from_the_strategist_s_orders():
    market = exchange(day=tuesday(entries=entries()[:1]), seed=1, at="09:20:00")
    hedge(market, lots=1, steps=6)
    wait(market, 2)
    report = market.report()
    spent = sum(t.price * t.units for t in market.trades if t.origin is Origin.HTTP) * 0.05
    assert report["hedges"]["spend"] == pytest.approx(spent, abs=0.01)
    assert report["hedges_by_strategy"]["auto-hedge"]["bought_orders"] == 2
    assert report["strategist"]["sold_orders"] == 2
    assert TUESDAY.isoformat() == report["date"]
