"""The broker's own basket call against the engine: every round on the card, and more hedge only where it asks for more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hedging.brokers.base import MarginLeg, UnreadableAnswer
from hedging.domain.decision import AddHedge, Hold
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.reasons import Reason
from hedging.engine.cycle import VERIFY_ROUNDS
from hedging.engine.plan import DayPlan
from hedging.engine.verify import Check, refused
from hedging.models import HedgeDecision, HedgeTransaction
from sessions_app.models import Account, TradingSession
from tests import factories as make
from tests.integration.engine_world import World, add, facts, leg, world
from tests.integration.test_engine_cycle import entry_soon, margin, reason

pytestmark = pytest.mark.django_db

Basket = Callable[[Sequence[MarginLeg]], Decimal]


def need(answers: Basket, *, scope: str = "increment") -> tuple[World, DayPlan]:
    """A world whose next entry takes margin over the trigger, and a broker that answers by `answers`."""
    place = world()
    Account.objects.update(basket_scope=scope)
    plan = entry_soon(place)
    place.exchange.added_by_basket = answers
    return place, plan


def over_trigger_now(release: int) -> tuple[World, DayPlan]:
    """A book over the trigger with no entry to come; the broker releases `release` rupees for each unit bought."""
    place, plan = need(lambda legs: Decimal(-release * sum(leg.quantity for leg in legs if leg.side is Side.BUY)))
    for right in Right:
        short = Contract(Index.NIFTY, make.TUESDAY, Decimal(26000), right)
        place.exchange.foreign[short, Product.NRML] = -4 * 65
    place.exchange.used = Decimal(1_150_000)
    return place, replace(plan, entries=())


def verified() -> dict[str, Any]:
    card: dict[str, Any] = HedgeDecision.objects.latest("id").facts["verified"]
    return card


def units_bought() -> int:
    return sum(tx.quantity for tx in HedgeTransaction.objects.all())


def test_every_round_is_on_the_card_and_the_last_one_is_content():
    place, plan = need(margin(600))
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER
    card = verified()
    shortfalls = [Decimal(round_["shortfall"]) for round_ in card["rounds"]]
    assert 1 < len(shortfalls) <= VERIFY_ROUNDS
    assert all(shortfall > 0 for shortfall in shortfalls[:-1])
    assert shortfalls[-1] == 0
    assert card["broker_used_after"] == card["rounds"][-1]["broker_used_after"]


def test_three_rounds_are_the_most():
    place, plan = need(margin(1100, at_least=930_000))
    reason(place, plan=plan)
    assert len(verified()["rounds"]) <= VERIFY_ROUNDS


@pytest.mark.parametrize("with_hedge", [300_000, 829_999])
def test_where_the_hedge_is_more_than_enough_nothing_changes(with_hedge):
    def content(legs: Sequence[MarginLeg]) -> Decimal:
        return Decimal(with_hedge if any(leg.side is Side.BUY for leg in legs) else 1_000_000)

    place, plan = need(content)
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER
    assert [round_["shortfall"] for round_ in verified()["rounds"]] == ["0.00"]
    assert place.exchange.calls.count("basket_margin") == 2  # the entry alone, and once with the hedge
    chosen = HedgeDecision.objects.latest("id").facts["chosen"]["buys"]
    assert units_bought() == sum(leg["quantity"] for leg in chosen) == 4 * 65


@pytest.mark.parametrize(("release", "rounds"), [(1300, 1), (700, 2)])
def test_without_a_coming_entry_the_correction_counts_against_the_present_book(release, rounds):
    place, plan = over_trigger_now(release)
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER
    card = verified()
    assert len(card["rounds"]) == rounds
    assert Decimal(card["rounds"][-1]["shortfall"]) == 0
    assert Decimal(card["broker_used_after"]) <= Decimal(card["limit"])


def test_a_broker_without_the_call_is_named_on_the_card_and_the_hedge_is_bought():
    place, plan = need(margin(1100), scope="none")
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER
    assert verified()["broker_used_after"] is None
    assert "no basket call" in verified()["note"]
    assert "basket_margin" not in place.exchange.calls


def test_a_call_that_fails_is_named_on_the_card_and_the_hedge_is_bought():
    place, plan = need(margin(1100))
    place.exchange.failing["basket_margin"] = UnreadableAnswer("no margin in the answer")
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER
    assert "no margin in the answer" in verified()["note"]


@pytest.mark.parametrize(("least", "bought"), [(1_000_000, True), (1_000_001, False)])
def test_after_the_last_round_what_leaves_more_than_the_budget_used_by_the_brokers_count_is_not_bought(least, bought):
    place, plan = need(margin(1500, at_least=least))
    said = reason(place, plan=plan)
    assert said == (Reason.ADD_PROJECTION_OVER_TRIGGER if bought else Reason.HOLD_UNREACHABLE)
    assert bool(units_bought()) is bought
    assert len(verified()["rounds"]) == VERIFY_ROUNDS
    assert ("entry_unreachable" in place.alerts()) is not bought
    card = HedgeDecision.objects.latest("id")
    assert ("chosen" in card.facts) is bought
    assert bought or [g["gate"] for g in card.gates if not g["passed"]] == ["broker's count"]


def test_a_policy_that_buys_the_least_buys_what_was_asked_about_last():
    place = world()
    short_of, known = Check(used_after=Decimal(1_200_000), limit=Decimal(1_000_000), too_little=True), facts(place)
    least = replace(known, policy=replace(known.policy, buy_least_utilization=True))
    assert isinstance(refused(decision=add(leg()), check=short_of, facts=known), Hold)
    bought = refused(decision=add(leg()), check=short_of, facts=least)
    assert isinstance(bought, AddHedge)
    assert (bought.reason, bought.legs) == (Reason.ADD_LEAST_UTILIZATION, (leg(),))


@pytest.mark.parametrize("release", [500, 600])
def test_no_round_asks_for_a_set_that_missed_already(release):
    asked: list[tuple[MarginLeg, ...]] = []
    answers: Basket = margin(release)

    def noted(legs: Sequence[MarginLeg]) -> Decimal:
        asked.append(tuple(legs))
        return answers(legs)

    place, plan = need(noted)
    reason(place, plan=plan)
    assert len(asked) == len(set(asked)) == 1 + len(verified()["rounds"])


@pytest.mark.parametrize(("release", "bought"), [(100, False), (1300, True)])
def test_the_brokers_figure_is_held_against_free_margin_too(release, bought):
    place = world(baskets=1, budget_per_basket=Decimal(3_000_000))
    plan = entry_soon(place)
    place.exchange.cash = Decimal(900_000)
    place.exchange.added_by_basket = margin(release)
    said = reason(place, plan=plan)
    assert said == (Reason.ADD_FREE_MARGIN_SHORT if bought else Reason.HOLD_UNREACHABLE)
    first, last = verified()["rounds"][0], verified()["rounds"][-1]
    assert Decimal(first["broker_used_after"]) <= Decimal(first["limit"])
    assert (Decimal(last["broker_at_order"]) <= Decimal(last["free_margin"])) is bought
    assert (Decimal(last["shortfall"]) == 0) is bought
    assert bool(units_bought()) is bought


def test_without_a_coming_entry_nothing_is_asked_at_an_order():
    place, plan = over_trigger_now(1300)
    place.exchange.cash = Decimal(1_160_000)
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER
    assert "broker_at_order" not in verified()


def test_without_a_coming_entry_broker_and_engine_keep_the_same_buffer():
    # What the engine chooses releases by the broker's count ₹300 more than the target asks for: no buffer is missed.
    place, plan = over_trigger_now(770)
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER
    assert [round_["broker_used_after"] for round_ in verified()["rounds"]] == ["849700.00"]
    assert HedgeDecision.objects.latest("id").facts["buffer"] == "0.00"


def test_where_only_the_trigger_can_be_kept_the_present_book_keeps_the_buffer_below_it():
    """Else the hedge that just suffices is replaced over and over as prices move, and each time a cooldown begins."""
    place, plan = over_trigger_now(770)
    TradingSession.objects.update(target_pct=Decimal(40))  # no hedge comes so far down
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER
    facts_of = HedgeDecision.objects.latest("id").facts
    assert facts_of["chosen"]["aim"] == "trigger"
    assert Decimal(facts_of["buffer"]) > 0
    assert Decimal(verified()["broker_used_after"]) <= Decimal(verified()["limit"]) == Decimal(950_000)
