"""Sessions: what opening one says, and what a tick says when it fails."""

from __future__ import annotations

import time as time_module
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.core.management import call_command
from django.db import OperationalError

from hedging.engine import watchdog
from hedging.engine.alerts import tell_failure
from hedging.engine.clock import VirtualClock, wall_now
from hedging.engine.sessions import SessionRefused, open_session
from hedging.management.commands import watchdog as command
from hedging.models import Heartbeat
from notifications.messages import Message
from notifications.models import Alert
from notifications.transports import TransportFailed
from schedule.calendar import at_ist
from schedule.seed import seed_reference_data, seed_schedule_if_empty
from sessions_app.models import TradingSession
from tests import factories as make

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 12, 1, 3, 40, tzinfo=UTC)


@pytest.fixture
def _seeded():
    seed_reference_data()
    seed_schedule_if_empty()


def opened(day: date) -> TradingSession:
    return open_session(account=make.AccountFactory(), day=day, now=NOW, wall_now=NOW, actor="test")


@pytest.mark.usefixtures("_seeded")
def test_a_day_of_one_index_leaves_no_entry_uncovered():
    opened(date(2026, 12, 1))
    assert not Alert.objects.filter(kind="entries_uncovered").exists()


@pytest.mark.usefixtures("_seeded")
def test_a_day_of_two_indices_names_every_entry_that_is_not_hedged():
    # The holiday of 25-Dec puts NIFTY's 2DTE entries beside SENSEX's expiry.
    session = opened(date(2026, 12, 24))
    alert = Alert.objects.get(kind="entries_uncovered")
    assert session.index == "SENSEX"
    assert alert.severity == "critical"
    assert all(f"NIFTY_FRI {number}" in alert.title for number in range(1, 7))


@pytest.mark.usefixtures("_seeded")
@pytest.mark.parametrize(
    ("day", "code"),
    [
        (date(2026, 12, 25), "NOT_A_TRADING_DAY"),
        (date(2026, 12, 2), "NOTHING_SCHEDULED"),
        (date(2027, 3, 1), "CALENDAR_UNKNOWN"),
    ],
)
def test_a_day_without_a_plan_is_refused_with_its_code(day, code):
    with pytest.raises(SessionRefused) as refused:
        opened(day)
    assert refused.value.code == code


@pytest.mark.parametrize(("minutes", "told"), [(9, 1), (11, 2)])
def test_a_failing_tick_is_told_once_in_ten_minutes(minutes, told):
    session = make.TradingSessionFactory()
    for after in (0, minutes):
        moment = NOW + timedelta(minutes=after)
        tell_failure(session=session, what="margin check", error=KeyError("x"), now=moment, wall_now=moment)
    assert Alert.objects.filter(kind="cycle_failed", severity="critical").count() == told


@pytest.mark.usefixtures("_seeded")
@pytest.mark.parametrize(
    ("at", "silent_seconds", "told"),
    [
        (time(10, 0), 75, False),
        (time(10, 0), 76, True),
        (time(9, 14), 600, False),
        (time(15, 30), 600, False),
        (time(10, 0), -5, False),
        (time(10, 0), -6, True),  # the clock was set back since: of now it says nothing
    ],
)
def test_the_watchdog_barks_in_market_hours_after_seventy_five_silent_seconds(at, silent_seconds, told):
    make.TradingSessionFactory(trading_day=date(2026, 12, 1))
    for name in watchdog.ALL:
        watchdog.beat(name=name, wall_now=NOW - timedelta(seconds=silent_seconds if name == watchdog.HEDGE else 0))
    assert watchdog.bark(now=at_ist(date(2026, 12, 1), at), wall_now=NOW) is told
    assert Alert.objects.filter(kind="worker_silent").exists() is told


@pytest.mark.usefixtures("_seeded")
def test_a_silence_that_was_told_by_a_clock_that_ran_ahead_is_told_again():
    now = at_ist(date(2026, 12, 1), time(10, 0))
    make.TradingSessionFactory(trading_day=date(2026, 12, 1))
    assert watchdog.bark(now=now, wall_now=NOW + timedelta(hours=5))
    assert watchdog.bark(now=now, wall_now=NOW)
    assert not watchdog.bark(now=now, wall_now=NOW)


@pytest.mark.parametrize(("ahead", "alive"), [(5, True), (6, False)])
def test_a_sign_of_life_from_the_future_is_none(ahead, alive):
    watchdog.beat(name=watchdog.IO, wall_now=NOW + timedelta(seconds=ahead))
    assert watchdog.is_alive(name=watchdog.IO, wall_now=NOW) is alive


@pytest.mark.usefixtures("_seeded")
def test_the_watchdog_names_each_queue_that_fell_silent():
    now = at_ist(date(2026, 12, 1), time(10, 0))
    make.TradingSessionFactory(trading_day=date(2026, 12, 1))
    for name in watchdog.ALL:
        watchdog.beat(name=name, wall_now=NOW)
    watchdog.beat(name=watchdog.EXITS, wall_now=NOW - timedelta(seconds=76))
    assert watchdog.bark(now=now, wall_now=NOW)
    alert = Alert.objects.get(kind="worker_silent")
    assert alert.title == "No sign of life for more than 75 seconds: exits"
    assert list(alert.facts) == ["exits"]
    Heartbeat.objects.filter(name=watchdog.HEDGE).delete()
    assert watchdog.bark(now=now, wall_now=NOW)  # another silence, and a worse one, is not kept back by the first
    assert Alert.objects.latest("id").facts["hedge"] == "never"


@pytest.mark.usefixtures("_seeded")
def test_the_watchdog_delivers_what_a_silent_worker_leaves_lying(monkeypatch, caplog):
    monkeypatch.setattr(command, "market_clock", lambda: VirtualClock(at_ist(date(2026, 12, 1), time(10, 0))))
    make.TradingSessionFactory(trading_day=date(2026, 12, 1))
    command.look()
    assert Alert.objects.get(kind="worker_silent").delivered_at is not None
    assert "margin is not watched" in caplog.text
    make.AlertFactory.create(next_attempt_at=wall_now() - timedelta(seconds=1))
    watchdog.beat(name=watchdog.IO, wall_now=wall_now())
    command.look()
    assert Alert.objects.filter(delivered_at=None).count() == 1  # the worker lives: it is its work


def test_the_watchdog_lets_everybody_wake_up_first_and_then_looks_every_half_minute(monkeypatch):
    waits: list[float] = []
    looks: list[int] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(time_module, "sleep", sleep)
    monkeypatch.setattr(command, "look", lambda: looks.append(len(waits)))
    with pytest.raises(KeyboardInterrupt):
        call_command("watchdog")
    assert (waits, looks) == ([75, 30, 30, 30], [1, 2, 3])


def test_a_watchdog_that_cannot_look_looks_again(monkeypatch):
    def gone():
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(command, "market_clock", lambda: VirtualClock(NOW))
    monkeypatch.setattr(watchdog, "bark", lambda **_: gone())
    assert isinstance(command.look(), OperationalError)
    monkeypatch.setattr(watchdog, "bark", lambda **_: False)
    monkeypatch.setattr(watchdog, "is_alive", lambda **_: True)
    assert command.look() is None


class Straight:
    """A transport that keeps what it is given; `down` refuses."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.down = False

    def send(self, message: Message) -> None:
        if self.down:
            raise TransportFailed("down")
        self.sent.append(message.text)


def test_a_database_that_cannot_be_used_is_told_past_it_at_the_third_look_and_every_ten_minutes(
    django_assert_num_queries,
):
    blindness, transport = command.Blindness(), Straight()
    full = OperationalError("could not extend file: No space left on device")
    told = []
    with django_assert_num_queries(0):
        for look in range(25):
            blindness.note(full, wall_now=NOW + timedelta(seconds=30 * look), transport=transport)
            told.append(len(transport.sent))
    assert [told.index(count) for count in (1, 2)] == [2, 22]
    assert "The database cannot be used since 09:10:00 IST" in transport.sent[0]
    assert "No space left on device" in transport.sent[0]


def test_looks_that_fail_now_and_then_are_not_told_and_a_message_that_did_not_leave_is_tried_again():
    blindness, transport = command.Blindness(), Straight()
    for error in (KeyError("x"), KeyError("x"), None, KeyError("x"), KeyError("x")):
        blindness.note(error, wall_now=NOW, transport=transport)
    assert transport.sent == []
    transport.down = True
    blindness.note(KeyError("x"), wall_now=NOW, transport=transport)
    transport.down = False
    blindness.note(KeyError("x"), wall_now=NOW, transport=transport)
    assert len(transport.sent) == 1


@pytest.mark.usefixtures("_seeded")
def test_the_watchdog_keeps_quiet_without_an_open_session_and_barks_once():
    now = at_ist(date(2026, 12, 1), time(10, 0))
    assert not watchdog.bark(now=now, wall_now=NOW)
    make.TradingSessionFactory(trading_day=date(2026, 12, 1))
    assert watchdog.bark(now=now, wall_now=NOW)
    assert not watchdog.bark(now=now, wall_now=NOW + timedelta(minutes=9))
