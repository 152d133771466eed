"""What goes on is told again and again, but not with every cycle; and nothing is told that is not so."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError

from hedging.brokers.base import BrokerStatus, UnreadableAnswer
from hedging.domain.lifecycle import PreflightFailed
from hedging.domain.reasons import Reason
from hedging.engine.alerts import tell_failure, tell_set_back
from hedging.engine.cycle import run_cycle
from hedging.engine.day_end import close_early
from hedging.engine.orders import apply_event
from hedging.engine.plan import plan_of
from hedging.engine.states import Act
from hedging.engine.ticks import Rules, check_margin
from hedging.models import CycleKind, HedgeDecision, HedgeOrder, Origin
from notifications.models import Alert, Severity
from schedule.calendar import IST
from sessions_app.models import Mode, TradingSession
from tests import factories as make
from tests.integration import fake_exchange as fake
from tests.integration.engine_world import NOW, POLICY, intent, slice_of, world
from tests.integration.manual_world import buy, manual_world
from tests.integration.test_books_behind import decided, over_the_trigger
from tests.integration.test_engine_cycle import entry_soon, margin, reason

pytestmark = pytest.mark.django_db


def test_orders_that_cannot_be_sent_for_an_hour_are_told_of_and_do_not_flood(monkeypatch):
    place, plan = over_the_trigger()
    place.exchange.failing["order_book"] = UnreadableAnswer("a limit order without a price in the order book")
    for number in range(120):
        monkeypatch.setattr(fake, "SPOT", Decimal(26000) + number % 2)
        place.wait(30)
        assert decided(place, plan, 7000 + number).reason.startswith("ADD")
        place.follow()
    told = Counter(Alert.objects.values_list("kind", "severity"))
    # Of each leg of the pair once in ten minutes that nothing was sent, and once that it goes on.
    assert told["intent_lapsed", Severity.CRITICAL] == told["intent_lapsed", Severity.WARNING] == 12
    assert told["order_failed", Severity.WARNING] == 12
    last = Alert.objects.filter(severity=Severity.CRITICAL).latest("id")
    assert "without a price in the order book" in last.facts["detail"]


def test_a_nudge_that_is_seconds_old_tells_of_no_clock_that_was_set_back():
    place = world()
    fast = Rules(ports_for=lambda _: place.ports, plan_for=plan_of, policy=POLICY, enabled=True)
    started = place.clock.now()
    assert check_margin(now=started, rules=fast)["cycles"] == 1

    def other_worker_decides_meanwhile(session):
        place.wait(7)  # the accounts before this one took 7 s
        row = TradingSession.objects.select_related("account").get(pk=session.pk)
        run_cycle(
            session=row,
            kind=CycleKind.ENTRY_PROJECTION,
            slot=1,
            now=place.clock.now(),
            ports=place.ports,
            plan=plan_of(row),
            policy=POLICY,
            enabled=True,
        )
        return plan_of(session)

    check_margin(now=started + timedelta(seconds=1), rules=replace(fast, plan_for=other_worker_decides_meanwhile))
    assert HedgeDecision.objects.count() == 2
    assert not Alert.objects.filter(kind="clock_set_back").exists()


def test_an_action_of_a_time_to_come_is_told_where_its_slots_are_decided_anew():
    place = world()
    plan = entry_soon(place, minutes=3)
    place.exchange.added_by_basket = margin(1100)
    ahead = place.clock.now() + timedelta(hours=1)  # made by a clock that ran ahead
    TradingSession.objects.filter(pk=place.session.pk).update(last_action_at=ahead)
    rules = Rules(ports_for=lambda _: place.ports, plan_for=lambda _: plan, policy=POLICY, enabled=True)
    for _ in range(6):
        place.wait(30)
        check_margin(now=place.clock.now(), rules=rules)
    [told] = Alert.objects.filter(kind="clock_set_back")
    assert told.severity == Severity.CRITICAL
    assert told.facts["until"] == f"{ahead.astimezone(IST):%H:%M:%S} IST"
    assert HedgeDecision.objects.count() == 6


def test_that_live_is_closed_is_told_while_orders_could_leave(settings):
    settings.AUTO_HEDGE_DRY_RUN = True
    place = world()
    place.clock.moment = make.ist(6, 0)
    for _ in range(120):
        assert reason(place) == Reason.HOLD_LIVE_CLOSED
    assert not Alert.objects.filter(kind="live_closed").exists()
    place.clock.moment = make.ist(10, 0)
    reason(place)
    assert Alert.objects.filter(kind="live_closed").count() == 1


def denied(place, tx):
    refusal = PreflightFailed(Reason.DENY_PRICE_MOVED, "moved")
    apply_event(order_id=slice_of(tx).pk, event=refusal, now=place.clock.now(), wall_now=place.wall.now())
    return Alert.objects.count()


def test_what_was_told_of_paper_is_told_of_live_all_the_same():
    place = world()
    sessions = TradingSession.objects.filter(pk=place.session.pk)
    sessions.update(mode=Mode.DRY_RUN)
    place.session.refresh_from_db()
    for _ in range(2):
        tx = intent(place, mode=Mode.DRY_RUN)
        tx.orders.update(mode=Mode.DRY_RUN)
        told = denied(place, tx)
        place.wait(30)
    sessions.update(mode=Mode.LIVE)
    place.session.refresh_from_db()
    assert denied(place, intent(place)) > told


def test_what_was_ordered_by_hand_is_told_of_each_time():
    place = world()
    told = [0]
    for _ in range(4):
        told.append(denied(place, intent(place, origin=Origin.API)))
        place.wait(130)
    assert len(set(told)) == 5


def test_an_order_that_filled_nothing_is_told_of_each_time_that_one_was_sent():
    place = world()
    told = [0]
    setattr(place.exchange, "match", lambda resting: None)  # noqa: B010 - its own type does not know that it can be replaced
    for _ in range(2):
        now = place.clock.now()
        tx = intent(place, created_at=now, valid_until=now + timedelta(seconds=240))
        place.send(slice_of(tx))
        list(place.exchange.orders.values())[-1].status = BrokerStatus.CANCELLED
        for _ in range(4):
            place.reconcile(after=6)
        told.append(Alert.objects.filter(kind="order_failed").count())
        place.wait(400)
    assert told == [0, 1, 2]


def test_two_slices_of_one_purchase_that_were_not_sent_are_told_of_as_one():
    place = world()
    tx = intent(place, quantity=260)
    HedgeOrder.objects.filter(transaction=tx).update(quantity=130)
    make.HedgeOrderFactory.create(transaction=tx, slice=2, quantity=130, touched_wall=place.wall.now())
    for order in tx.orders.order_by("slice"):
        moved = PreflightFailed(Reason.DENY_PRICE_MOVED, "moved")
        apply_event(order_id=order.pk, event=moved, now=place.clock.now(), wall_now=place.wall.now())
    assert Alert.objects.get(kind="intent_lapsed").severity == Severity.WARNING


def test_a_failure_whose_words_differ_each_time_is_no_flood():
    session = make.TradingSessionFactory()
    for n in range(20):
        at = NOW + timedelta(seconds=30 * n)
        error = RuntimeError(f"deadlock detected: process {4000 + n} waits for ShareLock on transaction {9000 + n}")
        tell_failure(session=session, what="margin check", error=error, now=at, wall_now=at)
    assert Alert.objects.filter(kind="cycle_failed").count() == 1


def test_a_failure_that_passed_keeps_no_other_one_of_its_type_quiet():
    session = make.TradingSessionFactory()
    for n, words in enumerate(["deadlock detected: process 4711 waits", *["could not extend file: No space left"] * 9]):
        at = NOW + timedelta(seconds=30 * n)
        tell_failure(session=session, what="margin check", error=OperationalError(words), now=at, wall_now=at)
    told = Alert.objects.filter(kind="cycle_failed").order_by("id").values_list("title", flat=True)
    assert ["No space left" in title for title in told] == [False, True]


def test_a_session_of_a_day_to_come_is_told_and_can_be_closed_by_hand():
    """The clock ran a day ahead when it was opened: today's cannot be opened beside it."""
    place = world(baseline=None, baseline_at=None)
    make.TradingDayFactory.create(day=make.TUESDAY - timedelta(days=1))
    place.clock.moment -= timedelta(days=1)
    rules = Rules(ports_for=lambda _: place.ports, plan_for=plan_of, policy=POLICY, enabled=True)
    for _ in range(3):
        assert check_margin(now=place.clock.now(), rules=rules)["failed"] == 1
        place.wait(30)
    assert "a day to come" in Alert.objects.get(kind="cycle_failed").title
    assert not HedgeDecision.objects.exists()
    act = Act("asha", "the clock was wrong", place.clock.now(), place.wall.now())
    close_early(session=place.session, act=act, ports=place.ports)
    assert not TradingSession.objects.open().exists()


def test_after_a_clock_was_set_back_nobody_is_sent_to_a_page_that_refuses():
    here = manual_world(held=2, last_action_at=NOW + timedelta(hours=1))
    tell_set_back(session=here.session, now=NOW, wall_now=here.wall.now())
    assert Reason.DENY_COOLDOWN in {refusal.reason for refusal in buy(here).refusals}
    assert "broker's terminal" in Alert.objects.get(kind="clock_set_back").facts["fix"]
