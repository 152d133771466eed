"""Scenarios: the 16 losses are the engine's own, in three shapes of one book."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from hedging.domain.decision import AddHedge, Hold, decide
from hedging.domain.instruments import Product, Right
from hedging.domain.margin import MarginLine, requirement
from hedging.domain.scenarios import scenario_label, scenario_losses
from hedging.domain.snapshot import Position
from tests.unit.cycle_facts import DAY, SPOT, chain, facts, long, option, short_straddle, straddle

WINGS = (option(26500), option(25500, Right.PE))


def hedged(**changes):
    """Three straddles in the book, a wing of ours on each side, and a fourth straddle about to come."""
    lines = [long(contract, 1) for contract in WINGS]
    entry = straddle(1, minutes=1.5)
    known = {
        "chain": chain(), "positions": (*short_straddle(3), *(position for position, _ in lines)),
        "held": tuple(own for _, own in lines), "coming": (entry,), "soon": (entry,),
        "used": Decimal(740_000), "free_margin": Decimal(260_000),
    }  # fmt: skip
    return facts(**(known | changes))


def engine(known, *lines: MarginLine):
    return requirement(lines=lines, market=known.market, parameters=known.parameters)


def coming(known):
    return tuple(line for entry in known.coming for line in entry.lines)


def worst(tiers, shape):
    return sum((max(Decimal(0), *(getattr(row, shape) for row in tier.losses)) for tier in tiers), Decimal(0))


def test_the_worst_scenario_of_each_tier_is_the_engines_scan_risk_in_every_shape():
    known = hedged()
    decision = decide(known)
    assert isinstance(decision, AddHedge)

    found = scenario_losses(known, decision)

    book = (*known.book(), *coming(known))
    without = engine(known, *(line for line in book if line.contract not in WINGS))
    held = engine(known, *book)
    bought = (
        MarginLine(leg.contract, leg.side.sign * leg.quantity, known.price_of(leg.contract), Product.NRML)
        for leg in decision.legs
    )
    after = engine(known, *book, *bought)
    assert found.after is not None
    for shape, expected, risk in (
        ("without", without, found.without), ("held", held, found.held), ("after", after, found.after),
    ):  # fmt: skip
        assert (risk.scan, risk.total) == (expected.scan, expected.total)
        assert worst(found.tiers, shape) == expected.scan
    assert found.without.scan > found.held.scan > found.after.scan
    assert found.entries == ("ITJ_NF_EXP 4",)


def test_two_tiers_have_sixteen_losses_each_and_their_worst_add_up():
    """What expires today cannot be offset by another day: its tier is apart, and so are its losses."""
    later = replace(option(26000), expiry=DAY.replace(day=8))
    position = Position(later, Product.NRML, -65, Decimal(150), Decimal(150))
    known = hedged(positions=(*hedged().positions, position), coming=(), soon=())

    found = scenario_losses(known, Hold(decide(known).reason, ()))

    assert [tier.name for tier in found.tiers] == ["NIFTY NRML expiring", "NIFTY NRML later"]
    losses = engine(known, *known.book()).scenario_losses
    for tier in found.tiers:
        assert tuple(row.held for row in tier.losses) == losses[tier.name]
    assert worst(found.tiers, "held") == found.held.scan == engine(known, *known.book()).scan


def test_a_hold_has_nothing_after_it_and_counts_every_coming_entry():
    known = hedged()

    found = scenario_losses(known, Hold(decide(known).reason, ()))

    assert found.after is None
    assert {row.after for tier in found.tiers for row in tier.losses} == {None}
    assert found.entries == ("ITJ_NF_EXP 4",)


def test_wings_that_the_broker_no_longer_shows_cannot_be_taken_out():
    known = hedged(positions=short_straddle(3))

    found = scenario_losses(known, Hold(decide(known).reason, ()))

    assert found.without == found.held


def test_scenarios_are_named_by_their_move_in_scan_ranges_and_say_where_the_index_would_be():
    labels = [scenario_label(number) for number in range(16)]
    assert labels[:6] == [
        "0, vol up",
        "0, vol down",
        "+1/3, vol up",
        "+1/3, vol down",
        "−1/3, vol up",
        "−1/3, vol down",
    ]
    assert labels[8] == "−2/3, vol up"
    assert labels[12:] == ["−1, vol up", "−1, vol down", "+2, extreme", "−2, extreme"]
    assert len(set(labels)) == 16

    known = hedged()
    (tier,) = scenario_losses(known, Hold(decide(known).reason, ())).tiers
    levels = {row.label: row.level for row in tier.losses}
    assert levels["0, vol up"] == SPOT
    assert levels["−1, vol up"] == SPOT * (1 - Decimal("0.093"))


def test_a_book_without_prices_has_no_losses():
    with pytest.raises(ValueError, match="no chain was read"):
        scenario_losses(facts(), Hold(decide(facts()).reason, ()))
