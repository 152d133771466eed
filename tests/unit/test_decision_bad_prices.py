"""Bad prices on the way to a decision: crossed, zero, missing or old, they are never bought and never priced into margin."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from hedging.domain.decision import AddHedge, Hold, Unwind, decide
from hedging.domain.facts import CycleFacts
from hedging.domain.instruments import Contract
from hedging.domain.reasons import Reason
from hedging.domain.snapshot import Quote
from tests.unit.cycle_facts import WINDOW, chain, facts, later, long, option, session, short_straddle, straddle

ZERO, NINE = Decimal(0), Decimal(900)
DEEP = option(25700)


def needing(quotes: dict[Contract, Quote] | None = None, **changes) -> CycleFacts:
    """An entry in two minutes that takes margin over the trigger, with some quotes of the chain replaced."""
    entry = straddle(4, minutes=1.5)
    read = replace(chain(), quotes={**chain().quotes, **(quotes or {})})
    known = {"chain": read, "coming": (entry,), "soon": (entry,), "later": (later(entry),)}
    return facts(**(known | changes))


def bought(known: CycleFacts) -> set[Contract]:
    return {leg.contract for leg in getattr(decide(known), "legs", ())}


def spoilt(contract: Contract, **changes) -> dict[Contract, Quote]:
    return {contract: replace(chain().quotes[contract], **changes)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"bid": NINE},
        {"ask": ZERO, "bid": ZERO, "last": ZERO},
        {"ask": ZERO, "bid": None},
        {"ask": Decimal(-3), "bid": None},
        {"ask": None, "bid": None},
        {"ask": None},
    ],
    ids=["crossed", "all zero", "zero ask", "negative ask", "nothing", "nobody offers"],
)
def test_a_strike_with_such_a_quote_is_never_bought(wrong):
    for chosen in bought(needing()):
        after = needing(spoilt(chosen, **wrong))
        assert chosen not in bought(after)
        assert isinstance(decide(after), AddHedge)  # and the others still are


def test_a_chain_that_is_crossed_all_over_buys_nothing():
    crossed = {contract: replace(quote, bid=NINE) for contract, quote in chain().quotes.items()}
    decision = decide(needing(crossed))
    assert isinstance(decision, Hold)
    assert decision.reason is Reason.HOLD_NO_CANDIDATE_IN_BAND


@pytest.mark.parametrize(
    "wrong", [{"bid": NINE}, {"bid": None, "ask": None, "last": None}, {"bid": ZERO, "ask": ZERO, "last": ZERO}]
)
def test_a_short_without_an_honest_price_anywhere_makes_margin_unknown(wrong):
    short = option(26000)
    unpriced = tuple(replace(p, last=None) for p in short_straddle(1))
    decision = decide(needing(spoilt(short, **wrong), positions=unpriced))
    assert isinstance(decision, Hold)
    assert decision.reason is Reason.HOLD_DATA_UNKNOWN
    assert "26000" in next(gate.detail for gate in decision.gates if not gate.passed)


def test_a_short_with_a_crossed_quote_is_priced_by_the_position_book():
    short = option(26000)
    known = needing(spoilt(short, bid=NINE, last=Decimal(5)), positions=short_straddle(1))
    assert {line.price for line in known.book() if line.contract == short} == {Decimal(90)}
    assert isinstance(decide(known), AddHedge)


@pytest.mark.parametrize("last", [ZERO, Decimal(-1)])
def test_a_position_whose_only_price_is_not_above_zero_is_unknown(last):
    strange = replace(short_straddle(1)[0], contract=option(30000), last=last)
    assert decide(needing(positions=(strange,))).reason is Reason.HOLD_DATA_UNKNOWN


@pytest.mark.parametrize(
    ("age", "acts"), [(0.0, True), (5.0, True), (5.1, False), (3600.0, False)], ids=["new", "at", "after", "long after"]
)
def test_prices_older_than_the_policy_trusts_buy_nothing(age, acts):
    decision = decide(needing(chain_age_seconds=age))
    assert isinstance(decision, AddHedge if acts else Hold)
    if not acts:
        assert decision.reason is Reason.HOLD_DATA_UNKNOWN
        assert "old" in next(gate.detail for gate in decision.gates if not gate.passed)


def ending(**changes) -> CycleFacts:
    """A wing of ours in the money, five minutes before the end: the clock asks for its sale."""
    position, own = long(option(26300), 1)
    position, own = replace(position, contract=DEEP), replace(own, contract=DEEP)
    quotes = {**chain().quotes, own.contract: Quote(own.contract, Decimal(300), Decimal(301), Decimal(300))}
    known = {
        "now": WINDOW.act_until - timedelta(minutes=5), "session": session(), "positions": (position,), "held": (own,),
        "chain": replace(chain(), quotes=quotes),
    }  # fmt: skip
    return facts(**(known | changes))


def test_a_sale_that_the_clock_asks_for_needs_an_honest_bid():
    assert isinstance(decide(ending()), Unwind)
    for bid in (Decimal(400), ZERO, None):
        quote = Quote(DEEP, bid, Decimal(301), Decimal(300))
        assert not isinstance(decide(ending(chain=replace(chain(), quotes={**chain().quotes, DEEP: quote}))), Unwind)


def test_a_sale_that_the_clock_asks_for_needs_new_prices():
    assert isinstance(decide(ending(chain_age_seconds=5.0)), Unwind)
    assert isinstance(decide(ending(chain_age_seconds=5.1)), Hold)


def test_a_wing_nobody_needs_is_not_sold_at_a_crossed_bid():
    position, own = long(option(26300), 8)
    known = facts(chain=chain(), positions=(position,), held=(own,), just_exited=True)
    assert isinstance(decide(known), Unwind)
    crossed = replace(chain(), quotes={**chain().quotes, **spoilt(own.contract, bid=NINE)})
    assert isinstance(decide(replace(known, chain=crossed)), Hold)
