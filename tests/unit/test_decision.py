"""Decisions: hold unless something is needed, buy the cheapest that suffices, sell only what nobody needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from hedging.domain.decision import AddHedge, Hold, Unwind, decide, wants_prices
from hedging.domain.facts import InFlight, LaterEntry, Unfinished
from hedging.domain.instruments import Right, Side
from hedging.domain.policy import HedgePolicy
from hedging.domain.projection import BrokerIncrement
from hedging.domain.reasons import Reason
from hedging.domain.snapshot import Depth, Level
from hedging.domain.worst_case import worst_cost
from tests.unit.cycle_facts import (
    NOW,
    WALL,
    WINDOW,
    chain,
    facts,
    later,
    long,
    option,
    session,
    short_straddle,
    straddle,
)

REDUCING = session(trading_state="reducing")
MINUTE = timedelta(minutes=1)


def needing(lots: int = 4, **changes):
    """An entry in two minutes that takes margin over the trigger."""
    entry = straddle(lots, minutes=1.5)
    known = {"chain": chain(), "coming": (entry,), "soon": (entry,), "later": (later(entry),)}
    return facts(**(known | changes))


def holding(*wings, **changes):
    """Wings of ours in a book without any short."""
    lines = [long(contract, lots) for contract, lots in wings]
    known = {
        "chain": chain(), "positions": tuple(position for position, _ in lines), "held": tuple(own for _, own in lines),
    }  # fmt: skip
    return facts(**(known | changes))


def selling(*wings, **changes):
    """The same right after a scheduled exit, when a sale is looked at."""
    return holding(*wings, **({"just_exited": True} | changes))


# --- nothing to do ----------------------------------------------------------------------------------------------------


def test_with_nothing_due_and_nothing_held_nothing_is_done_and_no_price_is_read():
    known = facts()
    assert not wants_prices(known)
    decision = decide(known)
    assert isinstance(decision, Hold)
    assert decision.reason is Reason.HOLD_NOTHING_DUE


def test_an_entry_that_fits_is_no_reason_to_buy():
    decision = decide(needing(1))
    assert isinstance(decision, Hold)
    assert decision.reason is Reason.HOLD_WITHIN_BUDGET
    assert [gate.gate for gate in decision.gates if not gate.passed] == ["projection"]


@pytest.mark.parametrize(("minutes", "wanted"), [(5.1, False), (5, True), (4.9, True)])
def test_prices_are_read_when_an_entry_is_within_the_lookahead(minutes, wanted):
    assert wants_prices(facts(later=(later(straddle(8, minutes=minutes)),))) is wanted


@pytest.mark.parametrize(("used", "wanted"), [(949_999, False), (950_000, False), (950_001, True)])
def test_prices_are_read_when_margin_is_over_the_trigger(used, wanted):
    assert wants_prices(facts(used=Decimal(used))) is wanted


@pytest.mark.parametrize("changes", [{"positions": None}, {"window": None}])
def test_without_a_book_or_a_calendar_no_price_helps(changes):
    assert not wants_prices(needing(chain=None, **changes))


# --- adding -----------------------------------------------------------------------------------------------------------


def test_a_need_is_met_by_whole_lots_within_cap_capacity_and_target():
    decision = decide(needing())
    assert isinstance(decision, AddHedge)
    assert decision.reason is Reason.ADD_PROJECTION_OVER_TRIGGER
    assert decision.solution.utilization_after_pct <= 85
    for right in Right:
        assert sum(leg.quantity for leg in decision.legs if leg.contract.right is right) <= 8 * 65
    for leg in decision.legs:
        assert leg.side is Side.BUY
        assert leg.quantity % 65 == 0
        assert leg.worst_price > leg.reference_price
        assert leg.worst_price % Decimal("0.05") == 0


def test_the_card_of_a_purchase_explains_it():
    card = decide(needing()).card
    assert card["projection"][0]["portfolio"] == "ITJ_NF_EXP 4"
    assert Decimal(card["projected_pct"]) > 95
    assert card["chosen"]["aim"] == "target"
    assert card["chosen"]["buys"]
    assert card["chosen"]["proven"] is True


def test_a_buffer_bounds_how_far_a_price_may_run():
    for leg in decide(needing()).legs:  # type: ignore[union-attr]
        slack = max(Decimal("0.50"), leg.reference_price * 5 / 100)
        assert leg.reference_price < leg.worst_price <= leg.reference_price + slack


def test_margin_over_the_trigger_without_any_entry_is_a_need_too():
    known = facts(chain=chain(), used=Decimal(1_100_000), positions=short_straddle(8))
    decision = decide(known)
    assert isinstance(decision, AddHedge)


def test_a_free_margin_too_small_for_the_order_is_a_need_of_its_own():
    assert decide(needing(2, free_margin=Decimal(600_000))).reason is Reason.HOLD_WITHIN_BUDGET
    assert decide(needing(2, free_margin=Decimal(500_000))).reason is Reason.ADD_FREE_MARGIN_SHORT


def test_without_a_purchase_that_suffices_nothing_is_bought_and_the_floor_is_told():
    decision = decide(needing(60))
    assert isinstance(decision, Hold)
    assert decision.reason is Reason.HOLD_UNREACHABLE
    assert decision.card["floor_pct"] is not None
    assert decision.card["binding"] is not None


def test_a_policy_may_buy_the_least_utilization_where_no_entry_can_be_helped_and_only_there():
    least = HedgePolicy(buy_least_utilization=True)
    decision = decide(needing(60, policy=least))
    assert isinstance(decision, AddHedge)
    assert decision.reason is Reason.ADD_LEAST_UTILIZATION
    assert decision.card["chosen"]["aim"] == "least"
    assert decide(needing(policy=least)).legs == decide(needing()).legs  # type: ignore[union-attr]


def test_what_is_chosen_near_the_cap_fits_what_its_claim_sets_aside():
    for left in range(1_000, 4_001, 250):
        known = needing(session=session(spent=Decimal(50_000 - left)))
        decision = decide(known)
        legs = decision.legs if isinstance(decision, AddHedge) else ()
        reserve = sum(
            worst_cost(price=leg.worst_price, lots=leg.quantity // 65, policy=known.policy, spec=known.spec,
                       rates=known.charges)
            for leg in legs
        )  # fmt: skip
        assert reserve <= left


def test_a_strike_whose_ladder_was_read_is_offered_as_that_ladder_says():
    first = decide(needing())
    assert isinstance(first, AddHedge)
    contract = first.legs[0].contract
    dearer = first.legs[0].reference_price + 3
    depth = Depth(contract, (), (Level(dearer, 65 * 100),), None, WALL)
    again = decide(needing(depths={contract: depth}))
    assert isinstance(again, AddHedge)
    assert all(leg.reference_price == dearer for leg in again.legs if leg.contract == contract)
    assert again.solution.cost > first.solution.cost
    nobody = decide(needing(depths={contract: Depth(contract, (), (), None, WALL)}))
    assert contract not in {leg.contract for leg in nobody.legs}  # type: ignore[union-attr]


def test_without_a_strike_in_the_band_nothing_is_bought():
    wings = {contract: quote for contract, quote in chain().quotes.items() if abs(contract.strike - 26000) < 100}
    decision = decide(needing(chain=replace(chain(), quotes=wings)))
    assert isinstance(decision, Hold)
    assert decision.reason is Reason.HOLD_NO_CANDIDATE_IN_BAND


def test_a_cap_too_small_for_the_hedge_buys_nothing():
    decision = decide(needing(session=session(spent=Decimal(49_999))))
    assert isinstance(decision, Hold)
    assert decision.reason is Reason.HOLD_UNREACHABLE
    assert decision.card["binding"] == "cost_cap"


def test_an_unknown_buy_takes_up_room_even_where_the_chain_has_lost_its_strike():
    entry = straddle(4, minutes=1)
    gone = tuple(
        InFlight(option(strike, right), Side.BUY, 4 * 65, uncertain=True)
        for strike, right in ((27500, Right.CE), (24500, Right.PE))
    )
    known = needing(coming=(entry,), soon=(entry,), later=(later(entry),))
    assert isinstance(decide(known), AddHedge)
    assert decide(replace(known, in_flight=gone)).reason is Reason.HOLD_UNREACHABLE


def test_a_quarantined_strike_is_not_bought():
    chosen = decide(needing()).legs[0].contract  # type: ignore[union-attr]
    again = decide(needing(session=session(quarantine=frozenset({chosen}))))
    assert isinstance(again, AddHedge)
    assert chosen not in {leg.contract for leg in again.legs}


def test_a_crossed_quote_is_not_bought():
    chosen = decide(needing()).legs[0].contract  # type: ignore[union-attr]
    quotes = dict(chain().quotes)
    quotes[chosen] = replace(quotes[chosen], bid=Decimal(9))
    again = decide(needing(chain=replace(chain(), quotes=quotes)))
    assert chosen not in {leg.contract for leg in getattr(again, "legs", ())}


def test_the_brokers_own_answer_decides_when_it_is_the_worse():
    entry = straddle(1, minutes=1.5)
    said = {entry.portfolio: BrokerIncrement(used_after=Decimal(1_200_000), at_order=None, age_seconds=1)}
    decision = decide(needing(1, increments=said))
    assert decision.reason is not Reason.HOLD_WITHIN_BUDGET


def test_what_the_broker_found_missing_is_bought_on_top():
    plain, corrected = decide(needing()), decide(needing(used_correction=Decimal(50_000)))
    assert isinstance(plain, AddHedge)
    assert isinstance(corrected, AddHedge)
    assert corrected.solution.cost > plain.solution.cost


def test_a_price_missing_in_the_book_is_unknown_not_nothing():
    strange = replace(short_straddle(1)[0], contract=option(30000), last=None)
    decision = decide(needing(positions=(strange,)))
    assert isinstance(decision, Hold)
    assert decision.reason is Reason.HOLD_DATA_UNKNOWN


# --- reducing ---------------------------------------------------------------------------------------------------------


def test_reducing_buys_nothing():
    decision = decide(needing(session=REDUCING))
    assert isinstance(decision, Hold)
    assert decision.reason is Reason.HOLD_TRADING_STATE


def test_reducing_still_sells():
    assert isinstance(decide(selling((option(26300), 8), session=REDUCING)), Unwind)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"window": replace(WINDOW, act_until=NOW)}, Reason.HOLD_OUT_OF_HOURS),
        ({"reconciled": False}, Reason.HOLD_NOT_RECONCILED),
        ({"unknown": "funds: gone"}, Reason.HOLD_DATA_UNKNOWN),
        ({"session": session(trading_state="reducing", baseline=None), "used": None}, Reason.HOLD_NO_BASELINE),
    ],
)
def test_reducing_opens_its_own_gate_and_no_other(changes, reason):
    decision = decide(selling((option(26300), 8), **({"session": REDUCING} | changes)))
    assert isinstance(decision, Hold)
    assert decision.reason is reason


# --- selling ----------------------------------------------------------------------------------------------------------


def test_a_wing_whose_shorts_are_gone_is_sold_within_the_buffer():
    decision = decide(selling((option(26300), 8)))
    assert isinstance(decision, Unwind)
    assert decision.reason is Reason.UNWIND_SHORTS_GONE
    (leg,) = decision.legs
    assert (leg.side, leg.quantity, leg.due_by_clock) == (Side.SELL, 8 * 65, False)
    assert Decimal("0.05") <= leg.worst_price < leg.reference_price


def test_a_wing_that_an_entry_within_the_exit_buffer_needs_is_kept():
    entry = straddle(8, minutes=14)
    decision = decide(selling((option(26300), 8), (option(25700, Right.PE), 8), soon=(entry,), later=(later(entry),)))
    assert not isinstance(decision, Unwind)


def test_nothing_is_sold_while_an_entry_is_to_come_of_which_nobody_knows_what_it_sells():
    unread = LaterEntry("BAD", NOW + 90 * MINUTE, None)
    decision = decide(selling((option(26300), 8), later=(unread,)))
    assert not isinstance(decision, Unwind)
    assert decision.card["need_unknown"] == ["BAD"]


def test_what_the_clock_asks_for_is_sold_although_an_entry_cannot_be_read():
    unread = LaterEntry("BAD", WINDOW.act_until - 1 * MINUTE, None)
    decision = decide(near_close(5, (option(26300), 2), session=session(dte=1), later=(unread,)))
    assert isinstance(decision, Unwind)
    assert decision.reason is Reason.UNWIND_SESSION_END


@pytest.mark.parametrize(("free_margin", "sold"), [(1_000_000, True), (900_000, False)])
def test_a_sale_whose_margin_free_margin_would_not_bear_with_the_buffer_is_not_made(free_margin, sold):
    # Six covered straddles; without their wings margin rises by ₹826,020, and the buffer is 2 % of 40 lakh.
    wings = ((option(26300), 6), (option(25700, Right.PE), 6))
    known = selling(*wings, session=session(budget=Decimal(4_000_000)), free_margin=Decimal(free_margin))
    known = replace(known, positions=(*(known.positions or ()), *short_straddle(6)), used=Decimal(1_000_000))
    decision = decide(replace(known, just_exited=True))
    assert (isinstance(decision, Unwind) and len(decision.legs) == 2 and decision.legs[0].quantity == 6 * 65) is sold


@pytest.mark.parametrize(("beyond", "sold"), [(0, True), (300_000, False)])
def test_a_sale_counts_what_the_broker_takes_for_a_coming_entry_beyond_our_engine(beyond, sold):
    entry = straddle(2, minutes=4)
    wings = ((option(26300), 2), (option(25700, Right.PE), 2))
    known = selling(
        *wings, coming=(entry,), soon=(entry,), later=(later(entry),), session=session(budget=Decimal(1_200_000))
    )
    taken = Decimal(560_000 + beyond)  # of 12 lakh; our engine says 561,340 without wings
    known = replace(known, increments={entry.portfolio: BrokerIncrement(taken, taken, 1.0)})
    assert isinstance(decide(known), Unwind) is sold


def test_nothing_is_sold_while_an_entry_may_still_be_on_its_way():
    assert isinstance(decide(selling((option(26300), 8), just_due=True)), Hold)


@pytest.mark.parametrize(
    "changes",
    [
        {"exit_breaker_open": True},
        {"session": session(last_action_at=NOW - timedelta(seconds=100))},
        {"in_flight": (InFlight(option(26500), Side.BUY, 65, uncertain=False),)},
        {"in_flight": (InFlight(option(26500), Side.SELL, 65, uncertain=True),)},
    ],
)
def test_a_sale_that_nothing_hurries_waits_like_a_purchase(changes):
    assert isinstance(decide(selling((option(26300), 8), **changes)), Hold)


def test_an_unknown_buy_blocks_its_own_leg_and_not_the_sale_of_another():
    unknown = (InFlight(option(26300), Side.BUY, 65, uncertain=True),)
    assert isinstance(decide(selling((option(26300), 8), in_flight=unknown)), Hold)
    decision = decide(selling((option(26300), 8), (option(26350), 8), in_flight=unknown))
    assert isinstance(decision, Unwind)
    assert [leg.contract for leg in decision.legs] == [option(26350)]


def test_a_spent_cap_does_not_keep_a_sale():
    assert isinstance(decide(selling((option(26300), 8), session=session(spent=Decimal(50_000)))), Unwind)


def test_unknown_margin_sells_nothing_that_the_clock_does_not_ask_for():
    decision = decide(selling((option(26300), 8), used=None, session=session(baseline=None)))
    assert isinstance(decision, Hold)


# --- what the clock asks for ------------------------------------------------------------------------------------------


def near_close(minutes: float, *wings, **changes):
    return holding(*wings, now=WINDOW.act_until - minutes * MINUTE, **changes)


ITM = option(25900)  # a call below the spot of 26000


@pytest.mark.parametrize(("seconds", "bought"), [(101, False), (100, True), (99, True), (6, True)])
def test_a_hedge_is_bought_from_100_seconds_before_its_entry(seconds, bought):
    entry = straddle(4, minutes=seconds / 60)
    decision = decide(facts(chain=chain(), coming=(entry,), soon=(entry,), later=(later(entry),)))
    assert isinstance(decision, AddHedge) is bought
    assert bought or decision.reason is Reason.HOLD_NOT_YET


def test_an_early_breach_waits_even_when_a_harmless_entry_is_near():
    near, far = straddle(1, minutes=1, portfolio="A"), straddle(4, minutes=4, portfolio="B")
    decision = decide(facts(chain=chain(), coming=(near, far), soon=(near, far), later=(later(near), later(far))))
    assert decision.reason is Reason.HOLD_NOT_YET


@pytest.mark.parametrize(("minutes", "sold"), [(10.1, False), (10, True), (5, True), (0.1, True), (0, False)])
def test_a_wing_in_the_money_is_sold_in_the_last_ten_minutes_of_our_hours(minutes, sold):
    known = near_close(minutes, (option(26300), 1))
    quotes = dict(known.chain.quotes)
    quotes[ITM] = replace(quotes[option(26000)], contract=ITM, bid=Decimal(110), ask=Decimal(111), last=Decimal(111))
    position, own = known.positions[0], known.held[0]
    known = replace(
        known,
        chain=replace(known.chain, quotes=quotes),
        positions=(replace(position, contract=ITM),),
        held=(replace(own, contract=ITM),),
    )
    decision = decide(known)
    due = isinstance(decision, Unwind) and decision.reason is Reason.UNWIND_BEFORE_CLOSE
    assert due is sold
    if due:
        assert all(leg.due_by_clock for leg in decision.legs)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "changes",
    [
        {"funds": None, "used": None, "unknown": "funds: gone"},
        {"session": session(dte=1, baseline=None), "used": None},
        {"breaker_open": True},
        {"session": session(dte=1, last_action_at=WINDOW.act_until - 6 * MINUTE)},
        {"session": session(dte=1, trading_state="reducing")},
    ],
)
def test_what_the_sessions_end_asks_for_waits_for_neither_margin_nor_cooldown(changes):
    decision = decide(near_close(5, (option(26300), 2), **({"session": session(dte=1)} | changes)))
    assert isinstance(decision, Unwind)
    assert decision.reason is Reason.UNWIND_SESSION_END


@pytest.mark.parametrize(
    "changes",
    [
        {"enabled": False},
        {"session": session(dte=1, automation=False)},
        {"session": session(dte=1, trading_state="halted")},
        {"reconciled": False},
        {"positions": None},
        {"in_flight": (InFlight(option(26300), Side.BUY, 65, uncertain=True),)},
        {"policy": HedgePolicy(keep_hedges_overnight=True)},
    ],
)
def test_the_clock_sells_nothing_without_leave_or_knowledge(changes):
    decision = decide(near_close(5, (option(26300), 2), **({"session": session(dte=1)} | changes)))
    assert decision.reason is not Reason.UNWIND_SESSION_END


def test_an_unknown_order_blocks_its_own_leg_and_not_the_exit_of_another():
    unknown = (InFlight(option(26300), Side.BUY, 65, uncertain=True),)
    decision = decide(near_close(5, (option(26300), 2), (option(26400), 2), session=session(dte=1), in_flight=unknown))
    assert isinstance(decision, Unwind)
    assert [leg.contract for leg in decision.legs] == [option(26400)]


@pytest.mark.parametrize(("selling", "sold"), [(65, [2]), (130, [1]), (195, [])])
def test_what_is_being_sold_already_leaves_less_to_sell(selling, sold):
    sale = (InFlight(option(26600), Side.SELL, selling, uncertain=False),)
    known = near_close(5, (option(26300), 2), (option(26600), 3), session=session(dte=1), in_flight=sale)
    left = replace(known.held[1], quantity=195 - selling)
    known = replace(known, held=(known.held[0], left), positions=(*(known.positions or ()), *short_straddle(2)[:1]))
    decision = decide(known)
    assert [leg.quantity // 65 for leg in getattr(decision, "legs", ())] == sold


def test_at_the_sessions_end_wings_that_cover_shorts_stay():
    known = near_close(5, (option(26300), 2), session=session(dte=1))
    known = replace(known, positions=(*(known.positions or ()), *short_straddle(2)))
    assert decide(known).reason is not Reason.UNWIND_SESSION_END


def test_an_entry_that_cannot_be_saved_does_not_cost_the_one_before_it():
    first, hopeless = straddle(4, minutes=1.5, portfolio="A"), straddle(60, minutes=3, portfolio="B")
    decision = decide(facts(chain=chain(), coming=(first, hopeless), soon=(first, hopeless)))
    assert isinstance(decision, AddHedge)
    assert decision.entries == (first,)
    assert decision.card["given_up"] == ["B"]


def test_entries_of_which_none_can_be_saved_buy_nothing():
    hopeless = (straddle(60, minutes=1.5, portfolio="A"), straddle(60, minutes=3, portfolio="B"))
    decision = decide(facts(chain=chain(), coming=hopeless, soon=hopeless))
    assert isinstance(decision, Hold)
    assert decision.reason is Reason.HOLD_UNREACHABLE


def test_the_safety_buffer_is_given_up_only_where_nothing_else_saves_the_entry():
    entry, budget, buffers = straddle(4, minutes=1.5), Decimal(1_000_000), []
    while True:  # less and less budget for the same entry, a percent at a time
        known = session(budget=budget)
        decision = decide(facts(session=known, chain=chain(), coming=(entry,), soon=(entry,), free_margin=budget))
        if not isinstance(decision, AddHedge):
            break
        if decision.buffer == 0:
            assert decision.solution.aim == "full"
            assert decision.solution.utilization_after_pct <= 100
        buffers.append(decision.buffer / budget)
        budget = (budget * Decimal("0.99")).quantize(Decimal(1))
    assert isinstance(decision, Hold)
    assert buffers == sorted(buffers, reverse=True)
    assert buffers[0] > 0 == buffers[-1]


def test_off_the_beat_and_away_from_exits_no_sale_is_looked_at():
    wing = (option(26300), 8)
    assert isinstance(decide(holding(wing)), Hold)
    assert isinstance(decide(holding(wing, now=NOW + 3 * MINUTE)), Unwind)


# --- used margin that cannot be ------------------------------------------------------------------------------------------


def with_wings(used: int, **changes):
    """Six short straddles under wings that nothing needs by `used`, on a beat on which sales are considered."""
    wings = [long(option(strike, right), 6) for right, strike in ((Right.CE, 26300), (Right.PE, 25700))]
    known = {
        "now": NOW.replace(minute=45), "chain": chain(), "used": Decimal(used), "free_margin": Decimal(1_000_000 - used),
        "positions": (*short_straddle(6), *(position for position, _ in wings)), "held": tuple(wing for _, wing in wings),
    }  # fmt: skip
    return facts(**(known | changes))


@pytest.mark.parametrize(("used", "believed"), [(0, False), (1, False), (300_000, False), (600_000, True)])
def test_used_margin_under_half_of_what_the_book_takes_sells_nothing(used, believed):
    decision = decide(with_wings(used))
    assert (decision.reason is not Reason.HOLD_DATA_UNKNOWN) is believed
    assert not isinstance(decision, Unwind)
    assert ("not believed" in decision.card.get("unknown", "")) is not believed


def test_the_baseline_is_part_of_what_is_held_against_the_book():
    inside = session(baseline=Decimal(600_000))
    assert isinstance(decide(with_wings(0, session=inside)), Unwind)


def test_used_margin_that_is_not_believed_still_buys_what_is_needed_and_replaces_nothing():
    entry = straddle(8, minutes=1)
    far = [long(option(strike, right), 6) for right, strike in ((Right.CE, 26900), (Right.PE, 25100))]
    doubted = facts(
        chain=chain(), coming=(entry,), soon=(entry,), later=(later(entry),), used=Decimal(150_000),
        session=session(budget=Decimal(1_800_000)), free_margin=Decimal(3_000_000),
        positions=(*short_straddle(6), *(position for position, _ in far)), held=tuple(wing for _, wing in far),
    )  # fmt: skip
    sides = [{leg.side for leg in decide(f).legs} for f in (doubted, replace(doubted, just_due=True))]  # type: ignore[union-attr]
    assert sides == [{Side.BUY}, {Side.BUY, Side.SELL}]


@pytest.mark.parametrize("right", list(Right))
def test_what_a_purchase_bought_is_not_sold_to_complete_it(right):
    entry = straddle(8, minutes=1)
    far = {side: long(option(strike, side), 6) for side, strike in ((Right.CE, 26900), (Right.PE, 25100))}
    known = facts(
        chain=chain(), coming=(entry,), soon=(entry,), later=(later(entry),), used=Decimal(150_000), just_due=True,
        session=session(budget=Decimal(1_800_000), last_action_at=NOW - timedelta(seconds=20)),
        free_margin=Decimal(3_000_000), held=tuple(wing for _, wing in far.values()),
        positions=(*short_straddle(6), *(position for position, _ in far.values())),
    )  # fmt: skip
    bought = frozenset({far[right][1].contract})
    decision = decide(replace(known, unfinished=Unfinished(frozenset({entry.portfolio}), 0, bought)))
    assert isinstance(decision, AddHedge)
    assert [leg.contract.right for leg in decision.legs if leg.side is Side.SELL] == [right.other]


def test_where_nothing_seems_needed_by_a_figure_that_cannot_be_it_is_unknown_whether_it_is():
    entry = straddle(1, minutes=1)
    doubted = with_wings(0, coming=(entry,), soon=(entry,), later=(later(entry),), held=())
    assert decide(doubted).reason is Reason.HOLD_DATA_UNKNOWN
    assert decide(replace(doubted, just_due=True)).reason is Reason.HOLD_WITHIN_BUDGET  # funds may be behind the book
