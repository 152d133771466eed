"""Rows shared by all processes: breakers, the lease, the rate of orders, the repeats of reads; alone and in races."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from django.db import DatabaseError, connection

from hedging.brokers.base import AuthenticationFailed, BrokerUnavailable, RateLimited
from hedging.domain.decision import LegOrder
from hedging.domain.instruments import Side
from hedging.domain.lifecycle import OrderStatus
from hedging.domain.reasons import Reason
from hedging.engine import breaker, clock, lease, shared_limits, ticks
from hedging.engine.breaker import elect_probe, note_order, probe_if_due
from hedging.engine.intents import record
from hedging.engine.plan import plan_of
from hedging.engine.shared_limits import OrderTurn, SharedRetryBudget
from hedging.engine.standing import standing_of
from hedging.models import CycleKind, HedgeDecision, HedgeOrder
from notifications.models import Alert
from sessions_app.models import AccountLease, AccountLimits, Breaker, BreakerKind, TradingSession
from tests import factories as make
from tests.integration import fake_exchange as fake
from tests.integration.engine_world import CALL, POLICY, PUT, World, add, facts, hold, intent, leg, unwind, world

pytestmark = pytest.mark.django_db
WALL = datetime(2026, 11, 1, tzinfo=UTC)
RACERS = 16
T = TypeVar("T")


def race(act: Callable[[], T], racers: int = RACERS) -> list[T]:
    """Run `act` in threads that start at once, each with a connection of its own; return what they returned."""
    start, results, errors = threading.Barrier(racers, timeout=20), [], []

    def run() -> None:
        try:
            start.wait()
            results.append(act())
        except Exception as error:  # noqa: BLE001 - raised again below, in the test's thread
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert len(results) == racers
    return results


# --- the breakers -----------------------------------------------------------------------------------------------------


def order_failed(place: World, side: Side, *, failed: bool = True) -> None:
    note_order(
        account_id=place.session.account_id, side=side, failed=failed, now=place.clock.now(), wall_now=place.wall.now()
    )


def is_open(place: World, kind: BreakerKind) -> bool:
    return standing_of(place.session.pk).open_until(kind) is not None


def half_open(place: World, kind: BreakerKind = BreakerKind.ORDERS) -> Breaker:
    return Breaker.objects.create(account_id=place.session.account_id, kind=kind, failures=3, open_until=WALL)


@pytest.mark.parametrize(("side", "kind"), [(Side.BUY, BreakerKind.ORDERS), (Side.SELL, BreakerKind.EXITS)])
def test_three_failing_orders_in_a_row_open_their_own_breaker_alone(side, kind):
    place = world()
    for _ in range(2):
        order_failed(place, side)
        assert not is_open(place, kind)
    order_failed(place, side)
    assert [other for other in BreakerKind if is_open(place, other)] == [kind]
    assert Alert.objects.get(kind="breaker_open").title.startswith("Circuit breaker OPEN")


def test_an_answer_forgets_failures_and_closes_nothing():
    place = world()
    for failed in (True, True, False, True, True):
        order_failed(place, Side.BUY, failed=failed)
    assert not is_open(place, BreakerKind.ORDERS)
    order_failed(place, Side.BUY)
    order_failed(place, Side.BUY, failed=False)
    assert is_open(place, BreakerKind.ORDERS)


def test_failures_while_it_is_open_do_not_lengthen_it():
    place = world()
    for _ in range(3):
        order_failed(place, Side.BUY)
    until = standing_of(place.session.pk).orders_until
    place.wait(30)
    order_failed(place, Side.BUY)
    assert standing_of(place.session.pk).orders_until == until
    assert Alert.objects.filter(kind="breaker_open").count() == 1


@pytest.mark.parametrize(
    ("reply", "failures"),
    [
        (fake.not_sent, 1),
        (fake.timed_out, 1),
        (fake.refused, 0),
        (fake.queued_upstream, 0),
        (None, 0),
    ],
)
def test_of_replies_only_those_of_a_failing_server_count(reply, failures):
    place = world()
    place.exchange.replies = [] if reply is None else [reply]
    place.send(intent(place).orders.get())
    assert len(place.exchange.posts) == 1
    assert standing_of(place.session.pk).order_failures == failures


def test_reads_before_an_order_count_when_the_server_is_away_and_not_when_it_says_slow_down():
    place = world()
    place.exchange.failing["depth"] = BrokerUnavailable("gone")
    place.send(intent(place).orders.get())
    place.exchange.failing["depth"] = RateLimited("429")
    place.send(intent(place, contract=PUT).orders.get())
    assert standing_of(place.session.pk).order_failures == 1


def test_good_reads_do_not_excuse_a_server_that_hangs_in_every_order():
    place = world()
    order_failed(place, Side.BUY)
    known = standing_of(place.session.pk)
    breaker.note_cycle(
        account_id=place.session.account_id, failed=False, standing=known, now=place.clock.now(), wall_now=WALL
    )
    assert standing_of(place.session.pk).order_failures == 1


SALE, BY_CLOCK = (unwind(leg(CALL, side=Side.SELL, due_by_clock=clock)) for clock in (False, True))


@pytest.mark.parametrize(
    ("kind", "decision", "denied"),
    [
        (BreakerKind.ORDERS, add(leg(PUT)), True),
        (BreakerKind.ORDERS, SALE, False),
        (BreakerKind.ORDERS, BY_CLOCK, False),
        (BreakerKind.EXITS, add(leg(PUT)), False),
        (BreakerKind.EXITS, SALE, True),
        (BreakerKind.EXITS, BY_CLOCK, False),
    ],
)
def test_exits_have_a_breaker_of_their_own_and_what_the_clock_wants_sold_passes_it(kind, decision, denied):
    place = world()
    hold(place, 130)
    half_open(place, kind)
    recorded = record(
        decision=decision, facts=facts(place), session=place.session, kind=CycleKind.MARGIN_CHECK, slot=1,
        ports=place.ports,
    )  # fmt: skip
    assert recorded is not None
    assert (recorded.card.reason == Reason.DENY_BREAKER_OPEN) is denied


def test_reconcile_reads_whatever_the_breakers_say():
    place = world()
    tx = intent(place)
    place.send(tx.orders.get())
    for kind in BreakerKind:
        half_open(place, kind)
    place.reconcile(after=5)
    assert tx.orders.get().status == OrderStatus.FILLED


@pytest.mark.parametrize(
    ("seconds", "asked"),
    [(-66, 1), (-65, 0), (-1, 0), (0, 1), (1, 1)],
    ids=[
        "no minute is as long: the clock was set back",
        "of a clock just ahead",
        "before its minute is over",
        "at",
        "after",
    ],
)
def test_the_probe_is_one_read_once_the_minute_is_over(seconds, asked):
    place = world()
    half_open(place)
    place.wall.moment = WALL + timedelta(seconds=seconds)
    known = standing_of(place.session.pk)
    after = probe_if_due(account_id=place.session.account_id, standing=known, now=place.clock.now(), ports=place.ports)
    assert place.exchange.calls == ["funds"] * asked
    assert (after.orders_until is None) is bool(asked)
    assert after == standing_of(place.session.pk)


def test_a_probe_that_is_answered_by_a_refusal_has_found_the_server():
    place = world()
    half_open(place)
    place.exchange.failing["funds"] = AuthenticationFailed("log in")
    known = standing_of(place.session.pk)
    probe_if_due(account_id=place.session.account_id, standing=known, now=place.clock.now(), ports=place.ports)
    assert not is_open(place, BreakerKind.ORDERS)


def test_a_probe_whose_process_died_is_elected_anew_after_fifteen_seconds():
    place = world()
    half_open(place)
    elected = [
        elect_probe(account_id=place.session.account_id, kind=BreakerKind.ORDERS, wall_now=WALL + timedelta(seconds=s))
        for s in (0, 14, 15)
    ]
    assert elected == [True, False, True]


@pytest.mark.django_db(transaction=True)
def test_of_many_processes_one_probes():
    place = world()
    half_open(place)
    account_id = place.session.account_id
    won = race(lambda: elect_probe(account_id=account_id, kind=BreakerKind.ORDERS, wall_now=WALL))
    assert sum(won) == 1


@pytest.mark.django_db(transaction=True)
def test_failures_that_come_at_once_open_the_breaker_once():
    place = world()
    race(lambda: order_failed(place, Side.BUY))
    assert is_open(place, BreakerKind.ORDERS)
    assert Alert.objects.filter(kind="breaker_open").count() == 1


# --- the lease --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "number"), [(44.9, None), (45, 2), (46, 2)])
def test_the_lease_of_a_crashed_holder_runs_out_after_forty_five_seconds(seconds, number):
    account = make.AccountFactory.create()
    assert lease.take(account_id=account.pk, wall_now=WALL, holder="first") == 1
    later = WALL + timedelta(seconds=seconds)
    assert lease.take(account_id=account.pk, wall_now=later, holder="second") == number


def test_a_lease_that_a_clock_took_which_ran_ahead_is_not_believed():
    account = make.AccountFactory.create()
    assert lease.take(account_id=account.pk, wall_now=WALL + timedelta(hours=3), holder="elsewhere:17") == 1
    assert lease.take(account_id=account.pk, wall_now=WALL) == 2


def test_a_lease_that_a_clock_took_which_runs_ahead_a_little_is_believed():
    account = make.AccountFactory.create()
    assert lease.take(account_id=account.pk, wall_now=WALL + timedelta(seconds=4), holder="elsewhere:17") == 1
    assert lease.take(account_id=account.pk, wall_now=WALL) is None


def test_a_lease_that_was_given_back_is_free_at_once_and_only_its_holder_gives_it_back():
    account = make.AccountFactory.create()
    first = lease.take(account_id=account.pk, wall_now=WALL)
    assert first is not None
    lease.give_back(account_id=account.pk, number=first)
    assert lease.take(account_id=account.pk, wall_now=WALL) == 2
    lease.give_back(account_id=account.pk, number=first)
    assert lease.take(account_id=account.pk, wall_now=WALL) is None


@pytest.mark.parametrize("market_too", [False, True], ids=["the worker's clock", "the market's too"])
def test_an_account_that_was_given_back_by_a_clock_that_ran_ahead_is_free(monkeypatch, market_too):
    place = world()
    monkeypatch.setattr(ticks, "wall_now", place.wall.now)
    ahead = timedelta(hours=4)
    place.wall.moment += ahead
    place.clock.moment += ahead if market_too else timedelta(0)
    assert ticks.check_margin(now=place.clock.now(), rules=rules(place))["cycles"] == 1
    place.wall.moment -= ahead
    place.clock.moment -= ahead if market_too else timedelta(0)
    place.wait(30)
    assert ticks.check_margin(now=place.clock.now(), rules=rules(place))["cycles"] == 1


def gone() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("holder", "number"),
    [
        (lambda: f"{socket.gethostname()}:{gone()}", 2),
        (lambda: f"{socket.gethostname()}:{os.getpid()}", None),
        (lambda: f"another-host:{gone()}", None),
        (socket.gethostname, None),
        (lambda: f"{socket.gethostname()}:{10**30}", None),
    ],
    ids=["gone", "alive", "elsewhere", "no process", "no process id"],
)
def test_the_lease_of_a_process_of_this_host_that_is_gone_is_free_at_once(holder, number):
    account = make.AccountFactory.create()
    lease.take(account_id=account.pk, wall_now=WALL, holder=holder())
    assert lease.take(account_id=account.pk, wall_now=WALL) == number


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_takes_over_from_a_process_that_is_gone():
    account_id = make.AccountFactory.create().pk
    lease.take(account_id=account_id, wall_now=WALL, holder=f"{socket.gethostname()}:{gone()}")
    numbers = race(lambda: lease.take(account_id=account_id, wall_now=WALL))
    assert [number for number in numbers if number is not None] == [2]


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_takes_the_account():
    account_id = make.AccountFactory.create().pk
    numbers = race(lambda: lease.take(account_id=account_id, wall_now=WALL))
    assert [number for number in numbers if number is not None] == [1]
    later = WALL + lease.HELD_FOR
    numbers = race(lambda: lease.take(account_id=account_id, wall_now=later))
    assert [number for number in numbers if number is not None] == [2]


@pytest.mark.parametrize(("number", "denied"), [(1, True), (2, False), (None, False)])
def test_a_claim_under_a_lease_that_another_took_over_is_refused(number, denied):
    place = world()
    account_id = place.session.account_id
    lease.take(account_id=account_id, wall_now=WALL)
    lease.take(account_id=account_id, wall_now=WALL + lease.HELD_FOR)
    recorded = record(
        decision=add(leg(CALL)), facts=facts(place), session=place.session, kind=CycleKind.MARGIN_CHECK, slot=1,
        ports=place.ports, lease=number,
    )  # fmt: skip
    assert recorded is not None
    assert (recorded.card.reason == Reason.DENY_LEASE_LOST) is denied


def rules(place: World) -> ticks.Rules:
    return ticks.Rules(ports_for=lambda _: place.ports, plan_for=plan_of, policy=POLICY, enabled=True, pause=place.wait)


def test_a_tick_takes_the_account_and_gives_it_back():
    place = world()
    assert ticks.check_margin(now=place.clock.now(), rules=rules(place))["cycles"] == 1
    row = AccountLease.objects.get()
    assert row.number == 1
    assert ticks.project_entries(now=place.clock.now(), rules=rules(place))["failed"] == 0
    assert lease.take(account_id=row.account_id, wall_now=clock.wall_now()) == 2


def test_an_account_that_another_worker_holds_is_waited_for_and_then_left():
    place = world()
    lease.take(account_id=place.session.account_id, wall_now=clock.wall_now(), holder="another")
    began = place.clock.now()
    counts = ticks.check_margin(now=began, rules=rules(place))
    assert (counts["busy"], counts["cycles"]) == (1, 0)
    assert place.clock.now() - began < timedelta(seconds=5)
    assert not HedgeDecision.objects.exists()


def test_an_account_that_is_given_back_meanwhile_is_decided_in_the_same_tick():
    place = world()
    account_id = place.session.account_id
    number = lease.take(account_id=account_id, wall_now=clock.wall_now(), holder="another")
    assert number is not None
    waiting = ticks.Rules(
        ports_for=lambda _: place.ports, plan_for=plan_of, policy=POLICY, enabled=True,
        pause=lambda _: lease.give_back(account_id=account_id, number=number),
    )  # fmt: skip
    assert ticks.check_margin(now=place.clock.now(), rules=waiting)["cycles"] == 1


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_breaks_in_one_session_stops_no_other():
    place = world()
    other = make.TradingSessionFactory.create(account=make.AccountFactory.create(), baseline=0, baseline_at=make.OPEN)
    seen = []

    def plan_for(session):
        seen.append(session.pk)
        if len(seen) == 1:
            with suppress(DatabaseError), connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return plan_of(session)

    counts = ticks.check_margin(now=place.clock.now(), rules=replace(rules(place), plan_for=plan_for))
    assert (counts["failed"], counts["cycles"]) == (1, 1)
    assert HedgeDecision.objects.get().session_id == seen[1]
    assert Alert.objects.get(kind="cycle_failed").subject_id == seen[0]
    assert set(seen) == {place.session.pk, other.pk}


def test_a_failure_that_cannot_be_told_stops_no_other_session(monkeypatch):
    place = world()
    make.TradingSessionFactory.create(account=make.AccountFactory.create())

    def broken(*_args, **_kwargs):
        raise DatabaseError("disk full")

    monkeypatch.setattr(ticks, "run_cycle", broken)
    monkeypatch.setattr(ticks, "tell_failure", broken)
    assert ticks.check_margin(now=place.clock.now(), rules=rules(place))["failed"] == 2


def test_a_cycle_that_fails_gives_the_account_back(monkeypatch):
    place = world()

    def fail(**_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("hedging.engine.ticks.run_cycle", fail)
    assert ticks.check_margin(now=place.clock.now(), rules=rules(place))["failed"] == 1
    assert lease.take(account_id=place.session.account_id, wall_now=clock.wall_now()) == 2


def test_a_broker_that_cannot_be_made_gives_the_account_back():
    place = world()

    def refuse(_):
        raise RuntimeError("no such server")

    made = replace(rules(place), ports_for=refuse)
    assert ticks.check_margin(now=place.clock.now(), rules=made)["failed"] == 1
    assert lease.take(account_id=place.session.account_id, wall_now=clock.wall_now()) == 2


def test_an_account_whose_broker_cannot_be_made_takes_no_tick_from_one_that_waits():
    place = world()
    other = make.TradingSessionFactory.create(account=make.AccountFactory.create(), baseline=0, baseline_at=make.OPEN)
    held = {
        session.account_id: lease.take(account_id=session.account_id, wall_now=clock.wall_now(), holder="another")
        for session in (place.session, other)
    }

    def ports_for(session):
        if session.pk == place.session.pk:
            raise RuntimeError("no such server")
        return place.ports

    def pause(_):
        for account_id, number in held.items():
            assert number is not None
            lease.give_back(account_id=account_id, number=number)

    waiting = ticks.Rules(ports_for=ports_for, plan_for=plan_of, policy=POLICY, enabled=True, pause=pause)
    counts = ticks.check_margin(now=place.clock.now(), rules=waiting)
    assert (counts["failed"], counts["cycles"]) == (1, 1)
    assert HedgeDecision.objects.get().session_id == other.pk
    assert Alert.objects.get(kind="cycle_failed").subject_id == place.session.pk


# --- the rate of orders -------------------------------------------------------------------------------------------------


def test_two_orders_go_at_once_and_then_eight_a_second():
    account = make.AccountFactory.create()
    waits = [OrderTurn(account.pk, WALL).wait_seconds() for _ in range(10)]
    assert waits == pytest.approx([0, 0, *(0.125 * turn for turn in range(1, 9))])


def test_a_pause_of_a_second_is_not_saved_up():
    account = make.AccountFactory.create()
    OrderTurn(account.pk, WALL).wait_seconds()
    later = WALL + timedelta(seconds=60)
    assert [OrderTurn(account.pk, later).wait_seconds() for _ in range(3)] == pytest.approx([0, 0, 0.125])


def test_a_row_written_by_a_clock_that_ran_ahead_stops_nobody():
    account = make.AccountFactory.create()
    AccountLimits.objects.create(account=account, next_order_at=WALL + timedelta(hours=1))
    assert OrderTurn(account.pk, WALL).wait_seconds() == 0


@pytest.mark.django_db(transaction=True)
def test_in_any_second_all_workers_together_stay_below_the_servers_limit():
    account_id = make.AccountFactory.create().pk
    moments = sorted(race(lambda: OrderTurn(account_id, WALL).wait_seconds(), racers=24))
    for number, moment in enumerate(moments):
        assert sum(moment <= other < moment + 1 for other in moments[number:]) <= 10
    assert moments[-1] == pytest.approx((24 - 2) / shared_limits.ORDERS_PER_SECOND)


def test_an_order_waits_for_its_turn_before_the_fence_and_a_cancel_takes_a_turn_too():
    place = world()
    account_id = place.session.account_id
    for _ in range(4):
        OrderTurn(account_id, place.wall.now()).wait_seconds()
    before = place.wall.now()
    place.exchange.quote(CALL, "3.90", "4.00", quantity=65)
    tx = intent(place)
    place.send(tx.orders.get())
    assert place.wall.now() - before == timedelta(seconds=0.375)
    place.reconcile(after=11)  # it rests too long
    assert place.exchange.cancels
    assert AccountLimits.objects.get().next_order_at == place.wall.now() + timedelta(seconds=0.125)


# --- the repeats of reads -----------------------------------------------------------------------------------------------


def test_repeats_are_a_tenth_of_the_first_tries_of_all_processes_together():
    account = make.AccountFactory.create()
    one, other = (SharedRetryBudget(account_id=account.pk) for _ in range(2))
    assert [one.spend(), other.spend(), one.spend(), other.spend()] == [True, True, True, False]
    for _ in range(5):
        one.earn()
        other.earn()
    assert one.spend() is False  # half a repeat of its own
    for _ in range(6):
        one.earn()
    assert one.spend() is True
    assert other.spend() is False


def test_what_is_saved_is_bounded():
    account = make.AccountFactory.create()
    budget = SharedRetryBudget(account_id=account.pk)
    for _ in range(1000):
        budget.earn()
    assert [budget.spend() for _ in range(5)] == [True, True, True, False, False]


def test_a_read_that_succeeds_costs_the_budget_no_query(django_assert_num_queries):
    budget = SharedRetryBudget(account_id=make.AccountFactory.create().pk)
    with django_assert_num_queries(0):
        budget.earn()


def test_without_the_database_nothing_is_repeated(monkeypatch):
    class Gone:
        def cursor(self) -> None:
            raise DatabaseError("gone")

    monkeypatch.setattr(shared_limits, "connection", Gone())
    assert SharedRetryBudget(account_id=1).spend() is False


@pytest.mark.django_db(transaction=True)
def test_of_many_processes_no_more_repeat_than_was_saved():
    account_id = make.AccountFactory.create().pk
    assert sum(race(lambda: SharedRetryBudget(account_id=account_id).spend())) == 3


# --- the cooldown -------------------------------------------------------------------------------------------------------


def intent_order(order_id: int) -> HedgeOrder:
    return HedgeOrder.objects.get(pk=order_id)


def acted(place: World, *legs: LegOrder) -> list[int]:
    recorded = record(
        decision=add(*legs), facts=facts(place), session=place.session, kind=CycleKind.MARGIN_CHECK,
        slot=int(place.clock.now().timestamp()), ports=place.ports,
    )  # fmt: skip
    assert recorded is not None
    return list(recorded.order_ids)


def last_action(place: World) -> datetime | None:
    return TradingSession.objects.values_list("last_action_at", flat=True).get(pk=place.session.pk)


def test_an_action_of_which_nothing_was_sent_gives_the_cooldown_back_to_the_action_before():
    place = world()
    for order_id in acted(place, leg(CALL)):
        place.send(intent_order(order_id))
    first = place.clock.now()
    place.reconcile(after=5)
    place.wait(200)
    one, other = acted(place, leg(PUT), leg(CALL))
    place.exchange.failing["depth"] = BrokerUnavailable("gone")
    place.send(intent_order(one))
    assert last_action(place) == place.clock.now()  # the other leg may still go
    place.send(intent_order(other))
    assert last_action(place) == first


def test_the_first_action_of_the_day_leaves_no_cooldown_when_nothing_left():
    place = world()
    (order_id,) = acted(place, leg(CALL))
    place.exchange.replies = [fake.not_sent]
    place.send(intent_order(order_id))
    assert last_action(place) is None


@pytest.mark.parametrize("reply", [fake.timed_out, fake.refused, None])
def test_an_action_that_may_have_left_keeps_its_cooldown(reply):
    place = world()
    one, other = acted(place, leg(CALL), leg(PUT))
    place.exchange.replies = [] if reply is None else [reply]
    place.send(intent_order(one))
    place.exchange.failing["depth"] = BrokerUnavailable("gone")
    place.send(intent_order(other))
    assert last_action(place) == place.clock.now()


def test_a_later_action_keeps_its_own_cooldown():
    place = world()
    (order_id,) = acted(place, leg(CALL))
    later = place.clock.now() + timedelta(seconds=150)
    TradingSession.objects.update(last_action_at=later)
    place.exchange.replies = [fake.not_sent]
    place.send(intent_order(order_id))
    assert last_action(place) == later


@pytest.mark.django_db(transaction=True)
def test_two_legs_that_end_at_once_give_the_cooldown_back():
    place = world()
    orders = [intent_order(order_id) for order_id in acted(place, leg(CALL), leg(PUT))]
    place.exchange.failing["depth"] = BrokerUnavailable("gone")
    lock = threading.Lock()

    def send() -> object:
        with lock:
            order = orders.pop()
        return place.send(order)

    race(send, racers=2)
    assert last_action(place) is None


def test_each_mode_of_a_day_has_counters_of_its_own():
    place = world()
    acted(place, leg(CALL))
    TradingSession.objects.update(closed_at=place.clock.now())
    paper = make.TradingSessionFactory.create(account=place.session.account, mode="dry_run")
    assert paper.last_action_at is None
    assert paper.spent == paper.reserved == 0
    assert last_action(place) == place.clock.now()
