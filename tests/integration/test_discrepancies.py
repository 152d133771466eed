"""The ledger against the books, over the in-memory exchange: what is taken off, told, blocked, and when nothing is."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client

from hedging.brokers.base import BrokerUnavailable, OrderRequest
from hedging.domain.instruments import Product, Side
from hedging.domain.lifecycle import BooksRead, OrderStatus, Replied, Trade
from hedging.domain.reasons import Reason
from hedging.domain.reconciliation import compare
from hedging.domain.snapshot import Position
from hedging.engine import clock, discrepancies, orders
from hedging.engine.day_end import close_early, end_day
from hedging.engine.hours import acting_hours
from hedging.engine.intents import record
from hedging.engine.orders import apply_event
from hedging.engine.pulse import take_pulse
from hedging.engine.sessions import SessionRefused
from hedging.engine.states import Act
from hedging.management.commands import reconcile as command
from hedging.models import Adjustment, AuditEvent, BookCheck, CycleKind, Fill, HedgeOrder, HedgeTransaction
from hedging.selectors import holdings
from notifications.models import Alert
from schedule.calendar import SessionHours
from sessions_app.models import TradingState
from tests import factories as make
from tests.integration import engine_world as scene
from tests.integration.engine_world import CALL, PUT, World, world
from tests.integration.page_day import StoppedClock

pytestmark = pytest.mark.django_db
NEXT_WEEK = make.TUESDAY + timedelta(days=7)


@pytest.fixture
def place() -> World:
    return world()


def examine(place: World, *, after: float = 0) -> discrepancies.Examined:
    place.wait(after)
    return discrepancies.examine(session=place.session, now=place.clock.now(), ports=place.ports)


def by_hand(place: World, quantity: int, side: Side = Side.SELL) -> None:
    """Let a person trade in the broker's own terminal."""
    price = Decimal("3.50") if side is Side.SELL else Decimal("4.50")
    place.exchange.accept(OrderRequest(CALL, Product.NRML, side, quantity, price))


def held(place: World) -> dict[Any, int]:
    session = place.session
    rows = holdings(account_id=session.account_id, mode=session.mode, day=session.trading_day)
    return {row.contract: row.quantity for row in rows}


def kinds(examined: discrepancies.Examined) -> list[str]:
    return [difference.kind.value for difference in examined.ours]


def books_told() -> list[str]:
    return list(Alert.objects.filter(kind="books_differ").order_by("id").values_list("title", flat=True))


def test_a_hedge_sold_by_hand_is_taken_off_after_two_equal_readings_and_told_once(place):
    scene.hold(place, 130)
    by_hand(place, 65)
    assert kinds(examine(place)) == ["sold_by_hand"]
    assert held(place) == {CALL: 130}  # one reading proves nothing
    assert kinds(examine(place, after=4)) == ["sold_by_hand"]
    assert not Adjustment.objects.exists()
    examine(place, after=1)
    assert held(place) == {CALL: 65}
    row = Adjustment.objects.get()
    assert (row.kind, row.quantity, row.symbol) == ("sold_by_hand", 65, "NIFTY01DEC2626500CE")
    assert AuditEvent.objects.get(event="holding_sold_by_hand").subject_id == row.pk
    assert kinds(examine(place, after=60)) == []
    assert len(books_told()) == 1


def test_what_was_sold_by_hand_cannot_be_claimed_for_a_sale_again(place):
    scene.hold(place, 130)
    by_hand(place, 65)
    examine(place)
    examine(place, after=6)
    sale = scene.unwind(scene.leg(quantity=130, side=Side.SELL))
    done = record(
        decision=sale, facts=scene.facts(place), session=place.session, kind=CycleKind.MARGIN_CHECK, slot=1,
        ports=place.ports,
    )  # fmt: skip
    assert done is not None
    assert done.card.reason == Reason.DENY_BEYOND_HELD


def test_the_same_hand_selling_twice_is_taken_off_twice(place):
    scene.hold(place, 195)
    for left in (130, 65):
        by_hand(place, 65)
        examine(place, after=60)
        examine(place, after=6)
        assert held(place) == {CALL: left}
    assert len(books_told()) == 2


def test_a_position_that_only_lags_behind_is_left_alone(place):
    scene.hold(place, 130)
    key = (CALL, Product.NRML)
    place.exchange.foreign[key] = 0
    assert kinds(examine(place)) == ["gone"]
    place.exchange.foreign[key] = 130
    assert kinds(examine(place, after=6)) == []
    assert held(place) == {CALL: 130}


def test_without_a_trade_that_explains_it_a_minute_passes_before_a_hedge_is_given_up(place):
    scene.hold(place, 130)
    place.exchange.foreign[CALL, Product.NRML] = 0
    examine(place)
    examine(place, after=59)
    assert held(place) == {CALL: 130}
    examine(place, after=1)
    assert held(place) == {}
    assert Adjustment.objects.get().kind == "gone"
    assert Alert.objects.get(kind="books_differ").severity == "critical"


@pytest.mark.parametrize("read", ["positions", "order_book", "trade_book"])
def test_a_book_that_cannot_be_read_is_not_flat_and_changes_nothing(place, read):
    scene.hold(place, 130)
    examine(place)
    known = BookCheck.objects.get()
    place.exchange.failing[read] = BrokerUnavailable("502")
    place.exchange.foreign[CALL, Product.NRML] = 0
    for _ in range(4):
        assert not examine(place, after=60).read
    assert held(place) == {CALL: 130}
    check = BookCheck.objects.get()
    assert (check.read_wall, check.found, check.error) == (known.read_wall, known.found, "502")


def test_while_an_order_of_ours_moves_nothing_is_said_of_its_contract(place):
    scene.hold(place, 130)
    scene.intent(place, side=Side.SELL, quantity=130)
    place.exchange.foreign[CALL, Product.NRML] = 0
    assert kinds(examine(place)) == []
    assert kinds(examine(place, after=120)) == []
    assert held(place) == {CALL: 130}


def test_more_than_we_bought_blocks_automatic_buys_of_that_contract_alone(place):
    scene.hold(place, 130)
    by_hand(place, 65, Side.BUY)
    assert kinds(examine(place)) == ["bought_by_hand"]
    examine(place, after=6)
    examine(place, after=300)
    examine(place, after=6)
    assert len(books_told()) == 1
    facts = looked(place, positions=place.exchange.positions())
    assert facts.session.quarantine == {CALL}
    assert facts.reconciled
    assert held(place) == {CALL: 130}
    by_hand(place, 65)  # given back
    examine(place, after=60)
    assert BookCheck.objects.get().blocked == []


def test_what_others_hold_is_listed_and_nothing_follows(place):
    place.exchange.foreign[PUT, Product.NRML] = -650
    resting = OrderRequest(CALL, Product.NRML, Side.BUY, 65, Decimal("1.00"))
    place.exchange.accept(resting)
    examine(place)
    done = examine(place, after=120)
    assert done.ours == ()
    assert [row["kind"] for row in BookCheck.objects.get().found] == ["foreign_position", "foreign_order"]
    assert place.alerts() == []


def test_an_answer_that_names_another_order_than_the_one_we_follow_is_told_and_compared_at_once(place):
    tx = scene.intent(place)
    place.send(scene.slice_of(tx))
    order = scene.slice_of(tx)
    twin = place.exchange.accept(place.exchange.posts[0])
    after = apply_event(
        order_id=order.pk,
        event=Replied(OrderStatus.ACKED, twin.order_id),
        now=place.clock.now(),
        wall_now=place.wall.now() + timedelta(seconds=1),
    )
    assert after == (OrderStatus.ACKED, ())
    assert scene.slice_of(tx).broker_order_id == order.broker_order_id
    place.session.refresh_from_db()
    assert place.session.trading_state == TradingState.ACTIVE
    assert Alert.objects.get(kind="order_mistaken").severity == "critical"
    place.reconcile(after=31)
    assert discrepancies.follow_up(session=place.session, ports=place.ports)
    place.wait(6)
    assert discrepancies.follow_up(session=place.session, ports=place.ports)
    assert any(title.startswith("Lookalike: 130") for title in books_told())


def test_a_fill_of_an_order_that_was_over_is_booked(place):
    tx = scene.intent(place)
    order = scene.slice_of(tx)
    place.send(order)
    place.reconcile(after=1)
    resting = place.exchange.only()
    HedgeOrder.objects.filter(pk=order.pk).update(
        status=OrderStatus.CANCELLED, sent_at=place.clock.now() - timedelta(hours=1)
    )
    Fill.objects.filter(order=order).delete()
    HedgeTransaction.objects.filter(pk=tx.pk).update(is_live=False, filled_quantity=0)
    assert kinds(examine(place, after=60)) == ["unknown_fill"]
    examine(place, after=6)
    assert sum(fill.quantity for fill in order.fills.all()) == resting.request.quantity
    assert held(place) == {CALL: 130}
    assert kinds(examine(place, after=60)) == []


def test_an_order_believed_lost_that_shows_in_the_positions_is_told_and_blocks_its_contract(place):
    tx = scene.intent(place)
    HedgeOrder.objects.filter(transaction=tx).update(status=OrderStatus.LOST)
    HedgeTransaction.objects.filter(pk=tx.pk).update(is_live=False)
    place.exchange.foreign[CALL, Product.NRML] = 130
    examine(place)
    assert kinds(examine(place, after=6)) == ["lost_found"]
    assert BookCheck.objects.get().blocked == ["NIFTY01DEC2626500CE"]
    assert Alert.objects.get(kind="books_differ").severity == "critical"


def evening(place: World) -> SessionHours:
    hours = acting_hours(make.TUESDAY)
    assert hours is not None
    place.wait((hours.closes - place.clock.now()).total_seconds() + 121)
    return hours


def test_at_the_days_end_orders_believed_lost_are_held_against_the_positions(place):
    lost = [scene.intent(place, contract=contract) for contract in (CALL, PUT)]
    HedgeOrder.objects.update(status=OrderStatus.LOST)
    HedgeTransaction.objects.update(is_live=False)
    place.exchange.foreign[CALL, Product.NRML] = 130  # expiring today, and bought after all
    hours = evening(place)
    assert not end_day(session=place.session, hours=hours, now=place.clock.now(), ports=place.ports)
    place.wait(6)
    assert end_day(session=place.session, hours=hours, now=place.clock.now(), ports=place.ports)
    found, never = (tx.orders.get().pk for tx in lost)
    place.session.refresh_from_db()
    assert place.session.summary["lost_orders"] == {"never_arrived": [never], "in_the_positions": [found]}
    assert Alert.objects.get(kind="books_differ").severity == "critical"


def test_a_day_whose_last_positions_could_not_be_read_says_so_of_its_lost_orders(place):
    tx = scene.intent(place)
    HedgeOrder.objects.update(status=OrderStatus.LOST)
    HedgeTransaction.objects.update(is_live=False)
    hours = evening(place)
    place.wait(15 * 60)
    place.exchange.failing["positions"] = BrokerUnavailable("502")
    assert end_day(session=place.session, hours=hours, now=place.clock.now(), ports=place.ports)
    place.session.refresh_from_db()
    assert place.session.summary["lost_orders"] == {"unchecked": [tx.orders.get().pk]}


def test_a_hedge_expires_at_the_end_of_its_day_and_the_session_closes(place):
    scene.hold(place, 130)
    hours = acting_hours(make.TUESDAY)
    assert hours is not None
    place.wait((hours.closes - place.clock.now()).total_seconds() + 121)
    assert end_day(session=place.session, hours=hours, now=place.clock.now(), ports=place.ports)
    assert held(place) == {}
    assert Adjustment.objects.get().kind == "expired"


def test_a_hedge_kept_overnight_and_sold_meanwhile_is_noticed_before_the_first_decision():
    place = world()
    scene.hold(place, 130)
    HedgeTransaction.objects.update(expiry=NEXT_WEEK, symbol="NIFTY08DEC2626500CE")
    place.session.closed_at = place.clock.now()
    place.session.save()
    make.TradingDayFactory.create(day=make.TUESDAY + timedelta(days=1))
    today = make.TradingSessionFactory.create(
        account=place.session.account, trading_day=make.TUESDAY + timedelta(days=1), expiry=NEXT_WEEK, dte=4
    )
    place.session = today
    place.clock.moment += timedelta(days=1)
    place.exchange.foreign.clear()
    assert kinds(examine(place)) == ["gone"]
    examine(place, after=60)
    assert held(place) == {}


def test_the_day_waits_with_its_end_for_the_second_reading(place):
    HedgeTransaction.objects.update(expiry=NEXT_WEEK)
    scene.hold(place, 130)
    HedgeTransaction.objects.update(expiry=NEXT_WEEK)
    place.exchange.foreign.clear()
    hours = acting_hours(make.TUESDAY)
    assert hours is not None
    place.wait((hours.closes - place.clock.now()).total_seconds() + 121)
    assert not end_day(session=place.session, hours=hours, now=place.clock.now(), ports=place.ports)
    place.wait(61)
    assert end_day(session=place.session, hours=hours, now=place.clock.now(), ports=place.ports)
    assert Adjustment.objects.get().kind == "gone"


def pulse_of(place: World) -> Any:
    session = place.session
    return take_pulse(
        session_id=session.pk, account_id=session.account_id, day=session.trading_day, mode=session.mode,
        kind=CycleKind.MARGIN_CHECK, slot=None, now=place.clock.now(),
    )  # fmt: skip


def looked(place: World, **facts: Any) -> Any:
    return discrepancies.look(
        facts=scene.facts(place, **facts), session=place.session, pulse=pulse_of(place), ports=place.ports
    )


def test_nothing_is_decided_before_the_books_were_compared_once_since_the_start(place):
    discrepancies.forget()
    place.exchange.failing["trade_book"] = BrokerUnavailable("502")
    assert not looked(place).reconciled
    assert not looked(place, positions=None).reconciled
    place.exchange.failing.clear()
    assert looked(place).reconciled
    place.exchange.failing["trade_book"] = BrokerUnavailable("502")
    place.wait(600)
    assert looked(place).reconciled  # known since the start: what is old is read again, and blocks nothing


def test_a_quiet_cycle_reads_no_book_and_one_that_sees_a_hedge_changed_does(place):
    scene.hold(place, 130)
    examine(place)
    place.exchange.calls.clear()
    looked(place, positions=(Position(CALL, Product.NRML, 130, Decimal(4)),))
    assert place.exchange.calls == ["funds"]
    for units in (65, 195):
        place.exchange.calls.clear()
        looked(place, positions=(Position(CALL, Product.NRML, units, Decimal(4)),))
        assert place.exchange.calls == ["funds", "order_book", "trade_book"]
    place.exchange.paper = True
    place.exchange.calls.clear()
    looked(place, positions=())
    assert place.exchange.calls == ["funds"]


def test_the_brokers_square_off_late_in_the_day_is_known_from_a_persons_sale():
    account = make.AccountFactory.create(product="MIS")
    place = world(account=account)
    scene.hold(place, 130)
    key = (CALL, Product.MIS)
    place.exchange.foreign = {key: 130}
    place.wait((make.ist(15, 15) - place.clock.now()).total_seconds())
    place.exchange.accept(OrderRequest(CALL, Product.MIS, Side.SELL, 130, Decimal("3.50")))
    assert kinds(examine(place)) == ["squared_off"]
    examine(place, after=6)
    assert Adjustment.objects.get().kind == "squared_off"


def test_a_request_is_done_by_the_next_reconcile_once(place):
    discrepancies.request(session=place.session, wall_now=place.wall.now() + timedelta(seconds=1))
    place.wait(2)
    assert discrepancies.follow_up(session=place.session, ports=place.ports)
    assert not discrepancies.follow_up(session=place.session, ports=place.ports)


def test_two_workers_that_saw_the_same_take_it_off_once(place):
    scene.hold(place, 130)
    by_hand(place, 65)
    examine(place)
    place.wait(6)
    other = BookCheck.objects.get().watched
    examine(place)
    BookCheck.objects.update(watched=other)  # as the slower of the two found it
    found = examine(place)
    assert kinds(found) == []
    assert Adjustment.objects.count() == 1


def test_a_worker_that_compared_before_another_took_it_off_takes_nothing(place, monkeypatch):
    scene.hold(place, 130)
    by_hand(place, 65)
    examine(place)
    place.wait(6)
    seen, whole = BookCheck.objects.get().watched, compare

    def and_then_another(**known: Any) -> Any:
        found = whole(**known)
        monkeypatch.setattr("hedging.engine.discrepancies.compare", whole)
        examine(place)  # the faster one
        BookCheck.objects.update(watched=seen)  # as the slower one knew it
        return found

    monkeypatch.setattr("hedging.engine.discrepancies.compare", and_then_another)
    examine(place)
    assert Adjustment.objects.get().quantity == 65
    assert held(place) == {CALL: 65}


@pytest.mark.parametrize("change", ["update", "delete"])
def test_the_database_refuses_to_change_an_adjustment(change):
    make.AdjustmentFactory.create()
    rows = Adjustment.objects.all()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        rows.update(quantity=1) if change == "update" else rows.delete()


def printed(place: World, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[dict[str, Any]]]:
    monkeypatch.setattr(command, "ports_for", lambda _: place.ports)
    monkeypatch.setattr(clock, "market_clock", lambda: place.clock)
    out, code = StringIO(), 0
    try:
        call_command("reconcile", "--json", stdout=out)
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    return code, json.loads(out.getvalue())


def test_the_command_says_what_differs_and_its_exit_code_whether_anything_of_ours_does(place, monkeypatch):
    scene.hold(place, 130)
    place.exchange.foreign[PUT, Product.NRML] = -650
    code, (row,) = printed(place, monkeypatch)
    assert (code, row["discrepancies"], len(row["foreign"])) == (0, [], 1)
    by_hand(place, 65)
    place.wait(60)
    code, (row,) = printed(place, monkeypatch)
    assert (code, [found["kind"] for found in row["discrepancies"]]) == (1, ["sold_by_hand"])
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("reconcile", stdout=out)
    assert "sold by hand: 65 NIFTY01DEC2626500CE" in out.getvalue()
    place.exchange.failing["positions"] = BrokerUnavailable("502")
    code, (row,) = printed(place, monkeypatch)
    assert (code, row["read"]) == (1, False)


@pytest.mark.usefixtures("_open_reads")
def test_page_and_api_show_the_last_comparison_and_a_request_needs_a_living_worker(place, monkeypatch, settings):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: place.wall.now() + timedelta(seconds=1))
    settings.HEDGE_API_KEY = "k" * 40
    scene.hold(place, 130)
    by_hand(place, 65)
    examine(place)
    client = Client(headers={"X-API-Key": "k" * 40})
    answer = client.get("/api/hedge/reconcile").json()
    assert [found["kind"] for found in answer["discrepancies"]] == ["sold_by_hand"]
    assert "sold by hand" in client.get("/?still").content.decode()
    refused = client.post("/api/hedge/reconcile", {}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (503, "WORKER_DOWN")
    make.HeartbeatFactory.create(wall_at=place.wall.now())
    asked = client.post("/api/hedge/reconcile", {}, content_type="application/json")
    assert (asked.status_code, asked.json()["requested"]) == (202, True)


@pytest.fixture
def _open_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hedging.access.may", lambda *_: True)


def half_a_minute_of_reconciles(here: World) -> None:
    for _ in range(6):
        here.wait(5)
        discrepancies.follow_up(session=here.session, ports=here.ports)


def test_a_difference_that_lasts_keeps_no_session_from_being_closed_by_hand():
    here = world()
    scene.hold(here, 130)
    here.exchange.accept(OrderRequest(CALL, Product.NRML, Side.BUY, 65, Decimal("4.50")))
    refusals = []
    for _ in range(10):
        act = Act("alice", "done for today", here.clock.now(), here.wall.now())
        try:
            close_early(session=here.session, act=act, ports=here.ports, keep_hedges=True)
            break
        except SessionRefused as why:
            refusals.append(why.message)
        half_a_minute_of_reconciles(here)
    assert len(refusals) == 1


def test_a_lost_order_that_is_found_does_not_put_off_the_days_end():
    here = world()
    scene.intent(here)
    HedgeOrder.objects.update(status=OrderStatus.LOST)
    HedgeTransaction.objects.update(is_live=False)
    here.exchange.foreign[CALL, Product.NRML] = 130
    hours, tries = evening(here), 0
    while not end_day(session=here.session, hours=hours, now=here.clock.now(), ports=here.ports):
        tries += 1
        assert tries == 1, "the day is still open"
        half_a_minute_of_reconciles(here)


def test_a_sale_by_hand_that_was_taken_off_already_explains_no_later_shortage():
    here = world()

    def look_twice() -> list[str]:
        for _ in range(2):
            done = discrepancies.examine(session=here.session, now=here.clock.now(), ports=here.ports)
            here.wait(6)
        return [difference.kind.value for difference in done.ours]

    scene.hold(here, 65)
    here.exchange.accept(OrderRequest(CALL, Product.NRML, Side.SELL, 65, Decimal("3.50")))
    look_twice()
    assert Adjustment.objects.get().kind == "sold_by_hand"
    scene.hold(here, 65)  # bought again
    here.wait(60)
    assert look_twice() == []
    here.exchange.foreign[CALL, Product.NRML] -= 65  # the position book says less for ten seconds
    assert look_twice() == ["gone"]
    rows = holdings(account_id=here.session.account_id, mode=here.session.mode, day=here.session.trading_day)
    assert [row.quantity for row in rows] == [65]


def test_what_a_person_bought_and_sold_again_explains_no_shortage_of_ours():
    here = world()
    here.exchange.accept(OrderRequest(CALL, Product.NRML, Side.BUY, 65, Decimal("4.50")))
    here.exchange.accept(OrderRequest(CALL, Product.NRML, Side.SELL, 65, Decimal("3.50")))
    here.wait(600)
    scene.hold(here, 65)  # then we bought the same strike
    here.wait(60)
    assert discrepancies.examine(session=here.session, now=here.clock.now(), ports=here.ports).ours == ()
    here.exchange.foreign[CALL, Product.NRML] -= 65  # an adapter fails for ten seconds
    kinds = []
    for _ in range(2):
        found = discrepancies.examine(session=here.session, now=here.clock.now(), ports=here.ports)
        kinds.append([difference.kind.value for difference in found.ours])
        here.wait(6)
    assert kinds == [["gone"], ["gone"]]
    rows = holdings(account_id=here.session.account_id, mode=here.session.mode, day=here.session.trading_day)
    assert [row.quantity for row in rows] == [65]


@pytest.mark.django_db(transaction=True)
def test_a_late_fill_and_a_comparison_at_the_same_moment_take_the_same_rows_in_the_same_order(monkeypatch):
    here = world()
    scene.intent(here)
    HedgeOrder.objects.update(
        status=OrderStatus.CANCELLED, broker_order_id="B7", sent_at=here.clock.now(), limit_price=Decimal(4)
    )
    HedgeTransaction.objects.update(is_live=False, ended_at=here.clock.now())
    order = HedgeOrder.objects.get()
    noted, settle = threading.Event(), orders.settle

    def settle_a_moment_later(**known):
        noted.set()
        time.sleep(0.7)  # the other has its first row by then
        return settle(**known)

    monkeypatch.setattr(orders, "settle", settle_a_moment_later)

    def book_the_fill() -> None:
        late = BooksRead(trades=(Trade(130, Decimal(4)),))
        apply_event(order_id=order.pk, event=late, now=here.clock.now(), wall_now=here.wall.now())

    def compare_the_books() -> None:
        noted.wait(10)
        discrepancies.examine(session=here.session, now=here.clock.now(), ports=here.ports)

    def alone(work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(alone, work) for work in (book_the_fill, compare_the_books)]:
            done.result(timeout=30)  # raises what PostgreSQL threw one of them out with
    assert Fill.objects.get().quantity == 130
