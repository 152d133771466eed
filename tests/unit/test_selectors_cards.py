"""Reading decision cards: what cannot be read is unknown, and what follows from a projection is said in words."""

from decimal import Decimal

import pytest

from hedging.domain.reasons import REASON_TEXT, Reason
from hedging.models import HedgeDecision
from hedging.selectors.cards import card_of, moment, number, reason_text, verdict

TRIGGER = Decimal(95)


def card(*, action="hold", reason="HOLD_COOLDOWN", used_after_pct="107.6", at_order=None):
    row = {"portfolio": "P", "used_after_pct": used_after_pct, "at_order": at_order}
    facts = {"free_margin": "500000", "projection": [row]}
    return card_of(HedgeDecision(kind="entry_projection", action=action, reason=reason, facts=facts))


def said(of, *, buy_is_live=False):
    return verdict(entry=of.projection[0], card=of, trigger_pct=TRIGGER, buy_is_live=buy_is_live)


@pytest.mark.parametrize("value", [None, "", "ten", "NaN", "Infinity", True, [], {}])
def test_a_figure_that_is_none_is_unknown(value):
    assert number(value) is None


@pytest.mark.parametrize(("value", "figure"), [("0", 0), (0, 0), ("107.6", Decimal("107.6")), (3, 3)])
def test_a_figure_is_read_exactly(value, figure):
    assert number(value) == figure


@pytest.mark.parametrize("value", [None, "soon", 7, "2026-12-01T10:16:30"])
def test_an_instant_without_zone_or_sense_is_unknown(value):
    assert moment(value) is None


def test_an_empty_card_has_no_figures_and_no_gates():
    empty = card_of(HedgeDecision(action="hold", reason="HOLD_NOTHING_DUE"))

    assert (empty.projection, empty.gates, empty.chosen, empty.floor_pct) == ((), (), None, None)
    assert empty.text == REASON_TEXT[Reason.HOLD_NOTHING_DUE]


def test_a_gate_is_passed_only_by_a_true():
    gates = [{"gate": "cap", "passed": "yes"}, {"gate": "hours", "passed": True, "detail": "open"}]

    assert [g.passed for g in card_of(HedgeDecision(reason="HOLD_NOTHING_DUE", gates=gates)).gates] == [False, True]


def test_a_reason_of_another_release_is_shown_as_it_is():
    assert reason_text("HOLD_FOR_TEA") == "HOLD_FOR_TEA"


@pytest.mark.parametrize(("after", "words"), [("94.9", "no hedge needed"), ("95", "no hedge needed")])
def test_up_to_the_trigger_no_hedge_is_needed(after, words):
    assert said(card(used_after_pct=after)) == words


def test_over_the_trigger_the_reason_of_holding_is_given():
    assert said(card(used_after_pct="95.1")) == f"not hedged: {REASON_TEXT[Reason.HOLD_COOLDOWN]}"


def test_a_purchase_decided_is_a_hedge_planned():
    assert said(card(action="add", reason="ADD_PROJECTION_OVER_TRIGGER")) == "hedge planned"


def test_an_entry_without_enough_free_margin_wants_a_hedge_under_the_trigger_as_well():
    assert said(card(used_after_pct="80", at_order="500000")) == "no hedge needed"
    assert said(card(action="add", reason="ADD_FREE_MARGIN_SHORT", used_after_pct="80", at_order="500001")) == (
        "hedge planned"
    )


def test_of_several_entries_only_the_one_that_breaches_is_hedged():
    assert said(card(action="add", reason="ADD_PROJECTION_OVER_TRIGGER", used_after_pct="80")) == "no hedge needed"


def test_a_purchase_at_work_is_a_hedge_on_its_way():
    assert said(card(), buy_is_live=True) == "hedge on its way"


def test_an_unknown_projection_promises_nothing():
    assert said(card(used_after_pct=None)) == "not known"
