"""Every gate, closed by exactly what it is about, with the reason that a card then gives."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal

import pytest

from hedging.domain.decision import Hold, decide
from hedging.domain.facts import InFlight, Unfinished
from hedging.domain.guards import ACTING, KNOWING, SELLING, UNWINDING, Gate, first_closed
from hedging.domain.instruments import Side
from hedging.domain.plausible import contradiction
from hedging.domain.reasons import REASON_TEXT, Reason
from hedging.domain.risk import IST
from tests.unit.cycle_facts import (
    NOW,
    WINDOW,
    chain,
    facts,
    funds,
    later,
    long,
    option,
    session,
    short_straddle,
    straddle,
)

SECOND = timedelta(seconds=1)
CLOSING_TO_KNOW = [
    ({"enabled": False}, "lid", Reason.HOLD_AUTOMATION_OFF),
    ({"session": session(automation=False)}, "toggle", Reason.HOLD_AUTOMATION_OFF),
    ({"session": session(trading_state="halted")}, "trading state", Reason.HOLD_TRADING_STATE),
    ({"session": session(trading_state="reducing")}, "trading state", Reason.HOLD_TRADING_STATE),
    ({"cleared": False, "preflight": "none of today yet"}, "pre-flight", Reason.HOLD_PREFLIGHT),
    ({"window": None}, "hours", Reason.HOLD_OUT_OF_HOURS),
    ({"reconciled": False}, "reconciled", Reason.HOLD_NOT_RECONCILED),
    ({"funds": None}, "data", Reason.HOLD_DATA_UNKNOWN),
    ({"positions": None}, "data", Reason.HOLD_DATA_UNKNOWN),
    ({"unknown": "option chain: every price is 0"}, "data", Reason.HOLD_DATA_UNKNOWN),
    ({"still_seconds": 60.0}, "market moves", Reason.HOLD_MARKET_STILL),
    ({"session": session(baseline=None), "used": None}, "baseline", Reason.HOLD_NO_BASELINE),
]
CLOSING_TO_ACT = [
    ({"in_flight": (InFlight(option(26500), Side.BUY, 65, uncertain=True),)}, "in flight", Reason.HOLD_IN_FLIGHT),
    ({"filled_at": NOW - 29 * SECOND}, "settled", Reason.HOLD_IN_FLIGHT),
    ({"filled_at": NOW + SECOND}, "settled", Reason.HOLD_IN_FLIGHT),  # while the books were read
    ({"breaker_open": True}, "breaker", Reason.HOLD_BREAKER_OPEN),
    ({"session": session(last_action_at=NOW - 119 * SECOND)}, "cooldown", Reason.HOLD_COOLDOWN),
    ({"session": session(spent=Decimal(50_000))}, "cap", Reason.HOLD_COST_CAP),
    ({"session": session(spent=Decimal(30_000), reserved=Decimal(20_000))}, "cap", Reason.HOLD_COST_CAP),
]


def gates(kind, **changes) -> dict[str, Gate]:
    known = facts(**changes)
    return {gate.gate: gate for gate in (make(known) for make in kind)}


def test_on_a_quiet_day_every_gate_is_open():
    for kind in (KNOWING, ACTING, SELLING):
        assert all(gate.passed for gate in gates(kind).values())


@pytest.mark.parametrize(("changes", "name", "reason"), CLOSING_TO_KNOW)
def test_each_gate_of_knowing_is_closed_by_its_own_fact_alone(changes, name, reason):
    found = gates(KNOWING, **changes)
    assert [gate.gate for gate in found.values() if not gate.passed] == [name]
    assert found[name].reason is reason


@pytest.mark.parametrize(("changes", "name", "reason"), CLOSING_TO_ACT)
def test_each_gate_of_acting_is_closed_by_its_own_fact_alone(changes, name, reason):
    found = gates(ACTING, **changes)
    assert [gate.gate for gate in found.values() if not gate.passed] == [name]
    assert found[name].reason is reason


@pytest.mark.parametrize(
    ("just_due", "unknown", "reason"),
    [
        (True, contradiction(replace(funds(), utilised=Decimal(0)), short_straddle(1)), Reason.HOLD_IN_FLIGHT),
        (False, contradiction(replace(funds(), utilised=Decimal(0)), short_straddle(1)), Reason.HOLD_DATA_UNKNOWN),
        (True, "funds: an empty answer", Reason.HOLD_DATA_UNKNOWN),
    ],
)
def test_funds_that_are_behind_an_entry_of_the_last_minute_are_waited_for(just_due, unknown, reason):
    gate = gates(KNOWING, funds=None, used=None, unknown=unknown, just_due=just_due)["data"]
    assert (gate.passed, gate.reason) == (False, reason)


def test_a_fill_of_half_a_minute_ago_is_in_the_books():
    for kind in (ACTING, UNWINDING):
        assert gates(kind, filled_at=NOW - 30 * SECOND)["settled"].passed
        assert not gates(kind, filled_at=NOW - 29 * SECOND)["settled"].passed


@pytest.mark.parametrize(
    ("due_in", "shown", "passed"), [(29, True, True), (29, False, False), (31, True, False), (240, True, False)]
)
def test_a_purchase_waits_for_the_books_as_long_as_its_entry_bears_it(due_in, shown, passed):
    need = replace(straddle(8, minutes=4), at=NOW + due_in * SECOND)
    line, wing = long(option(26500), 1)
    known = facts(
        filled_at=NOW - 20 * SECOND,  # 10 s are left, and 20 s are needed to buy
        coming=(need,),
        held=(wing,),
        positions=(line,) if shown else (),
    )
    assert {gate.gate: gate for gate in (make(known) for make in ACTING)}["settled"].passed is passed


@pytest.mark.parametrize(("one_sided", "passed"), [(True, True), (False, False)])
def test_the_other_side_of_a_pair_does_not_wait_for_funds(one_sided, passed):
    need = straddle(8, minutes=4)
    known = facts(
        filled_at=NOW - SECOND,
        coming=(need,),
        session=session(last_action_at=NOW - 5 * SECOND),
        unfinished=Unfinished(frozenset({need.portfolio}), 0, one_sided=one_sided),
    )
    assert {gate.gate: gate for gate in (make(known) for make in ACTING)}["settled"].passed is passed


@pytest.mark.parametrize(("changes", "name", "reason"), CLOSING_TO_KNOW)
def test_what_is_not_known_holds_with_its_reason_even_when_margin_is_short(changes, name, reason):
    need = straddle(8, minutes=4)
    known = {"chain": chain(), "coming": (need,), "soon": (need,), "later": (later(need),)} | changes
    decision = decide(facts(**known))
    assert isinstance(decision, Hold)
    assert decision.reason is reason
    assert name in [gate.gate for gate in decision.gates if not gate.passed]


@pytest.mark.parametrize(("changes", "name", "reason"), CLOSING_TO_ACT)
def test_a_need_that_may_not_be_met_now_holds_with_its_reason(changes, name, reason):
    need = straddle(8, minutes=1.6)
    known = {"chain": chain(), "coming": (need,), "soon": (need,), "later": (later(need),)} | changes
    decision = decide(facts(**known))
    assert isinstance(decision, Hold)
    assert decision.reason is reason
    assert [gate.gate for gate in decision.gates if not gate.passed] == [name]


@pytest.mark.parametrize(
    ("moment", "passed"),
    [
        (WINDOW.act_from - SECOND, False),
        (WINDOW.act_from, True),
        (WINDOW.act_until - SECOND, True),
        (WINDOW.act_until, False),
        (WINDOW.act_until + SECOND, False),
    ],
)
def test_we_act_from_the_first_to_before_the_last_instant_of_our_hours(moment, passed):
    assert gates(KNOWING, now=moment)["hours"].passed is passed


@pytest.mark.parametrize(("seconds", "passed"), [(0, False), (119, False), (120, True), (121, True)])
def test_the_cooldown_is_over_after_its_seconds(seconds, passed):
    assert gates(ACTING, session=session(last_action_at=NOW - seconds * SECOND))["cooldown"].passed is passed


def test_part_of_a_second_of_the_cooldown_still_counts():
    almost = NOW - timedelta(seconds=119, milliseconds=500)
    assert not gates(ACTING, session=session(last_action_at=almost))["cooldown"].passed


def test_the_cooldown_lets_a_purchase_be_completed_and_no_sale_pass():
    known = {
        "session": session(last_action_at=NOW - 10 * SECOND), "coming": (straddle(4, minutes=1),),
        "unfinished": Unfinished(frozenset({"ITJ_NF_EXP 4"}), 0),
    }  # fmt: skip
    assert gates(ACTING, **known)["cooldown"].passed
    assert not gates(UNWINDING, **known)["cooldown"].passed


@pytest.mark.parametrize(("spent", "passed"), [("49999.99", True), ("50000.00", False), ("50000.01", False)])
def test_the_cap_is_reached_when_nothing_is_left(spent, passed):
    assert gates(ACTING, session=session(spent=Decimal(spent)))["cap"].passed is passed


def test_the_first_closed_gate_answers():
    found = tuple(gates(KNOWING, enabled=False, window=None).values())
    closed = first_closed(found)
    assert closed is not None
    assert closed.gate == "lid"
    assert first_closed(tuple(gates(KNOWING).values())) is None


def test_a_card_says_of_each_gate_what_it_saw():
    card = gates(KNOWING)["hours"].as_card()
    assert card == {
        "gate": "hours", "passed": True, "detail": "we act 09:15–15:30 IST", "reason": "HOLD_OUT_OF_HOURS",
    }  # fmt: skip


def test_every_reason_has_its_sentence():
    assert set(REASON_TEXT) == set(Reason)
    assert all(text.endswith(".") for text in REASON_TEXT.values())


@pytest.mark.parametrize(
    ("minutes", "side", "uncertain", "passed"),
    [
        (1.5, Side.BUY, True, True),
        (1.52, Side.BUY, True, False),
        (1.5, Side.BUY, False, False),
        (1.5, Side.SELL, True, False),
    ],
)
def test_only_an_unknown_buy_is_looked_past_and_only_in_the_last_ninety_seconds(minutes, side, uncertain, passed):
    flying = (InFlight(option(26500), side, 65, uncertain=uncertain),)
    found = gates(ACTING, in_flight=flying, coming=(straddle(1, minutes=minutes),))
    assert found["in flight"].passed is passed


@pytest.mark.parametrize(
    ("moment", "seconds", "passed"),
    [
        (time(15, 14, 59), 59.9, True),
        (time(15, 14, 59), 60.0, False),
        (time(15, 15), 900.0, True),  # the index is in its closing auction, options trade on
    ],
)
def test_an_index_may_stand_still_from_its_closing_auction_on(moment, seconds, passed):
    now = datetime.combine(NOW.astimezone(IST).date(), moment, IST)
    assert gates(KNOWING, now=now, still_seconds=seconds)["market moves"].passed is passed
