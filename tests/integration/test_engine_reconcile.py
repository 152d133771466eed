"""What became of a sent slice: fills, unknown outcomes, chases, slices, replacements and late news, read from the books."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hedging.brokers.base import BrokerStatus, BrokerUnavailable, OrderRequest, PlaceReply, ReplyClass
from hedging.domain.instruments import Product, Side
from hedging.domain.lifecycle import IllegalTransition, OrderStatus
from hedging.domain.policy import HedgePolicy
from hedging.domain.reasons import Reason
from hedging.engine import reconcile as reconciling
from hedging.engine.day_figures import summarize
from hedging.engine.discrepancies import examine, follow_up
from hedging.engine.orders import apply_event
from hedging.engine.reconcile import end_earlier_days, reconcile, resolve
from hedging.engine.sessions import close_session
from hedging.management.commands import reconcile as command
from hedging.models import AuditEvent, Fill, HedgeOrder, HedgeTransaction
from hedging.selectors import analytics, holdings
from hedging.selectors.outcomes import By, Period, analytics_version
from notifications.models import Alert
from sessions_app.models import TradingSession, TradingState
from tests import factories as make
from tests.integration import fake_exchange as fake
from tests.integration.engine_world import CALL, PUT, World, hold, intent, policy_card, slice_of, world

S = OrderStatus
pytestmark = pytest.mark.django_db


def booked(place: World) -> tuple[Decimal | int, Decimal | int]:
    """What the session's row has booked: spent and reserved, in rupees."""
    place.session.refresh_from_db()
    return place.session.spent, place.session.reserved


def resting(place: World, **fields: Any) -> HedgeTransaction:
    """An order that rests: the ask went away after it was priced."""
    tx = intent(place, **fields)
    place.exchange.replies = [rest]
    place.send(slice_of(tx))
    return tx


def rest(exchange: fake.FakeExchange, request: OrderRequest) -> PlaceReply:
    kept, exchange.ladders[request.contract] = exchange.ladders[request.contract], ([], [])
    order = exchange.accept(request)
    exchange.ladders[request.contract] = kept
    return PlaceReply(ReplyClass.ACKED, order.order_id)


# --- fills ------------------------------------------------------------------------------------------------------------


def test_a_fill_in_several_trades_is_their_sum_and_their_average():
    place = world()
    tx = resting(place)
    order = place.exchange.only()
    place.exchange.fill(order, 65, "4.00")
    place.reconcile(after=3)
    tx.refresh_from_db()
    assert (slice_of(tx).status, tx.filled_quantity, tx.is_live) == (S.PARTIAL, 65, True)
    assert booked(place) == (0, tx.reserve)  # what a part cost stays inside the reserve
    place.exchange.fill(order, 65, "4.10")
    place.reconcile(after=3)
    tx.refresh_from_db()
    assert (slice_of(tx).status, tx.filled_quantity, tx.average_price) == (S.FILLED, 130, Decimal("4.0500"))
    assert [(fill.sequence, fill.quantity) for fill in Fill.objects.order_by("id")] == [(1, 65), (2, 65)]
    assert booked(place) == (Decimal("526.50") + tx.charges, 0)


def test_complete_by_the_order_book_is_not_filled_before_the_trade_book_says_so():
    place = world()
    place.exchange.trades_shown = 0
    tx = intent(place)
    place.send(slice_of(tx))
    for _ in range(3):
        place.reconcile(after=3)
    assert slice_of(tx).status == S.ACKED
    place.exchange.trades_shown = None
    place.reconcile(after=3)
    assert slice_of(tx).status == S.FILLED


def test_a_neighbours_status_does_not_end_an_order():
    place = world()
    tx = resting(place)
    place.exchange.only().shown = BrokerStatus.REJECTED
    place.reconcile(after=2)
    place.exchange.only().shown = None
    place.exchange.fill(place.exchange.only(), 130, "4.00")
    place.reconcile(after=5)
    assert slice_of(tx).status == S.FILLED


@pytest.mark.parametrize("book", ["order_book", "trade_book"])
def test_nothing_is_inferred_from_a_book_that_could_not_be_read(book):
    place = world()
    place.exchange.replies = [fake.timed_out]
    tx = intent(place)
    place.send(slice_of(tx))
    place.exchange.failing[book] = BrokerUnavailable("gone")
    for _ in range(10):
        assert not place.reconcile(after=60).books_read
    order = slice_of(tx)
    assert (order.status, order.clean_reads) == (S.UNKNOWN, 0)


def test_reconcile_reads_no_book_while_nothing_is_live():
    place = world()
    done = place.reconcile()
    assert (done.watched, done.books_read, place.exchange.calls) == (0, True, [])


# --- nobody knows -----------------------------------------------------------------------------------------------------


def test_a_timeout_that_was_placed_is_adopted_and_never_sent_again():
    place = world()
    place.exchange.replies = [fake.placed_but_timed_out]
    tx = intent(place)
    assert place.send(slice_of(tx)) == S.UNKNOWN
    place.reconcile(after=5)
    place.reconcile(after=5)
    tx.refresh_from_db()
    assert (slice_of(tx).status, slice_of(tx).broker_order_id, tx.filled_quantity) == (S.FILLED, "B0001", 130)
    assert len(place.exchange.posts) == 1


def test_a_timeout_that_never_arrived_is_lost_after_150_seconds_and_frees_its_reserve():
    place = world()
    place.exchange.replies = [fake.timed_out]
    tx = intent(place)
    place.send(slice_of(tx))
    for _ in range(5):
        place.reconcile(after=30)
    assert slice_of(tx).status == S.UNKNOWN
    assert booked(place) == (0, tx.reserve)
    place.reconcile(after=1)
    assert slice_of(tx).status == S.LOST
    assert booked(place) == (0, 0)
    assert len(place.exchange.posts) == 1


def test_an_order_that_lands_two_minutes_late_is_still_adopted():
    place = world()
    place.exchange.replies = [fake.timed_out]
    tx = intent(place)
    place.send(slice_of(tx))
    for _ in range(4):
        place.reconcile(after=30)
    place.exchange.accept(place.exchange.posts[0])
    place.reconcile(after=5)
    place.reconcile(after=5)
    assert slice_of(tx).status == S.FILLED


def test_a_foreign_order_that_was_there_before_is_not_taken_for_ours():
    place = world()
    place.exchange.replies = [fake.timed_out]
    tx = intent(place)
    place.exchange.accept(OrderRequest(CALL, Product.NRML, Side.BUY, 130, Decimal("4.15")))
    place.send(slice_of(tx))
    place.reconcile(after=5)
    assert slice_of(tx).status == S.UNKNOWN


def test_a_foreign_order_that_was_there_before_is_not_taken_for_ours_when_it_gets_its_name():
    place = world()
    place.exchange.replies = [fake.timed_out]
    place.exchange.named = False  # so that our price cannot avoid its price
    tx = intent(place)
    place.exchange.accept(OrderRequest(CALL, Product.NRML, Side.BUY, 130, Decimal("4.15")))
    place.send(slice_of(tx))
    assert place.exchange.posts[0].limit_price == Decimal("4.15")
    place.exchange.named = True
    place.reconcile(after=5)
    assert slice_of(tx).status == S.UNKNOWN


def test_the_order_of_another_slice_of_ours_is_never_adopted():
    place = world()
    first = intent(place)
    place.send(slice_of(first))
    place.reconcile(after=5)
    place.exchange.replies = [fake.timed_out]
    lost = intent(place)
    place.send(slice_of(lost))
    # As if both had gone out at once, and at the same price.
    HedgeOrder.objects.filter(transaction=lost).update(seen_order_ids=[], limit_price=slice_of(first).limit_price)
    place.reconcile(after=5)
    assert slice_of(lost).status == S.UNKNOWN


@pytest.mark.parametrize(("contract", "status"), [(CALL, S.FILLED), (PUT, S.UNKNOWN)])
def test_a_row_without_a_symbol_is_adopted_when_it_has_ours_and_not_before(contract, status):
    place = world()
    place.exchange.replies = [fake.timed_out]
    tx = intent(place)
    place.send(slice_of(tx))
    sent = place.exchange.posts[0]
    place.exchange.named = False
    place.exchange.accept(replace(sent, contract=contract))  # ours, or another contract's at the same price
    place.reconcile(after=5)
    assert slice_of(tx).status == S.UNKNOWN
    place.exchange.named = True
    place.reconcile(after=5)
    place.reconcile(after=5)
    assert slice_of(tx).status == status


def test_two_orders_that_look_like_ours_need_a_person_and_stop_buying():
    place = world()
    place.exchange.replies = [fake.placed_but_timed_out]
    tx = intent(place)
    place.send(slice_of(tx))
    place.exchange.accept(place.exchange.posts[0])
    place.reconcile(after=5)
    place.session.refresh_from_db()
    assert slice_of(tx).status == S.REVIEW
    assert place.session.trading_state == TradingState.REDUCING
    assert booked(place)[1] == tx.reserve  # counts as filled until somebody has looked
    assert {"order_review", "trading_state"} <= set(place.alerts())


def test_what_surfaces_after_it_was_lost_is_booked_and_stops_buying():
    place = world()
    place.exchange.replies = [fake.timed_out]
    tx = intent(place)
    place.send(slice_of(tx))
    for _ in range(6):
        place.reconcile(after=30)
    assert slice_of(tx).status == S.LOST
    place.exchange.accept(place.exchange.posts[0])
    place.reconcile(after=5)
    place.reconcile(after=5)
    tx.refresh_from_db()
    place.session.refresh_from_db()
    assert (slice_of(tx).status, tx.filled_quantity) == (S.FILLED, 130)
    assert booked(place) == (Decimal(520) + tx.charges, 0)
    assert place.session.trading_state == TradingState.REDUCING


@pytest.mark.parametrize(("seconds", "status"), [(44, S.SENDING), (45, S.SENDING), (46, S.UNKNOWN)])
def test_a_sender_silent_for_45_seconds_leaves_an_unknown_behind(seconds, status):
    place = world()
    tx = intent(place)
    HedgeOrder.objects.update(
        status=S.SENDING, limit_price=Decimal("4.15"), sent_at=place.clock.now(), touched_wall=place.wall.now()
    )
    place.reconcile(after=seconds)
    assert slice_of(tx).status == status


def set_right(place: World) -> None:
    """The clocks ran an hour ahead until now."""
    place.wall.moment -= timedelta(hours=1)
    place.clock.moment -= timedelta(hours=1)


def test_the_order_of_a_dead_sender_is_looked_for_though_the_clock_was_set_back():
    place = world()
    tx = intent(place)

    def died(exchange, request):
        exchange.accept(request)
        raise KeyboardInterrupt

    place.exchange.replies = [died]
    with pytest.raises(KeyboardInterrupt):
        place.send(slice_of(tx))
    set_right(place)
    for _ in range(3):
        place.reconcile(after=10)
    tx.refresh_from_db()
    assert (slice_of(tx).status, tx.filled_quantity) == (S.FILLED, 130)


def test_a_nudge_that_was_lost_comes_again_though_the_clock_was_set_back():
    place = world()
    tx = intent(place)
    set_right(place)
    place.reconcile(after=5)
    place.follow()
    assert slice_of(tx).status != S.NEW


# --- chase ------------------------------------------------------------------------------------------------------------


def test_an_order_that_rests_too_long_is_cancelled_confirmed_and_tried_again_at_a_new_price():
    place = world()
    tx = resting(place)
    place.reconcile(after=10)
    assert not place.exchange.cancels  # patience is 10 s
    place.reconcile(after=1)
    assert place.exchange.cancels == ["B0001"]
    assert slice_of(tx).status == S.CANCEL_PENDING
    place.exchange.quote(CALL, "4.10", "4.20")
    place.reconcile(after=1)
    place.reconcile(after=4)
    assert len(place.exchange.posts) == 1  # confirmed by one reading only
    place.reconcile(after=1)
    first, second = place.exchange.posts
    assert second.limit_price > first.limit_price
    assert second.quantity == 130
    place.reconcile(after=1)
    tx.refresh_from_db()
    assert [(order.attempt, order.status) for order in tx.orders.order_by("id")] == [(1, S.CANCELLED), (2, S.FILLED)]
    assert (tx.is_live, tx.filled_quantity) == (False, 130)


def test_only_the_rest_is_tried_again():
    place = world()
    tx = resting(place)
    place.exchange.fill(place.exchange.only(), 65, "4.00")
    for seconds in (11, 1, 5, 1):
        place.reconcile(after=seconds)
    assert [request.quantity for request in place.exchange.posts] == [130, 65]
    tx.refresh_from_db()
    assert tx.filled_quantity == 130


@pytest.mark.parametrize(("patience", "cancels"), [(10, 1), (60, 0)])
def test_an_intent_is_chased_by_the_policy_that_it_was_decided_under(patience, cancels):
    place = world()
    decision = make.HedgeDecisionFactory.create(
        session=place.session, at=place.clock.now(), policy=policy_card(HedgePolicy(chase_after_seconds=patience))
    )
    resting(place, decision=decision)
    place.reconcile(after=11)
    assert len(place.exchange.cancels) == cancels


def test_chases_are_bounded_in_number():
    place = world()
    decision = make.HedgeDecisionFactory.create(
        session=place.session, at=place.clock.now(), policy=policy_card(HedgePolicy(max_chases=2))
    )
    tx = intent(place, decision=decision)
    place.exchange.replies = [rest] * 10
    place.send(slice_of(tx))
    for _ in range(40):
        place.reconcile(after=3)
    tx.refresh_from_db()
    assert len(place.exchange.posts) == 3
    assert [order.status for order in tx.orders.order_by("id")] == [S.CANCELLED] * 3
    assert (tx.is_live, tx.filled_quantity) == (False, 0)
    assert booked(place) == (0, 0)
    assert len({request.limit_price for request in place.exchange.posts}) == 3  # each with a fingerprint of its own


def test_chases_are_bounded_in_price():
    place = world()
    tx = resting(place)
    place.exchange.quote(CALL, "4.50", "4.60")
    for seconds in (11, 1, 5, 1):
        place.reconcile(after=seconds)
    tx.refresh_from_db()
    assert len(place.exchange.posts) == 1
    assert [order.status for order in tx.orders.order_by("id")] == [S.CANCELLED, S.LAPSED]
    assert (tx.is_live, booked(place)) == (False, (0, 0))


def test_a_cancel_that_is_refused_because_the_order_filled_ends_as_filled():
    place = world()
    tx = resting(place)
    place.exchange.before["cancel"] = lambda: place.exchange.fill(place.exchange.only(), 130, "4.10")
    place.reconcile(after=11)
    place.reconcile(after=1)
    tx.refresh_from_db()
    assert (slice_of(tx).status, tx.filled_quantity) == (S.FILLED, 130)
    assert len(place.exchange.posts) == 1


def test_a_cancel_that_was_lost_on_the_way_is_asked_for_again():
    place = world()
    tx = resting(place)
    place.exchange.lose_cancels = 1
    place.reconcile(after=11)
    assert slice_of(tx).status == S.CANCEL_PENDING
    place.reconcile(after=15)
    assert len(place.exchange.cancels) == 1
    place.reconcile(after=1)
    assert place.exchange.cancels == ["B0001", "B0001"]
    for seconds in (1, 5):
        place.reconcile(after=seconds)
    assert tx.orders.get(attempt=1).status == S.CANCELLED


def test_a_cancel_that_was_lost_before_the_clock_was_set_back_is_asked_for_again():
    place = world()
    resting(place)
    place.exchange.lose_cancels = 1
    place.reconcile(after=11)
    set_right(place)
    place.reconcile(after=5)
    assert place.exchange.cancels == ["B0001", "B0001"]


def test_a_halt_cancels_what_rests_and_tries_nothing_again():
    place = world()
    tx = resting(place)
    TradingSession.objects.update(trading_state=TradingState.HALTED)
    for seconds in (1, 1, 5, 5):
        place.reconcile(after=seconds)
    tx.refresh_from_db()
    assert place.exchange.cancels == ["B0001"]
    assert (len(place.exchange.posts), tx.orders.count(), tx.is_live) == (1, 1, False)


# --- late news --------------------------------------------------------------------------------------------------------


def cancelled(place: World, tx: HedgeTransaction) -> None:
    for seconds in (11, 1, 5):
        place.reconcile(after=seconds)
    assert tx.orders.get(attempt=1).status == S.CANCELLED


def test_a_fill_that_raced_a_cancel_is_booked_at_its_exact_cost():
    place = world()
    decision = make.HedgeDecisionFactory.create(
        session=place.session, at=place.clock.now(), policy=policy_card(HedgePolicy(max_chases=0))
    )
    tx = resting(place, decision=decision, quantity=195)
    place.exchange.fill(place.exchange.only(), 65, "4.00")
    cancelled(place, tx)
    assert not HedgeTransaction.objects.get(pk=tx.pk).is_live
    place.exchange.fill(place.exchange.only(), 1, "4.05")
    place.reconcile(after=30)
    place.exchange.fill(place.exchange.only(), 129, "4.10")
    place.reconcile(after=30)
    tx.refresh_from_db()
    premium = 65 * Decimal("4.00") + Decimal("4.05") + 129 * Decimal("4.10")
    assert (slice_of(tx).status, tx.filled_quantity) == (S.FILLED, 195)
    assert abs(booked(place)[0] - premium - tx.charges) <= Decimal("0.02")  # paise are rounded at each booking
    assert "late_fill" in place.alerts()


@pytest.mark.parametrize(("late", "first"), [(65, S.CANCELLED), (130, S.FILLED)])
def test_late_news_of_an_attempt_does_not_stop_its_successor_from_being_watched(late, first):
    place = world()
    tx = resting(place)
    place.exchange.replies = [rest]
    cancelled(place, tx)
    place.exchange.fill(place.exchange.orders["B0001"], late, "4.00")
    place.reconcile(after=1)
    place.exchange.fill(place.exchange.orders["B0002"], 130, "4.10")
    place.reconcile(after=1)
    tx.refresh_from_db()
    assert [order.status for order in tx.orders.order_by("id")] == [first, S.FILLED]
    assert tx.filled_quantity == late + 130  # every contract is recorded, even one too many
    assert "late_fill" in place.alerts()


def test_a_row_that_grows_after_its_order_was_over_takes_the_successor_back():
    """The broker keeps one row for what an order traded at one price: 65 of it were known when the rest was cancelled."""
    place = world()
    tx = resting(place)
    first = place.exchange.only()
    place.exchange.fill(first, 65, "4.00")
    place.exchange.replies = [rest]
    for seconds in (11, 1, 5):
        place.reconcile(after=seconds)
    assert [request.quantity for request in place.exchange.posts] == [130, 65]
    first.trades[0] = (130, Decimal("4.00"))
    place.reconcile(after=1)
    assert place.exchange.cancels == ["B0001", "B0002"]
    for seconds in (1, 5, 1):
        place.reconcile(after=seconds)
    tx.refresh_from_db()
    assert (len(place.exchange.posts), tx.is_live, tx.filled_quantity) == (2, False, 130)
    assert "late_fill" in place.alerts()


def overtaken(place: World, **fields: Any) -> HedgeTransaction:
    """A first attempt of 130 was given up; its successor of 130 rests; then 65 of the first turn out to be filled."""
    tx = resting(place, **fields)
    place.exchange.replies = [rest]
    cancelled(place, tx)
    place.exchange.fill(place.exchange.orders["B0001"], 65, "4.00")
    return tx


def test_a_late_fill_takes_its_successor_back_at_once_and_only_the_true_rest_is_tried_again():
    place = world()
    tx = overtaken(place)
    place.reconcile(after=1)
    assert place.exchange.cancels == ["B0001", "B0002"]
    for seconds in (1, 5, 1, 1):
        place.reconcile(after=seconds)
    tx.refresh_from_db()
    assert [request.quantity for request in place.exchange.posts] == [130, 130, 65]
    assert (tx.is_live, tx.filled_quantity) == (False, 130)


def test_the_cap_counts_a_late_fill_beside_its_successor():
    place = world()
    tx = overtaken(place)
    before = tx.reserve
    place.reconcile(after=1)
    tx.refresh_from_db()
    assert tx.reserve == before + 65 * tx.worst_price + tx.charges  # 195 units may come of it now
    assert booked(place) == (0, tx.reserve)
    for seconds in (1, 5, 1, 1):
        place.reconcile(after=seconds)
    tx.refresh_from_db()
    assert booked(place)[1] == 0
    assert abs(booked(place)[0] - sum(f.price * f.quantity for f in Fill.objects.all()) - tx.charges) <= Decimal("0.02")


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_successor_that_is_about_to_be_sent_is_stopped_by_the_late_fill(side):
    place = world()
    fields: dict[str, Any] = {}
    if side is Side.SELL:
        hold(place, 260)
        fields = {"side": side, "reserve": Decimal(0)}
    tx = resting(place, **fields)
    for seconds in (11, 1):
        place.reconcile(after=seconds)
    (first,) = place.exchange.orders.values()
    # The cancel is confirmed and the successor goes through its reads; then the trade book has the late fill.
    place.exchange.before["depth"] = lambda: news(place, tx, first)
    place.reconcile(after=5)
    tx.refresh_from_db()
    assert [order.status for order in tx.orders.order_by("id")] == [S.CANCELLED, S.NOT_SENT]
    assert len(place.exchange.posts) == 1
    assert (tx.is_live, tx.filled_quantity, booked(place)[1]) == (False, 65, 0)


def news(place: World, tx: HedgeTransaction, order: fake.Resting) -> None:
    place.exchange.before.clear()
    place.exchange.fill(order, 65, "4.00")
    reconcile(account_id=place.session.account_id, day=place.session.trading_day, ports=place.ports)


def test_a_part_that_filled_late_is_booked_by_the_comparison_too_beside_a_living_successor():
    place = world()
    tx = resting(place)
    place.exchange.replies = [twice_and_silent]
    for seconds in (11, 1, 5, 5, 5):
        place.reconcile(after=seconds)
    assert [order.status for order in tx.orders.order_by("id")] == [S.CANCELLED, S.REVIEW]
    place.wait(660)  # reconcile looks no more for a slice that was cancelled so long ago
    place.exchange.fill(place.exchange.orders["B0001"], 65, "4.00")
    for _ in range(3):
        place.reconcile(after=6)
        examine(session=place.session, now=place.clock.now(), ports=place.ports)
    assert [order.status for order in tx.orders.order_by("id")] == [S.CANCELLED, S.REVIEW]
    assert tx.orders.get(attempt=1).fills.get().quantity == 65


def twice_and_silent(exchange: fake.FakeExchange, request: OrderRequest) -> PlaceReply:
    rest(exchange, request)
    rest(exchange, request)
    return PlaceReply(ReplyClass.UNKNOWN, message="timed out", infrastructure=True)


def test_what_both_attempts_filled_together_is_a_discrepancy_and_stops_nothing():
    place = world()
    tx = overtaken(place)
    place.exchange.fill(place.exchange.orders["B0002"], 130, "4.10")
    place.reconcile(after=1)
    tx.refresh_from_db()
    assert (tx.is_live, tx.filled_quantity) == (False, 195)
    for seconds in (31, 6):
        place.wait(seconds)
        assert follow_up(session=place.session, ports=place.ports)
    assert any(title.startswith("Overfilled: 65") for title in Alert.objects.values_list("title", flat=True))
    place.session.refresh_from_db()
    assert place.session.trading_state == TradingState.ACTIVE
    (held,) = holdings(account_id=place.session.account_id, mode="live", day=make.TUESDAY)
    assert held.quantity == 195  # whole, so that the usual rules may sell it


def test_one_order_of_which_the_protocol_forbids_the_news_does_not_hold_up_the_others(monkeypatch):
    place = world()
    first, second = resting(place), resting(place, contract=PUT)
    bad = slice_of(first).pk
    advance = apply_event

    def forbid(**event: Any) -> Any:
        if event["order_id"] == bad:
            raise IllegalTransition("no such edge")
        return advance(**event)

    monkeypatch.setattr("hedging.engine.reconcile.apply_event", forbid)
    place.exchange.fill(place.exchange.orders["B0002"], 130, "4.10")
    place.reconcile(after=1)
    assert (slice_of(first).status, slice_of(second).status) == (S.ACKED, S.FILLED)


# --- settled by a person ------------------------------------------------------------------------------------------------


def in_review(place: World) -> HedgeTransaction:
    place.exchange.replies = [fake.placed_but_timed_out]
    tx = intent(place)
    place.send(slice_of(tx))
    place.exchange.accept(place.exchange.posts[0])
    place.reconcile(after=5)
    assert slice_of(tx).status == S.REVIEW
    return tx


def settled(place: World, tx: HedgeTransaction, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(command, "ports_for", lambda _: place.ports)
    call_command("reconcile", "--order", str(slice_of(tx).pk), *words, stdout=StringIO())


def test_a_person_says_which_order_is_ours_and_it_is_followed(monkeypatch):
    place = world()
    tx = in_review(place)
    settled(place, tx, monkeypatch, "--is", "B0001", "--reason", "seen on the broker's screen")
    place.reconcile(after=5)
    tx.refresh_from_db()
    assert (slice_of(tx).status, tx.filled_quantity) == (S.FILLED, 130)
    line = AuditEvent.objects.filter(facts__event="Resolved").get()
    assert (line.facts["reason"], line.actor.startswith("command by ")) == ("seen on the broker's screen", True)


def test_a_person_says_that_an_order_never_came_and_its_reserve_is_free(monkeypatch):
    place = world()
    tx = in_review(place)
    settled(place, tx, monkeypatch, "--never-came", "--reason", "both are mine, by hand")
    tx.refresh_from_db()
    assert (slice_of(tx).status, tx.is_live, booked(place)) == (S.LOST, False, (0, 0))


STATEMENT = ("--is", "B0001", "--reason", "the contract note", "--filled")


@pytest.mark.parametrize(("filled", "ends"), [(130, S.FILLED), (65, S.EXPIRED)])
def test_an_order_of_yesterday_is_settled_by_the_brokers_statement_and_its_hedge_is_ours(monkeypatch, filled, ends):
    place = world()
    tx = in_review(place)
    place.wait(24 * 3600)
    settled(place, tx, monkeypatch, *STATEMENT, str(filled), "--price", "4.05")
    tx.refresh_from_db()
    assert (slice_of(tx).status, tx.is_live, tx.average_price) == (ends, False, Decimal("4.05"))
    (held,) = holdings(account_id=place.session.account_id, mode=tx.mode, day=make.TUESDAY)
    assert held.quantity == filled
    spent, reserved = booked(place)
    assert (spent, reserved) == (filled * Decimal("4.05") + tx.charges, 0)


@pytest.mark.parametrize("known", [0, 65])
@pytest.mark.parametrize("ended", [True, False])
def test_an_order_of_yesterday_whose_last_books_were_not_read_is_settled_by_the_statement(monkeypatch, known, ended):
    place = world()
    tx = resting(place)
    if known:
        place.exchange.fill(place.exchange.only(), known, "4.00")
        place.reconcile(after=1)
    place.wait(24 * 3600)
    if ended:
        of: dict[str, Any] = {"account_id": place.session.account_id, "day": make.TUESDAY + timedelta(days=1)}
        end_earlier_days(**of, now=place.clock.now(), wall_now=place.wall.now())
        assert slice_of(tx).status == S.EXPIRED
    with pytest.raises(CommandError, match="is B0001 at the broker"):
        settled(place, tx, monkeypatch, "--is", "B0002", *STATEMENT[2:], "130", "--price", "4.05")
    if known:
        with pytest.raises(CommandError, match="more fills than these 60"):
            settled(place, tx, monkeypatch, *STATEMENT, "60", "--price", "4.05")
    settled(place, tx, monkeypatch, *STATEMENT, "130", "--price", "4.05")
    tx.refresh_from_db()
    assert (slice_of(tx).status, tx.is_live, tx.average_price) == (S.FILLED, False, Decimal("4.05"))
    (held,) = holdings(account_id=place.session.account_id, mode=tx.mode, day=make.TUESDAY)
    assert held.quantity == 130


@pytest.mark.parametrize(
    ("days", "words", "why"),
    [
        (0, (*STATEMENT, "130", "--price", "4.05"), "is of today"),
        (1, (*STATEMENT, "131", "--price", "4.05"), "filled 1 to 130"),
        (1, (*STATEMENT, "0", "--price", "4.05"), "filled 1 to 130"),
        (1, (*STATEMENT, "130"), "is both"),
        (1, (*STATEMENT, "130", "--price", "four"), "no amount"),
        (1, ("--is", "B0001", "--reason", "seen"), "By the statement"),
    ],
)
def test_what_a_statement_cannot_say_is_refused(monkeypatch, days, words, why):
    place = world()
    tx = in_review(place)
    place.wait(days * 24 * 3600)
    with pytest.raises(CommandError, match=why):
        settled(place, tx, monkeypatch, *words)
    assert slice_of(tx).status == S.REVIEW


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--is", "B0009", "--reason", "seen"), "not in today's order book"),
        (("--is", "B0003", "--reason", "seen"), "ours a BUY of 130"),
        (("--is", "B0005", "--reason", "seen"), "of 130 .* MIS, ours a BUY of 130 .* NRML"),
        (("--is", "B0004", "--reason", "seen"), "belongs to another order of ours"),
        (("--is", "B0001"), "how you know"),
        (("--reason", "seen"), "Say which"),
    ],
)
def test_what_a_person_says_of_an_order_must_be_possible(monkeypatch, words, why):
    place = world()
    tx = in_review(place)
    place.exchange.accept(OrderRequest(CALL, Product.NRML, Side.BUY, 65, Decimal("4.15")))
    TradingSession.objects.update(trading_state=TradingState.ACTIVE)
    taken = place.exchange.accept(place.exchange.posts[0])
    place.exchange.accept(OrderRequest(CALL, Product.MIS, Side.BUY, 130, Decimal("4.15")))
    other = intent(place, contract=PUT)
    HedgeOrder.objects.filter(transaction=other).update(status=S.ACKED, broker_order_id=taken.order_id)
    with pytest.raises(CommandError, match=why):
        settled(place, tx, monkeypatch, *words)
    assert slice_of(tx).status == S.REVIEW


def test_an_order_whose_fate_is_known_is_not_for_a_person_to_settle(monkeypatch):
    place = world()
    tx = resting(place)
    with pytest.raises(CommandError, match="not for a person to settle"):
        settled(place, tx, monkeypatch, "--never-came", "--reason", "I think so")
    with pytest.raises(CommandError, match="There is no order 0"):
        call_command("reconcile", "--order", "0", "--never-came", "--reason", "I think so")


# --- how long the books are watched ---------------------------------------------------------------------------------------


def test_the_books_are_watched_for_late_news_for_ten_minutes():
    place = world()
    tx = resting(place)
    TradingSession.objects.update(trading_state=TradingState.HALTED)
    for seconds in (1, 1, 5):
        place.reconcile(after=seconds)
    assert slice_of(tx).status == S.CANCELLED
    sent_at = slice_of(tx).sent_at
    assert sent_at is not None
    place.clock.moment = sent_at + timedelta(minutes=10)
    assert place.reconcile().watched == 1
    assert place.reconcile(after=1).watched == 0


# --- slices -----------------------------------------------------------------------------------------------------------


def test_two_slices_fill_as_one_intent():
    place = world()
    tx = intent(place, quantity=1755 + 65, reserve=Decimal(9000))
    HedgeOrder.objects.filter(transaction=tx).update(quantity=1755)
    make.HedgeOrderFactory.create(transaction=tx, slice=2, quantity=65, touched_wall=place.wall.now())
    place.send(slice_of(tx, 1))
    place.reconcile(after=1)
    tx.refresh_from_db()
    assert (tx.is_live, tx.filled_quantity) == (True, 1755)
    place.send(slice_of(tx, 2))
    place.reconcile(after=1)
    tx.refresh_from_db()
    assert (tx.is_live, tx.filled_quantity) == (False, 1820)
    assert max(request.quantity for request in place.exchange.posts) <= 1800


def test_a_slice_that_failed_does_not_end_an_intent_of_which_another_still_works():
    place = world()
    tx = intent(place, quantity=260)
    HedgeOrder.objects.filter(transaction=tx).update(quantity=130)
    make.HedgeOrderFactory.create(transaction=tx, slice=2, quantity=130, touched_wall=place.wall.now())
    place.exchange.replies = [fake.refused, rest]
    place.send(slice_of(tx, 1))
    place.send(slice_of(tx, 2))
    tx.refresh_from_db()
    assert (slice_of(tx, 1).status, tx.is_live, booked(place)[1]) == (S.REJECTED, True, tx.reserve)
    place.exchange.fill(place.exchange.only(), 130, "4.00")
    place.reconcile(after=1)
    tx.refresh_from_db()
    assert (tx.is_live, tx.filled_quantity, booked(place)[1]) == (False, 130, 0)


def buy_of_two_slices(place: World, quantity: int = 260) -> HedgeTransaction:
    tx = intent(place, quantity=quantity, reserve=Decimal(quantity * 5))
    HedgeOrder.objects.filter(transaction=tx).update(quantity=quantity // 2)
    make.HedgeOrderFactory.create(transaction=tx, slice=2, quantity=quantity // 2, touched_wall=place.wall.now())
    return tx


def test_a_late_fill_of_one_slice_stops_its_successor_although_the_other_slice_has_filled_nothing():
    place = world()
    tx = buy_of_two_slices(place)
    place.exchange.replies = [rest, rest]
    place.send(slice_of(tx, 1))
    place.send(slice_of(tx, 2))
    for seconds in (11, 1):
        place.reconcile(after=seconds)
    first = place.exchange.orders["B0001"]

    def news() -> None:
        place.exchange.before.clear()
        place.exchange.fill(first, 130, "4.00")
        reconcile(account_id=place.session.account_id, day=place.session.trading_day, ports=place.ports)

    place.exchange.before["depth"] = news
    for _ in range(4):
        place.reconcile(after=5)
    tx.refresh_from_db()
    assert slice_of(tx, 1).status == S.NOT_SENT
    assert (tx.filled_quantity, place.exchange.net(CALL)) == (260, 260)


def test_a_slice_of_a_purchase_waits_until_the_one_before_it_has_a_price_and_is_nudged_then():
    place = world()
    tx = buy_of_two_slices(place)
    assert place.send(slice_of(tx, 2)) == S.NEW
    place.exchange.replies = [fake.placed_but_timed_out, fake.placed_but_timed_out]
    assert place.send(slice_of(tx, 1)) == S.UNKNOWN
    assert place.nudges == [slice_of(tx, 2).pk]
    place.follow()
    one, other = (request.limit_price for request in place.exchange.posts)
    assert one != other
    for _ in range(3):
        place.reconcile(after=5)
    place.session.refresh_from_db()
    tx.refresh_from_db()
    assert (tx.filled_quantity, place.session.trading_state) == (260, TradingState.ACTIVE)


def test_a_reply_that_names_another_order_of_ours_proves_nothing_and_is_told():
    place = world()
    tx, other = intent(place), intent(place, contract=PUT)
    HedgeOrder.objects.filter(transaction=other).update(status=S.ACKED, broker_order_id="B0009")
    place.exchange.replies = [lambda *_: PlaceReply(ReplyClass.ACKED, "B0009")]
    assert place.send(slice_of(tx)) == S.UNKNOWN
    assert "B0009" in slice_of(tx).message
    assert "order_unknown" in place.alerts()


def sale_of_two_slices(place: World) -> HedgeTransaction:
    hold(place, 260)
    tx = intent(place, side=Side.SELL, quantity=260, reserve=Decimal(0))
    HedgeOrder.objects.filter(transaction=tx).update(quantity=130)
    make.HedgeOrderFactory.create(transaction=tx, slice=2, quantity=130, touched_wall=place.wall.now())
    return tx


def test_slices_of_a_sale_go_one_after_the_other():
    place = world()
    tx = sale_of_two_slices(place)
    assert place.send(slice_of(tx, 2)) == S.NEW
    assert place.send(slice_of(tx, 1)) == S.ACKED
    assert place.send(slice_of(tx, 2)) == S.ACKED
    place.reconcile(after=1)
    assert (slice_of(tx, 1).status, slice_of(tx, 2).status, place.exchange.net(CALL)) == (S.FILLED, S.FILLED, 0)


def test_slices_of_a_sale_together_sell_no_more_than_the_broker_says_is_there():
    place = world()
    tx = sale_of_two_slices(place)
    place.exchange.foreign[CALL, Product.NRML] = 130  # somebody sold half of it by hand
    place.exchange.replies = [rest]
    assert place.send(slice_of(tx, 1)) == S.ACKED
    assert place.send(slice_of(tx, 2)) == S.LAPSED
    place.exchange.fill(place.exchange.only(), 130, "3.90")
    assert place.exchange.net(CALL) == 0


# --- nudges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "posts"), [(1, 0), (2, 0), (3, 1)])
def test_a_lost_nudge_is_repeated_after_two_seconds(seconds, posts):
    place = world()
    intent(place)
    place.reconcile(after=seconds)
    assert len(place.exchange.posts) == posts


def test_what_nobody_sent_in_time_lapses():
    place = world()
    tx = intent(place)
    place.reconcile(after=241)
    assert slice_of(tx).status == S.LAPSED
    assert booked(place) == (0, 0)
    assert not place.exchange.posts


# --- replacements -----------------------------------------------------------------------------------------------------


def replacement(place: World) -> tuple[HedgeTransaction, HedgeTransaction]:
    """A put is bought, and the call that it replaces is sold after it: one decision."""
    hold(place, 130, contract=CALL)
    buy = intent(place, contract=PUT)
    sale = intent(
        place, contract=CALL, side=Side.SELL, decision=buy.decision, reason=Reason.UNWIND_REPLACED, reserve=Decimal(0)
    )
    return buy, sale


def test_a_replacement_sale_waits_for_its_buy():
    place = world()
    buy, sale = replacement(place)
    assert place.send(slice_of(sale)) == S.NEW
    place.send(slice_of(buy))
    assert place.send(slice_of(sale)) == S.NEW
    place.reconcile(after=1)  # the buy is filled, and the sale nudged
    place.reconcile(after=1)
    assert [(request.contract, request.side) for request in place.exchange.posts] == [
        (PUT, Side.BUY),
        (CALL, Side.SELL),
    ]
    assert slice_of(sale).status == S.FILLED


@pytest.mark.parametrize("reply", [fake.refused, fake.not_sent])
def test_a_replacement_sale_lapses_when_its_buy_did_not_fill(reply):
    place = world()
    buy, sale = replacement(place)
    place.exchange.replies = [reply]
    place.send(slice_of(buy))
    place.reconcile(after=1)
    assert slice_of(sale).status == S.LAPSED
    assert [request.side for request in place.exchange.posts] == [Side.BUY]


def test_a_replacement_sale_lapses_when_its_buy_filled_in_part():
    place = world()
    place.exchange.replies = [rest]
    buy, sale = replacement(place)
    place.send(slice_of(buy))
    place.exchange.fill(place.exchange.only(), 65, "4.00")
    TradingSession.objects.update(trading_state=TradingState.HALTED)
    for seconds in (1, 1, 5):
        place.reconcile(after=seconds)
    TradingSession.objects.update(trading_state=TradingState.ACTIVE)
    place.reconcile(after=1)
    assert slice_of(buy).status == S.CANCELLED
    assert slice_of(sale).status == S.LAPSED


# --- the day's end and the trail --------------------------------------------------------------------------------------


def test_what_still_rests_after_the_close_has_expired():
    place = world()
    tx = resting(place)
    place.clock.moment = make.ist(15, 41)
    place.reconcile()
    assert slice_of(tx).status == S.CANCEL_PENDING  # the day is over a minute after the close
    place.reconcile(after=1)
    assert slice_of(tx).status == S.EXPIRED
    assert booked(place) == (0, 0)


def test_the_books_of_another_day_tell_nothing_of_an_order():
    place = world()
    sent, waiting = resting(place), intent(place, contract=PUT)
    place.exchange.orders.clear()  # a server's books begin anew each morning
    place.exchange.calls.clear()
    place.clock.moment = make.ist(9, 10) + timedelta(days=1)
    done = place.reconcile()
    assert (done.watched, done.books_read, place.exchange.calls) == (2, False, [])
    assert (slice_of(sent).status, slice_of(waiting).status) == (S.ACKED, S.LAPSED)


def test_every_edge_left_its_line_in_the_audit_trail():
    place = world()
    tx = resting(place)
    place.exchange.fill(place.exchange.only(), 65, "4.00")
    for seconds in (3, 11, 1, 5, 1):
        place.reconcile(after=seconds)
    for order in tx.orders.order_by("id"):
        edges = AuditEvent.objects.filter(subject_kind="hedgeorder", subject_id=order.pk).order_by("id")
        steps = [(line.facts["from"], line.facts["to"]) for line in edges]
        assert steps[0][0] == S.NEW
        assert [target for _, target in steps[:-1]] == [source for source, _ in steps[1:]]
        assert steps[-1][1] == order.status  # replaying the trail gives today's state


def test_holdings_are_the_sum_of_fills():
    place = world()
    hold(place, 130)
    place.send(slice_of(intent(place, quantity=260, reserve=Decimal(1500))))
    place.reconcile(after=1)
    place.send(slice_of(intent(place, side=Side.SELL, quantity=130, reserve=Decimal(0))))
    place.reconcile(after=1)
    (held,) = holdings(account_id=place.session.account_id, mode="live", day=make.TUESDAY)
    assert (held.contract, held.quantity) == (CALL, 260)
    assert place.exchange.net(CALL) == 260


# --- books that tell it otherwise -------------------------------------------------------------------------------------


def test_a_fill_at_a_better_price_that_the_book_shows_as_the_price_is_not_given_up():
    place = world()
    place.exchange.averages = True
    tx = intent(place)
    place.exchange.replies = [fake.placed_but_timed_out]
    place.send(slice_of(tx))
    assert place.exchange.only().average < (slice_of(tx).limit_price or 0)
    for _ in range(4):
        place.reconcile(after=30)
    assert slice_of(tx).status == S.UNKNOWN
    place.reconcile(after=60)
    assert slice_of(tx).status == S.REVIEW
    resolve(
        order_id=slice_of(tx).pk,
        broker_order_id=place.exchange.only().order_id,
        actor="a person",
        reason="the broker's screen",
        ports=place.ports,
    )
    place.reconcile(after=6)
    assert (slice_of(tx).status, slice_of(tx).fills.get().price) == (S.FILLED, Decimal("4.00"))


@pytest.mark.parametrize("named", [True, False])
def test_a_refusal_waits_for_a_row_whose_status_may_be_a_neighbours(named):
    place = world()
    place.exchange.named = named
    place.exchange.averages, place.exchange.trades_shown = True, 0
    tx = intent(place)
    place.exchange.replies = [fake.refused_but_placed]

    def leak() -> None:
        for order in place.exchange.orders.values():
            order.shown = BrokerStatus.REJECTED

    place.exchange.before["order_book"] = leak
    place.send(slice_of(tx))
    assert place.exchange.only().trades
    assert slice_of(tx).status == S.SENDING
    place.exchange.before.clear()
    place.exchange.only().shown = place.exchange.trades_shown = None
    place.reconcile(after=50)  # its sender is given up by now
    place.reconcile(after=110)
    assert slice_of(tx).status == S.REVIEW


def unanswered_beside_another() -> tuple[World, HedgeTransaction, Decimal, fake.Resting]:
    """A book that shows averages, an order of ours without an answer, its limit, and another order that is alike but for its own."""
    place = world()
    place.exchange.averages = True
    tx = intent(place)
    place.exchange.replies = [fake.timed_out]
    place.send(slice_of(tx))
    limit = slice_of(tx).limit_price
    assert limit is not None
    other = place.exchange.accept(OrderRequest(tx.contract, Product.NRML, Side.BUY, tx.quantity, limit + 1))
    return place, tx, limit, other


def test_an_average_that_happens_to_be_our_price_is_not_adopted():
    place, tx, limit, other = unanswered_beside_another()
    other.trades[:] = [(tx.quantity, limit)]
    place.reconcile(after=30)
    assert slice_of(tx).status == S.UNKNOWN
    place.exchange.averages = False  # a row that shows its limit, whatever it traded at, proves that all do
    other.request = OrderRequest(tx.contract, Product.NRML, Side.BUY, tx.quantity, limit)
    proof = place.exchange.accept(OrderRequest(PUT, Product.NRML, Side.BUY, 65, Decimal("5.00")))
    assert proof.average < proof.request.limit_price
    place.reconcile(after=30)
    assert slice_of(tx).broker_order_id == other.order_id


def test_a_trade_that_the_book_does_not_show_yet_proves_nothing_of_its_prices():
    """Two slices without an answer: the average of the one is the limit of the other (found by schedule 71765)."""
    place, tx, limit, other = unanswered_beside_another()
    half = tx.quantity // 2
    near = Decimal("0.05")
    other.trades[:] = [(half, limit - near), (tx.quantity - half, limit + near)]
    place.exchange.trades_shown = 1  # the average of both, beside the first of them
    place.reconcile(after=30)
    assert (slice_of(tx).status, slice_of(tx).broker_order_id) == (S.UNKNOWN, None)
    place.exchange.trades_shown = None
    place.reconcile(after=30)
    assert (slice_of(tx).status, slice_of(tx).broker_order_id) == (S.UNKNOWN, None)


def test_an_order_of_another_that_rests_at_another_price_hides_nothing():
    place = world()
    place.exchange.averages = True
    tx = intent(place)
    place.exchange.replies = [fake.timed_out]
    place.send(slice_of(tx))
    order = slice_of(tx)
    place.exchange.quote(CALL, None, None)
    place.exchange.accept(OrderRequest(tx.contract, Product.NRML, Side.BUY, order.quantity, Decimal("3.00")))
    for _ in range(6):
        place.reconcile(after=30)
    assert slice_of(tx).status == S.LOST


def test_what_somebody_else_cancelled_is_not_offered_again():
    place = world()
    tx = resting(place)
    place.reconcile(after=1)
    place.exchange.only().status = BrokerStatus.CANCELLED
    for _ in range(3):
        place.reconcile(after=4)
    tx.refresh_from_db()
    assert (slice_of(tx).status, tx.is_live, len(place.exchange.posts)) == (S.CANCELLED, False, 1)
    assert place.exchange.cancels == []


def test_a_trade_price_with_more_places_than_a_fill_keeps_is_one_fill():
    place = world()
    tx = intent(place)
    place.exchange.replies = [rest]
    place.send(slice_of(tx))
    place.exchange.fill(place.exchange.only(), 65, "3.0333")
    for _ in range(3):
        place.reconcile(after=3)
    assert list(Fill.objects.values_list("quantity", "price")) == [(65, Decimal("3.03"))]
    assert slice_of(tx).status == S.PARTIAL


def test_a_halt_cancels_what_works_although_the_books_cannot_be_read():
    place = world()
    tx = resting(place)
    place.reconcile(after=1)
    place.exchange.failing["order_book"] = BrokerUnavailable("500")
    place.reconcile(after=1)
    assert place.exchange.cancels == []
    TradingSession.objects.update(trading_state=TradingState.HALTED)
    place.reconcile(after=1)
    place.reconcile(after=1)
    assert len(place.exchange.cancels) == 1
    assert slice_of(tx).status == S.CANCEL_PENDING


def test_a_sale_counts_another_of_the_same_hedge_that_was_believed_over():
    place = world()
    hold(place, 130)
    place.exchange.quote(CALL, "3.90", "4.00")
    lost = intent(place, side=Side.SELL, is_live=False)
    HedgeOrder.objects.filter(transaction=lost).update(
        status=S.ACKED, broker_order_id="SURFACED", sent_at=place.clock.now()
    )
    tx = intent(place, side=Side.SELL)
    place.send(slice_of(tx))
    assert slice_of(tx).status == S.LAPSED
    assert place.exchange.posts == []
    HedgeOrder.objects.filter(transaction=lost).update(status=S.CANCELLED)
    another = intent(place, side=Side.SELL)
    place.send(slice_of(another))
    assert len(place.exchange.posts) == 1


@pytest.mark.parametrize(
    ("status", "then"),
    [
        (S.NEW, S.LAPSED), (S.SENDING, S.UNKNOWN), (S.ACKED, S.EXPIRED), (S.PARTIAL, S.EXPIRED),
        (S.CANCEL_PENDING, S.EXPIRED), (S.QUEUED_UPSTREAM, S.LOST), (S.UNKNOWN, S.UNKNOWN), (S.REVIEW, S.REVIEW),
    ],
)  # fmt: skip
def test_what_an_earlier_day_left_behind_ends_as_far_as_it_surely_has(status, then):
    place = world()
    tx = intent(place)
    at_broker = {S.ACKED, S.PARTIAL, S.CANCEL_PENDING}
    broker_id = "B0001" if status in at_broker else None
    HedgeOrder.objects.update(
        status=status, broker_order_id=broker_id, limit_price=Decimal("4.15"), sent_at=place.clock.now()
    )
    place.wait(86_400)
    day = place.session.trading_day + timedelta(days=1)
    for ended in (place.session.trading_day, day):
        end_earlier_days(
            account_id=place.session.account_id, day=ended, now=place.clock.now(), wall_now=place.wall.now()
        )
        assert slice_of(tx).status == (then if ended == day else status)
    assert ("order_unseen" in place.alerts()) is (status in at_broker)
    place.session.refresh_from_db()
    assert (place.session.reserved == 0) is (then not in {S.UNKNOWN, S.REVIEW})


def test_what_a_statement_says_of_a_closed_day_is_in_its_analytics(monkeypatch):
    place = world()
    tx = in_review(place)
    told = summarize(place.session)
    close_session(session=place.session, summary=told, now=place.clock.now(), wall_now=place.wall.now(), actor="engine")
    period = Period(make.TUESDAY, make.TUESDAY)
    before = analytics_version(period=period)
    place.wait(24 * 3600)
    settled(place, tx, monkeypatch, *STATEMENT, "130", "--price", "4.05")
    tx.refresh_from_db()
    (total,) = analytics(period=period, by=By.DAY).totals
    assert (total.cost, total.charges) == (130 * Decimal("4.05"), tx.charges)
    assert analytics_version(period=period) != before


def test_a_fill_that_is_read_while_another_worker_tries_its_slice_again_stops_no_pass_over_the_books(monkeypatch):
    place = world()
    first, second = intent(place), intent(place, contract=PUT)
    place.exchange.quote(CALL, "3.90", "4.00", quantity=0)
    setattr(place.exchange, "match", lambda resting: None)  # noqa: B010 - its own type does not know that it can be replaced
    for each in (first, second):
        place.send(slice_of(each))
    calls, puts = (slice_of(each) for each in (first, second))
    assert (calls.status, puts.status) == (S.ACKED, S.ACKED)
    HedgeOrder.objects.filter(pk=calls.pk).update(status=S.CANCEL_PENDING, cancel_asked=True)
    for order in place.exchange.orders.values():
        place.exchange.fill(order, 65 if order.request.contract == CALL else 130, "4.00")
    find = vars(reconciling)["evidence_for"]

    def while_another_one_tries_again(row, *books, **known):
        found = find(row, *books, **known)
        if row.pk == calls.pk:
            # It read the books a moment before the fill was in them: cancelled, seen twice.
            HedgeOrder.objects.filter(pk=calls.pk).update(status=S.CANCELLED, version=row.version + 1)
            make.HedgeOrderFactory.create(transaction=first, slice=1, attempt=2, touched_wall=place.wall.now())
        return found

    monkeypatch.setattr(reconciling, "evidence_for", while_another_one_tries_again)
    place.wait(1)
    reconcile(account_id=place.session.account_id, day=place.session.trading_day, ports=place.ports)
    assert {fill.order_id: fill.quantity for fill in Fill.objects.all()} == {calls.pk: 65, puts.pk: 130}
    calls.refresh_from_db()
    assert calls.status == S.CANCELLED, "the slice has one living order, which is another"
