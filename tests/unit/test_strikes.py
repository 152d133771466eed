"""The chain as a decision saw it: what is short, held, coming and bought, and which strikes were allowed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hedging.domain.decision import AddHedge, Hold, decide
from hedging.domain.instruments import Product, Right
from hedging.domain.policy import HedgePolicy, Relaxation
from hedging.domain.snapshot import Position
from hedging.domain.strikes import strike_table
from tests.unit.cycle_facts import chain, facts, long, option, short_straddle, straddle


def needing(**changes):
    entry = straddle(4, minutes=1.5)
    return facts(**({"chain": chain(), "coming": (entry,), "soon": (entry,)} | changes))


def sides(table, right=Right.CE):
    name = "call" if right is Right.CE else "put"
    return {row.strike: getattr(row, name) for row in table.rows if getattr(row, name) is not None}


def test_what_would_be_bought_stands_at_its_strike_with_its_units():
    known = needing()
    decision = decide(known)
    assert isinstance(decision, AddHedge)

    table = strike_table(known, decision)

    bought = {
        (strike, right): side.bought for right in Right for strike, side in sides(table, right).items() if side.bought
    }
    assert bought == {(leg.contract.strike, leg.contract.right): leg.quantity for leg in decision.legs}
    assert [row.strike for row in table.rows] == sorted(row.strike for row in table.rows)
    assert sides(table)[Decimal(26000)].coming == 4 * 65


def test_shorts_hedges_and_longs_that_are_not_ours_are_told_apart():
    (wing, own) = long(option(26500), 2)
    stranger = Position(option(26600), Product.NRML, 65, Decimal(3), Decimal(3))
    more = Position(option(26500), Product.NRML, wing.quantity + 65, Decimal(3), Decimal(3))
    known = needing(positions=(*short_straddle(1), more, stranger), held=(own,), coming=(), soon=())

    calls = sides(strike_table(known, Hold(decide(known).reason, ())))

    assert (calls[Decimal(26000)].short, calls[Decimal(26000)].held) == (65, 0)
    assert (calls[Decimal(26500)].held, calls[Decimal(26500)].other) == (130, 65)
    assert (calls[Decimal(26600)].held, calls[Decimal(26600)].other) == (0, 65)


def test_a_line_that_the_chain_does_not_quote_is_there_without_a_price():
    far = Position(option(28000), Product.NRML, -65, Decimal(1), Decimal(1))
    known = needing(positions=(far,), coming=(), soon=())

    row = strike_table(known, Hold(decide(known).reason, ())).rows[-1]

    assert (row.strike, row.put) == (Decimal(28000), None)
    assert row.call is not None
    assert (row.call.bid, row.call.ask, row.call.short) == (None, None, 65)


def test_allowed_are_the_strikes_of_the_relaxation_in_force_and_the_chosen_are_among_them():
    known = needing()
    decision = decide(known)
    assert isinstance(decision, AddHedge)

    table = strike_table(known, decision)

    assert table.relaxation is decision.solution.relaxation
    every = [side for right in Right for side in sides(table, right).values()]
    assert all(side.allowed for side in every if side.bought)
    assert not sides(table)[Decimal(26000)].allowed
    assert [c["symbol"] for c in decision.card["candidates"]] == [
        f"NIFTY 01DEC26 {strike:f} {right}"
        for right in Right
        for strike, side in sides(table, right).items()
        if side.allowed
    ]


def test_what_is_allowed_is_unknown_where_used_margin_is():
    known = needing(used=None)

    table = strike_table(known, decide(known))

    assert {side.allowed for side in sides(table).values()} == {None}
    assert (table.relaxation, table.min_premium, table.max_premium) == (Relaxation.NONE, Decimal("2.0"), Decimal("6.0"))


def test_without_a_chain_there_is_no_table():
    with pytest.raises(ValueError, match="no chain"):
        strike_table(facts(), decide(facts()))


def test_the_card_of_a_purchase_tells_the_strikes_that_were_considered():
    decision = decide(needing())
    assert isinstance(decision, AddHedge)

    candidates = decision.card["candidates"]

    assert {c["symbol"] for c in candidates if c["chosen"]} == {b["symbol"] for b in decision.card["chosen"]["buys"]}
    band = HedgePolicy()
    assert all(band.floor_premium <= Decimal(c["ask"]) <= band.max_premium for c in candidates)
    assert len(candidates) > len(decision.legs)


def test_the_card_of_a_hold_tells_no_candidates():
    entry = straddle(1, minutes=1.5)

    decision = decide(facts(chain=chain(), coming=(entry,), soon=(entry,)))

    assert isinstance(decision, Hold)
    assert "candidates" not in decision.card
