"""A hedge is decided on the ladders of the strikes that it chose; what was seen, and a missing proof, are told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.template.loader import render_to_string

from hedging.brokers.base import UnreadableAnswer
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.instruments import Contract
from hedging.domain.optimizer import solve as solve_in_time
from hedging.domain.reasons import Reason
from hedging.domain.snapshot import Level
from hedging.engine.depths import MOST_STRIKES, ROUNDS
from hedging.models import HedgeDecision, HedgeTransaction
from notifications.models import Alert
from tests.integration.engine_world import POLICY, World, world
from tests.integration.test_engine_cycle import cycle, entry_soon, margin

pytestmark = pytest.mark.django_db


def bought(place: World, plan) -> HedgeDecision:
    place.wait(30)
    card = cycle(place, plan=plan)
    assert card is not None
    assert card.reason == Reason.ADD_PROJECTION_OVER_TRIGGER
    return card


def entry_in_need(place: World):
    place.exchange.added_by_basket = margin(1100)
    return entry_soon(place)


def intents() -> dict[Contract, int]:
    return {tx.contract: tx.quantity for tx in HedgeTransaction.objects.all()}


def depth_reads(place: World) -> int:
    return place.exchange.calls.count("depth")


def test_where_the_ladders_hold_what_the_chain_said_each_chosen_strike_is_read_once():
    place = world()
    card = bought(place, entry_in_need(place))
    assert depth_reads(place) == len(intents()) <= MOST_STRIKES
    assert {row["symbol"] for row in card.facts["depth"]} == {tx.symbol for tx in HedgeTransaction.objects.all()}
    assert all(row["read"] and row["ask"] for row in card.facts["depth"])


def test_a_chosen_strike_that_is_thin_within_the_order_buffer_is_bought_only_as_deep_as_it_is():
    place = world()
    plan = entry_in_need(place)
    answer, thin = place.exchange.depth, []

    def first_is_thin(contract):
        read = answer(contract)
        thin.append(contract)
        ask = read.asks[0].price
        return replace(read, asks=(Level(ask, 65), Level(ask + 20, 10_000))) if contract == thin[0] else read

    place.exchange.depth = first_is_thin  # type: ignore[method-assign]
    card = bought(place, plan)
    assert intents().get(thin[0], 0) <= 65
    assert sum(intents().values()) > 65
    row = next(row for row in card.facts["depth"] if row["symbol"] == format_symbol(thin[0]))
    assert row["ask_quantity"] == 10_065


def test_a_ladder_that_cannot_be_read_leaves_the_chain_s_word_and_is_told_on_the_card():
    place = world()
    plan = entry_in_need(place)
    place.exchange.failing["depth"] = UnreadableAnswer("a side without quantities")
    card = bought(place, plan)
    assert [row["read"] for row in card.facts["depth"]] == [False] * len(intents())
    assert depth_reads(place) == len(intents())


def test_the_rounds_are_bounded_when_every_ladder_disappoints():
    place = world()
    plan = entry_in_need(place)
    answer = place.exchange.depth

    def nobody_sells(contract):
        return replace(answer(contract), asks=())

    place.exchange.depth = nobody_sells  # type: ignore[method-assign]
    place.wait(30)
    cycle(place, plan=plan)
    assert 0 < depth_reads(place) <= ROUNDS * MOST_STRIKES


def test_a_hedge_that_was_not_proven_the_cheapest_says_so_on_card_page_and_alert(monkeypatch):
    def hurried(problem, **options):
        return solve_in_time(replace(problem, time_limit_seconds=0.0), **options)

    monkeypatch.setattr("hedging.domain.decision.solve", hurried)
    place = world()
    card = bought(place, entry_in_need(place))
    assert card.facts["chosen"]["proven"] is False
    place.follow()
    for _ in range(3):
        place.reconcile(after=5)
    told = Alert.objects.filter(kind="hedge_bought")
    assert told.exists()
    assert all(alert.facts["proof"] == "NOT PROVEN cheapest" for alert in told)
    sentence = render_to_string("hedging/_chosen.html", {"chosen": card.facts["chosen"]})
    assert "NOT PROVEN cheapest" in sentence
    proven = card.facts["chosen"] | {"proven": True}
    assert "NOT PROVEN" not in render_to_string("hedging/_chosen.html", {"chosen": proven})


def test_a_policy_that_buys_the_least_utilization_buys_it_once_nothing_else_helps_and_is_alarmed(monkeypatch):
    monkeypatch.setattr("tests.integration.test_engine_cycle.POLICY", replace(POLICY, buy_least_utilization=True))
    place = world()
    place.exchange.added_by_basket = margin(1100)
    place.wait(30)
    card = cycle(place, plan=entry_soon(place, lots=60))
    assert card is not None
    assert card.reason == Reason.ADD_LEAST_UTILIZATION
    assert card.facts["chosen"]["aim"] == "least"
    assert card.facts["chosen"]["buys"]
    assert Alert.objects.filter(kind="entry_unreachable").count() == 1
