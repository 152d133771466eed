"""The tasks that Celery calls, called directly: the real wiring over a simulator in process, and clocks moved by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import requests
from django.conf import settings
from kombu.exceptions import OperationalError

from hedging import tasks, wiring
from hedging.brokers.factory import build_broker
from hedging.domain.instruments import Index
from hedging.domain.lifecycle import OrderStatus
from hedging.domain.reasons import Reason
from hedging.engine.clock import VirtualClock, wall_now
from hedging.engine.ticks import slot_of
from hedging.management.worlds import day_of
from hedging.models import CycleKind, Heartbeat, HedgeDecision, HedgeOrder, HedgeTransaction
from hedging.simulator.clock import ManualClock
from hedging.simulator.exchange import Exchange
from hedging.simulator.http_adapter import mount
from hedging.simulator.wsgi import SimulatorApp
from notifications.models import Alert
from schedule.calendar import load_calendar
from schedule.models import MarginParameters
from schedule.seed import seed_reference_data, seed_schedule_if_empty
from sessions_app.models import Account, Mode, TradingSession
from tests import factories as make
from tests.factories import TUESDAY, ist

pytestmark = pytest.mark.django_db


@dataclass(slots=True)
class Place:
    """The simulated exchange, the market clock that the tasks read, and what was put on the queue."""

    exchange: Exchange
    clock: VirtualClock
    queued: list[tuple[str, int]] = field(default_factory=list)
    queue_is_gone: bool = False

    def go_to(self, moment: datetime) -> None:
        self.clock.moment = moment
        self.exchange.advance_to(moment)

    def send_task(self, name: str, args: list[int]) -> None:
        if self.queue_is_gone:
            raise OperationalError("no Redis")
        self.queued.append((name, args[0]))


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    seed_reference_data()
    seed_schedule_if_empty()
    day = day_of(TUESDAY, load_calendar())
    exchange = Exchange(day=day, seed=1, cash=Decimal(1_000_000))
    transport = requests.Session()
    clock = ManualClock(start=exchange.now)
    app = SimulatorApp(exchange=exchange, clock=clock, api_keys=[settings.OPENALGO_API_KEY], rate_limited=False)
    mount(transport, settings.OPENALGO_BASE_URL, app)
    here = Place(exchange, VirtualClock(day.start_at))
    monkeypatch.setattr(wiring, "build_broker", partial(build_broker, session=transport, sleep=lambda _: None))
    for module in (tasks, wiring):
        monkeypatch.setattr(module, "market_clock", lambda: here.clock)
    monkeypatch.setattr("celery.current_app.send_task", here.send_task)
    wiring._broker.cache_clear()
    yield here
    wiring._broker.cache_clear()


def session_of(account: Account | None = None, **fields) -> TradingSession:
    return make.TradingSessionFactory.create(account=account or make.AccountFactory.create(), **fields)


# --- ticks ------------------------------------------------------------------------------------------------------------


def test_a_tick_decides_for_every_open_session_once_in_its_slot(place):
    sessions = [session_of(), session_of()]
    place.go_to(ist(9, 15, 30))
    tasks.check_margin()
    tasks.check_margin()  # Redis delivered it twice
    slot = slot_of(CycleKind.MARGIN_CHECK, ist(9, 15, 30))
    found = HedgeDecision.objects.order_by("session_id").values_list("session_id", "kind", "slot")
    assert list(found) == [(one.pk, CycleKind.MARGIN_CHECK, slot) for one in sessions]
    place.go_to(ist(9, 16))
    tasks.check_margin()
    assert HedgeDecision.objects.count() == 4


@pytest.mark.parametrize(("second", "slot"), [(29.9, 0), (30, 1), (59.9, 1), (60, 2)])
def test_a_slot_is_a_whole_period_of_market_time(second, slot):
    start = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)
    first = slot_of(CycleKind.MARGIN_CHECK, start)
    assert slot_of(CycleKind.MARGIN_CHECK, start + timedelta(seconds=second)) - first == slot


@pytest.mark.parametrize("broken_first", [True, False])
@pytest.mark.parametrize("task", [tasks.check_margin, tasks.project_entries])
def test_one_failing_session_does_not_stop_another(place, task, broken_first):
    accounts = [make.AccountFactory.create(), make.AccountFactory.create()]
    broken, sound = accounts if broken_first else reversed(accounts)
    session_of(broken, index=Index.BANKNIFTY.value)
    MarginParameters.objects.filter(index=Index.BANKNIFTY.value).delete()  # the dated row that its plan needs
    served = session_of(sound)
    place.go_to(ist(9, 15, 30))
    task()
    assert [decision.session_id for decision in HedgeDecision.objects.all()] == [served.pk]


@pytest.mark.parametrize(
    ("moment", "cycles"),
    [(ist(9, 10, 50), 0), (ist(9, 11), 1), (ist(9, 15, 50), 1), (ist(10, 0), 0), (ist(14, 35), 0)],
)
def test_entries_are_projected_only_while_one_is_within_the_lookahead(place, moment, cycles):
    session_of()
    place.go_to(moment)
    tasks.project_entries()
    assert HedgeDecision.objects.filter(kind=CycleKind.ENTRY_PROJECTION).count() == cycles


def test_a_session_of_another_day_is_left_alone(place):
    session_of(trading_day=TUESDAY + timedelta(days=1), expiry=TUESDAY + timedelta(days=7))
    place.go_to(ist(9, 15, 30))
    tasks.check_margin()
    tasks.project_entries()
    assert not HedgeDecision.objects.exists()


def test_in_the_simulated_world_the_days_session_opens_by_itself_once(place):
    make.AccountFactory.create()
    place.go_to(ist(9, 15))
    tasks.check_margin()
    place.go_to(ist(9, 15, 30))
    tasks.check_margin()
    session = TradingSession.objects.get()
    assert (session.trading_day, session.index, session.expiry, session.mode) == (TUESDAY, "NIFTY", TUESDAY, Mode.LIVE)


# --- from the need to the fill ----------------------------------------------------------------------------------------


@pytest.fixture
def needing(place: Place, django_capture_on_commit_callbacks: Any) -> Place:
    """An expiry Tuesday at 10:15:00: the projection of the 10:16:30 entry has just been decided to need a hedge."""
    session_of()
    place.go_to(ist(9, 15, 30))
    tasks.check_margin()
    place.go_to(ist(10, 15))
    with django_capture_on_commit_callbacks(execute=True):
        tasks.project_entries()
    assert HedgeDecision.objects.latest("id").reason == Reason.ADD_PROJECTION_OVER_TRIGGER
    return place


def test_what_is_decided_is_queued_by_id_sent_and_filled(needing):
    orders = list(HedgeOrder.objects.order_by("id"))
    assert needing.queued == [("hedging.tasks.send_order", order.pk) for order in orders]
    for _, order_id in needing.queued:
        tasks.send_order(order_id)
    assert {order.status for order in HedgeOrder.objects.all()} == {OrderStatus.ACKED}
    needing.go_to(ist(10, 15, 5))
    tasks.reconcile_books()
    assert {order.status for order in HedgeOrder.objects.all()} == {OrderStatus.FILLED}
    assert {tx.outcome for tx in HedgeTransaction.objects.all()} == {"filled"}
    assert needing.exchange.report()["hedges"]["bought_orders"] == len(orders)


def test_a_task_that_is_delivered_twice_sends_once(needing):
    for _ in range(2):
        for _, order_id in needing.queued:
            tasks.send_order(order_id)
    needing.go_to(ist(10, 15, 5))
    assert needing.exchange.report()["hedges"]["bought_orders"] == HedgeOrder.objects.count()


def test_a_lost_nudge_is_repeated_by_reconcile(needing, django_capture_on_commit_callbacks):
    needing.queued.clear()
    HedgeOrder.objects.update(touched_wall=wall_now() - timedelta(seconds=3))
    with django_capture_on_commit_callbacks(execute=True):
        tasks.reconcile_books()
    assert [order_id for _, order_id in needing.queued] == list(HedgeOrder.objects.values_list("pk", flat=True))


@pytest.mark.parametrize(("side", "task"), [("BUY", "hedging.tasks.send_order"), ("SELL", "hedging.tasks.send_exit")])
def test_a_sale_is_sent_from_a_queue_of_its_own(place, django_capture_on_commit_callbacks, side, task):
    order = make.HedgeOrderFactory.create(transaction__side=side, transaction__reserve=0)
    with django_capture_on_commit_callbacks(execute=True):
        wiring.nudge_send(order.pk)
    assert place.queued == [(task, order.pk)]


@pytest.mark.django_db(transaction=True)
def test_a_queue_that_is_gone_does_not_stop_the_tick(place):
    place.queue_is_gone = True
    wiring.nudge_send(1)  # a lost nudge is no error
    place.queue_is_gone = False
    session_of()
    place.go_to(ist(9, 15, 30))
    tasks.check_margin()
    place.queue_is_gone = True
    place.go_to(ist(10, 15))
    tasks.project_entries()
    assert {order.status for order in HedgeOrder.objects.all()} == {OrderStatus.NEW}
    place.queue_is_gone = False
    HedgeOrder.objects.update(touched_wall=wall_now() - timedelta(seconds=3))
    tasks.reconcile_books()
    assert len(place.queued) == HedgeOrder.objects.count() > 0


# --- the day's end ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("moment", "closed"), [(ist(15, 41, 59), False), (ist(15, 42), False), (ist(15, 42, 1), True)])
def test_a_session_closes_two_minutes_after_the_market(place, moment, closed):
    session = session_of()
    place.clock.moment = moment
    tasks.check_margin()
    session.refresh_from_db()
    assert (session.closed_at is not None) is closed
    assert Alert.objects.filter(kind="day_summary").count() == closed


def test_a_day_is_closed_once_with_its_figures(needing):
    for _, order_id in needing.queued:
        tasks.send_order(order_id)
    needing.go_to(ist(10, 15, 5))
    needing.clock.moment = ist(15, 43)
    tasks.check_margin()
    tasks.check_margin()
    session = TradingSession.objects.get()
    bought = HedgeTransaction.objects.all()
    assert session.summary["hedges_bought"] == len(bought)
    assert float(session.summary["spend"]) == float(sum(tx.filled_quantity * (tx.average_price or 0) for tx in bought))
    assert session.reserved == 0
    assert Alert.objects.filter(kind="day_summary").count() == 1


def test_a_day_with_an_order_that_nobody_knows_of_stays_open(needing):
    HedgeOrder.objects.update(status=OrderStatus.UNKNOWN, limit_price=1, sent_at=ist(15, 42), touched_wall=wall_now())
    needing.clock.moment = ist(15, 43)
    tasks.check_margin()
    assert TradingSession.objects.get().is_open
    for minute in (44, 45, 46):
        needing.clock.moment = ist(15, minute)
        tasks.check_margin()
    assert not TradingSession.objects.get().is_open
    assert {order.status for order in HedgeOrder.objects.all()} == {OrderStatus.LOST}


# --- signs of life ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("place")
def test_every_queue_has_a_heartbeat_of_its_own_and_each_proves_that_beat_lives():
    for task, queue in (
        (tasks.heartbeat, "io"),
        (tasks.heartbeat_orders, "orders"),
        (tasks.heartbeat_exits, "exits"),
        (tasks.heartbeat_books, "books"),
    ):
        Heartbeat.objects.all().delete()
        task()
        first = Heartbeat.objects.get(name=queue).wall_at
        task()
        assert Heartbeat.objects.get(name=queue).wall_at >= first
        assert set(Heartbeat.objects.values_list("name", flat=True)) == {queue, "beat"}


def test_the_outbox_is_delivered_by_its_task(capsys):
    make.AlertFactory.create(next_attempt_at=wall_now() - timedelta(seconds=1))
    tasks.deliver_alerts()
    assert Alert.objects.get().delivered_at is not None
