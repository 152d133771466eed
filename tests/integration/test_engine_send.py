"""Sending one slice: what is read before, what stops it, what a reply means, and that it is posted at most once."""

from __future__ import annotations

import threading
import time
from datetime import time as hour
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from hedging.brokers.base import BrokerUnavailable, OrderRequest, UnreadableAnswer
from hedging.domain.instruments import Product, Side
from hedging.domain.lifecycle import BooksRead, OrderStatus, Trade, step
from hedging.domain.policy import HedgePolicy
from hedging.domain.reasons import Reason
from hedging.engine.execution import send_order
from hedging.engine.orders import apply_event
from hedging.engine.sessions import set_automation
from hedging.engine.states import Act, restrict_session
from hedging.models import AuditEvent, Fill, HedgeOrder, HedgeTransaction
from notifications.models import Alert
from schedule.models import TradingDay
from sessions_app.models import TradingSession, TradingState
from tests import factories as make
from tests.integration import fake_exchange as fake
from tests.integration.engine_world import CALL, PUT, World, hold, intent, policy_card, slice_of, world

S = OrderStatus
pytestmark = pytest.mark.django_db


def sent(place: World, tx: HedgeTransaction, number: int = 1) -> HedgeOrder:
    place.send(slice_of(tx, number))
    return slice_of(tx, number)


def denied_for(order: HedgeOrder) -> str:
    """The reason that the audit trail gives for the order's last edge."""
    last = AuditEvent.objects.filter(subject_kind="hedgeorder", subject_id=order.pk).latest("id")
    return str(last.facts["reason"])


# --- the plain way ----------------------------------------------------------------------------------------------------


def test_a_buy_is_posted_at_a_price_through_the_ask_and_filled_from_the_trade_book():
    place = world()
    tx = intent(place)
    order = sent(place, tx)
    assert (order.status, order.limit_price) == (S.ACKED, Decimal("4.15"))
    (request,) = place.exchange.posts
    assert (request.contract, request.side, request.quantity, request.limit_price, request.product) == (
        CALL, Side.BUY, 130, Decimal("4.15"), Product.NRML,
    )  # fmt: skip
    assert not Fill.objects.exists()  # a reply is no fill

    place.reconcile(after=5)
    tx.refresh_from_db()
    place.session.refresh_from_db()
    assert (slice_of(tx).status, tx.is_live, tx.filled_quantity, tx.average_price) == (S.FILLED, False, 130, Decimal(4))
    assert place.session.reserved == 0
    assert place.session.spent == Decimal("520.00") + tx.charges
    assert "hedge_bought" in place.alerts()


def test_what_was_in_the_book_before_is_remembered():
    place = world()
    other = place.exchange.accept(OrderRequest(PUT, Product.NRML, Side.SELL, 65, Decimal(9)))
    assert sent(place, intent(place)).seen_order_ids == [other.order_id]


def test_the_price_avoids_those_of_equal_orders_in_the_book_and_of_our_own_slices():
    place = world()
    place.exchange.accept(OrderRequest(CALL, Product.NRML, Side.BUY, 130, Decimal("4.15")))
    tx = intent(place, quantity=260)
    HedgeOrder.objects.filter(transaction=tx).update(quantity=130)
    second = make.HedgeOrderFactory.create(transaction=tx, slice=2, quantity=130, touched_wall=place.wall.now())
    place.exchange.replies = [fake.timed_out]
    first = sent(place, tx, 1)
    place.send(second)
    second.refresh_from_db()
    assert {first.limit_price, second.limit_price} == {Decimal("4.10"), Decimal("4.20")}


def test_a_slice_is_sent_once_whoever_asks_again():
    place = world()
    tx = intent(place)
    for _ in range(3):
        sent(place, tx)
    assert len(place.exchange.posts) == 1


# --- nothing is sent --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", ["order_book", "trade_book", "positions", "depth"])
@pytest.mark.parametrize("error", [BrokerUnavailable("gone"), UnreadableAnswer("zero prices")])
def test_a_read_that_fails_before_sending_sends_nothing_and_frees_the_reserve(read, error):
    place = world()
    tx = intent(place)
    assert place.session.reserved > 0
    place.exchange.failing[read] = error
    order = sent(place, tx)
    tx.refresh_from_db()
    place.session.refresh_from_db()
    assert (order.status, denied_for(order)) == (S.LAPSED, Reason.DENY_READS_FAILED)
    assert not tx.is_live
    assert place.session.reserved == place.session.spent == 0
    assert not place.exchange.posts


@pytest.mark.parametrize(
    ("bid", "ask", "reason", "figures"),
    [
        ("3.90", None, Reason.DENY_STALE_QUOTE, "nobody offers"),
        ("4.10", "4.00", Reason.DENY_CROSSED_QUOTE, "₹4.10 is bid, ₹4.00 is asked"),
        ("3.90", "4.55", Reason.DENY_PRICE_MOVED, "₹4.55 now, at worst ₹4.50"),
    ],
)
def test_a_bad_quote_sends_nothing_and_the_figure_that_refused_it_is_told(bid, ask, reason, figures):
    place = world()
    place.exchange.quote(CALL, bid, ask)
    order = sent(place, intent(place))
    assert (order.status, denied_for(order), order.message) == (S.LAPSED, reason, figures)
    assert Alert.objects.get(kind="intent_lapsed").facts["detail"] == f"{reason}: {figures}"
    assert AuditEvent.objects.latest("id").facts["figures"] == figures
    assert not place.exchange.posts


@pytest.mark.parametrize("ask", ["4.40", "4.45"])
def test_a_price_at_the_edge_of_the_buffer_is_still_bought(ask):
    place = world()
    place.exchange.quote(CALL, "3.90", ask)
    assert sent(place, intent(place)).limit_price == Decimal("4.45")  # 4.50, the worst, is a price of people


def test_where_only_a_price_that_people_choose_is_left_nothing_is_sent():
    place = world()
    place.exchange.quote(CALL, "3.90", "4.50")
    order = sent(place, intent(place))
    assert (order.status, denied_for(order)) == (S.LAPSED, Reason.DENY_PRICE_MOVED)


@pytest.mark.parametrize(("age", "status"), [(4, S.ACKED), (5, S.ACKED), (6, S.LAPSED)])
def test_a_quote_older_than_five_seconds_before_sending_is_not_traded_on(age, status):
    place = world()
    read_at = place.wall.now()
    place.exchange.wall = lambda: read_at
    place.wall.moment += timedelta(seconds=age)
    tx = intent(place)
    order = sent(place, tx)
    assert order.status == status
    if status is S.LAPSED:
        assert denied_for(order) == Reason.DENY_STALE_QUOTE


def test_a_contract_that_the_account_is_short_of_is_not_bought():
    place = world()
    place.exchange.foreign[CALL, Product.NRML] = -65
    order = sent(place, intent(place))
    assert (order.status, denied_for(order)) == (S.LAPSED, Reason.DENY_SHORT_CONTRACT)


@pytest.mark.parametrize(("held", "status"), [(129, S.LAPSED), (130, S.ACKED), (131, S.ACKED)])
def test_no_more_is_sold_than_the_broker_says_is_there(held, status):
    place = world()
    hold(place, 130)
    place.exchange.foreign[CALL, Product.NRML] = held  # somebody sold of it, or bought
    order = sent(place, intent(place, side=Side.SELL))
    assert order.status == status
    if status is S.LAPSED:
        assert denied_for(order) == Reason.DENY_BEYOND_HELD
        assert order.message == "130 to sell, 129 at the broker, 0 being sold"


def test_longs_of_another_product_do_not_cover_a_sale():
    place = world()
    place.exchange.foreign[CALL, Product.MIS] = 130
    order = sent(place, intent(place, side=Side.SELL))
    assert (order.status, denied_for(order)) == (S.LAPSED, Reason.DENY_BEYOND_HELD)


@pytest.mark.parametrize(("age", "status"), [(239, S.ACKED), (240, S.ACKED), (241, S.LAPSED)])
def test_an_old_intent_is_not_sent(age, status):
    place = world()
    tx = intent(place)
    place.wait(age)
    assert sent(place, tx).status == status


# --- the fence --------------------------------------------------------------------------------------------------------


def halt(place: World, state: TradingState = TradingState.HALTED) -> None:
    act = Act(actor="ops", reason="stop", now=place.clock.now(), wall_now=place.wall.now())
    restrict_session(session=place.session, state=state, act=act)


def automation_off(place: World) -> None:
    set_automation(session=place.session, on=False, now=place.clock.now(), wall_now=place.wall.now(), actor="ops")


def close(place: World) -> None:
    TradingSession.objects.filter(pk=place.session.pk).update(closed_at=place.clock.now())


def evening(_: World) -> None:
    TradingDay.objects.update(act_until=hour(10, 12))


def holiday(_: World) -> None:
    TradingDay.objects.update(is_open=False)


def expire(place: World) -> None:
    place.clock.moment += timedelta(seconds=241)


def stall(place: World) -> None:
    """The process sleeps between reading the quote and the socket."""
    place.wall.moment += timedelta(seconds=6)


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (halt, Reason.DENY_TRADING_STATE),
        (lambda place: halt(place, TradingState.REDUCING), Reason.DENY_TRADING_STATE),
        (automation_off, Reason.DENY_AUTOMATION_OFF),
        (close, Reason.DENY_TRADING_STATE),
        (evening, Reason.DENY_OUT_OF_HOURS),
        (holiday, Reason.DENY_OUT_OF_HOURS),
        (expire, Reason.DENY_EXPIRED_INTENT),
        (stall, Reason.DENY_STALE_QUOTE),
    ],
    ids=["halted", "reducing", "automation off", "closed", "evening", "holiday", "expired", "stalled"],
)
def test_the_fence_stops_what_was_committed_to_send(monkeypatch, happens, reason):
    """Everything is well at the claim and in the pre-flight; it happens after SENDING is committed."""
    place = world()
    tx = intent(place)

    def then(**event):
        answer = apply_event(**event)
        if answer[0] is S.SENDING:
            happens(place)
        return answer

    monkeypatch.setattr("hedging.engine.execution.apply_event", then)
    order = sent(place, tx)
    tx.refresh_from_db()
    assert (order.status, denied_for(order)) == (S.NOT_SENT, reason)
    assert not place.exchange.posts
    assert not tx.is_live
    place.session.refresh_from_db()
    assert place.session.reserved == 0


def test_a_halt_that_comes_while_the_clock_is_read_is_seen_before_the_socket(monkeypatch):
    """The market clock is a question to a server, which may take its time: the rows of the fence are read after it."""
    place = world()
    tx = intent(place)
    plain = type(place.clock).now

    def slow(clock):
        moment = plain(clock)
        if HedgeOrder.objects.filter(transaction=tx, status=S.SENDING).exists():
            TradingSession.objects.filter(pk=place.session.pk).update(trading_state=TradingState.HALTED)
        return moment

    monkeypatch.setattr(type(place.clock), "now", slow)
    order = sent(place, tx)
    assert (order.status, denied_for(order)) == (S.NOT_SENT, Reason.DENY_TRADING_STATE)
    assert not place.exchange.posts


def wakes_after_it_was_given_up(place: World, tx: HedgeTransaction, monkeypatch: pytest.MonkeyPatch) -> HedgeOrder:
    def frozen(**event):
        answer = apply_event(**event)
        if answer[0] is S.SENDING:
            monkeypatch.undo()
            place.wall.moment += timedelta(seconds=46)
            place.exchange.wall = place.wall.now
            place.reconcile()
        return answer

    monkeypatch.setattr("hedging.engine.execution.apply_event", frozen)
    return sent(place, tx)


def test_a_sender_that_was_given_up_for_dead_does_not_send_when_it_wakes(monkeypatch):
    place = world()
    assert wakes_after_it_was_given_up(place, intent(place), monkeypatch).status == S.UNKNOWN
    assert not place.exchange.posts


def test_a_sender_that_was_given_up_does_not_send_even_where_old_quotes_are_trusted(monkeypatch):
    place = world()
    policy = policy_card(HedgePolicy(max_quote_age_seconds=300))
    decision = make.HedgeDecisionFactory.create(session=place.session, at=place.clock.now(), policy=policy)
    assert wakes_after_it_was_given_up(place, intent(place, decision=decision), monkeypatch).status == S.UNKNOWN
    assert not place.exchange.posts


@pytest.mark.parametrize("state", [TradingState.ACTIVE, TradingState.REDUCING])
def test_a_sale_passes_the_fence_while_reducing(state):
    place = world(trading_state=state)
    hold(place, 130)
    assert sent(place, intent(place, side=Side.SELL)).status == S.ACKED


def test_a_halt_stops_sales_too():
    place = world(trading_state=TradingState.HALTED)
    hold(place, 130)
    assert sent(place, intent(place, side=Side.SELL)).status == S.NOT_SENT
    assert not place.exchange.posts


@pytest.mark.parametrize("fields", [{"due_by_clock": True}, {"origin": "admin"}, {"origin": "api"}])
def test_sales_due_by_the_clock_and_orders_by_hand_do_not_need_automation(fields):
    place = world(automation=False)
    hold(place, 130)
    assert sent(place, intent(place, side=Side.SELL, **fields)).status == S.ACKED


@pytest.mark.parametrize(
    ("moment", "status"),
    [
        (make.ist(9, 14, 59), S.NOT_SENT),
        (make.ist(9, 15), S.ACKED),
        (make.ist(15, 29, 59), S.ACKED),
        (make.ist(15, 30), S.NOT_SENT),
    ],
)
def test_orders_are_posted_in_hours_only(moment, status):
    place = world()
    place.clock.moment = moment
    assert sent(place, intent(place)).status == status


def test_a_live_order_is_not_sent_under_the_dry_run_lid(settings):
    settings.AUTO_HEDGE_DRY_RUN = True
    place = world()
    order = sent(place, intent(place))
    assert (order.status, denied_for(order)) == (S.NOT_SENT, Reason.DENY_LIVE_NOT_ALLOWED)


# --- the reply --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "status", "live", "alert"),
    [
        (fake.timed_out, S.UNKNOWN, True, "order_unknown"),
        (fake.refused, S.REJECTED, False, "order_rejected"),
        (fake.refused_by_broker, S.REJECTED, False, "order_rejected"),
        (fake.not_sent, S.NOT_SENT, False, "order_failed"),
        (fake.queued_upstream, S.QUEUED_UPSTREAM, True, "mode_mismatch"),
        (fake.another_mode, S.UNKNOWN, True, "mode_mismatch"),
    ],
)
def test_the_reserve_is_freed_only_by_proof_that_nothing_was_accepted(reply, status, live, alert):
    place = world()
    tx = intent(place)
    place.exchange.replies = [reply]
    order = sent(place, tx)
    tx.refresh_from_db()
    place.session.refresh_from_db()
    assert (order.status, tx.is_live, place.session.reserved) == (status, live, tx.reserve if live else 0)
    assert alert in place.alerts()


@pytest.mark.parametrize("reply", [fake.queued_upstream, fake.another_mode])
def test_an_answer_from_another_mode_halts_with_an_alert_and_an_audit_line(reply):
    place = world()
    place.exchange.replies = [reply]
    sent(place, intent(place))
    place.session.refresh_from_db()
    assert (place.session.trading_state, place.session.state_reason) == (TradingState.HALTED, "MODE_MISMATCH")
    assert AuditEvent.objects.filter(event="trading_state_halted", subject_id=place.session.pk).count() == 1
    assert Alert.objects.filter(kind="trading_state").count() == 1


def test_a_refused_contract_is_left_alone_for_the_day():
    place = world()
    place.exchange.replies = [fake.refused]
    tx = intent(place)
    sent(place, tx)
    place.session.refresh_from_db()
    assert place.session.quarantine == [tx.symbol]


def test_a_refusal_that_was_none_is_adopted_from_the_book():
    place = world()
    place.exchange.replies = [fake.refused_but_placed]
    tx = intent(place)
    assert sent(place, tx).status == S.ACKED
    place.reconcile(after=5)
    assert slice_of(tx).status == S.FILLED


def test_a_refusal_that_cannot_be_checked_is_checked_by_a_later_book():
    place = world()
    place.exchange.replies = [fake.refused_by_broker]
    tx = intent(place)
    place.exchange.before["place"] = lambda: place.exchange.failing.update(order_book=BrokerUnavailable("gone"))
    assert sent(place, tx).status == S.SENDING
    place.reconcile(after=5)
    assert slice_of(tx).status == S.SENDING  # nothing is inferred from a failed read
    place.exchange.failing.clear()
    place.reconcile(after=5)
    assert slice_of(tx).status == S.REJECTED


# --- at once ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_workers_with_the_same_slice_post_it_once():
    place = world()
    order = slice_of(intent(place))
    both_have_read = threading.Barrier(2, timeout=10)
    place.exchange.before["depth"] = both_have_read.wait  # the last read before SENDING
    found: list[OrderStatus] = []

    def worker() -> None:
        try:
            found.append(send_order(order_id=order.pk, ports=place.ports))
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(place.exchange.posts) == 1
    assert len(found) == 2
    assert slice_of(order.transaction).status == S.ACKED
    lines = AuditEvent.objects.filter(subject_kind="hedgeorder", subject_id=order.pk).order_by("id")
    assert [line.event for line in lines] == ["order_sending", "order_acked"]  # who came second left none


@pytest.mark.django_db(transaction=True)
def test_a_fill_that_two_workers_see_at_once_is_booked_once(monkeypatch):
    place = world()
    tx = intent(place)
    order = sent(place, tx)
    seen = BooksRead(trades=(Trade(order.quantity, Decimal("4.00")),))
    errors: list[Exception] = []

    def dawdling(*words):
        time.sleep(0.3)  # the other worker comes to the row meanwhile: it has to wait for what is written here
        return step(*words)

    def worker() -> None:
        try:
            apply_event(order_id=order.pk, event=seen, now=place.clock.now(), wall_now=place.wall.now())
        except Exception as error:  # noqa: BLE001 - looked at below, in the test's thread
            errors.append(error)
        finally:
            connection.close()

    monkeypatch.setattr("hedging.engine.orders.step", dawdling)
    threads = [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert errors == []
    assert [fill.quantity for fill in order.fills.all()] == [order.quantity]
    tx.refresh_from_db()
    assert (tx.is_live, tx.filled_quantity) == (False, order.quantity)
