"""The beat table: right intervals for the speed, written once, an operator's pause is kept, and no step of the clock stops it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from config.beat import ENTRIES, ensure_beat_entries
from config.celery import TASKS, app
from config.scheduler import Entry, Scheduler

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 12, 1, 3, 40, tzinfo=UTC)
STEP = timedelta(hours=5, minutes=30)


def seconds_of(task: str) -> float:
    interval = PeriodicTask.objects.get(task=f"hedging.tasks.{task}").interval
    unit = {IntervalSchedule.SECONDS: 1.0, IntervalSchedule.MICROSECONDS: 1e-6}[interval.period]
    return float(interval.every * unit)


@pytest.mark.parametrize(
    ("task", "at_real_speed", "at_ten", "at_sixty"),
    [
        ("check_margin", 30, 3, 0.5),
        ("project_entries", 10, 1, 0.5),
        ("reconcile_books", 5, 0.5, 0.5),
        ("calibrate", 30, 3, 0.5),
        ("deliver_alerts", 5, 0.5, 0.5),
        ("heartbeat", 30, 30, 30),  # its age is judged on the wall clock
    ],
)
def test_intervals_are_divided_by_the_speed_down_to_half_a_second(task, at_real_speed, at_ten, at_sixty):
    for speed, expected in ((1, at_real_speed), (10, at_ten), (60, at_sixty), (1, at_real_speed)):
        ensure_beat_entries(speed, wall_now=NOW)
        assert seconds_of(task) == expected


def test_writing_it_again_adds_nothing():
    for _ in range(2):
        ensure_beat_entries(60, wall_now=NOW)
    assert PeriodicTask.objects.count() == len(ENTRIES)
    assert IntervalSchedule.objects.count() == 3


def test_an_entry_that_an_operator_paused_stays_paused():
    ensure_beat_entries(1, wall_now=NOW)
    PeriodicTask.objects.filter(name="Margin check").update(enabled=False)
    ensure_beat_entries(60, wall_now=NOW)
    assert not PeriodicTask.objects.get(name="Margin check").enabled
    assert PeriodicTask.objects.get(name="Entry projection").enabled


@pytest.mark.parametrize("speed", [0.1, 1, 7, 60, 3600])
def test_a_tick_that_nobody_took_expires_within_25_seconds_and_never_before_the_next(speed):
    ensure_beat_entries(speed, wall_now=NOW)
    for entry in PeriodicTask.objects.all():
        assert 2 <= entry.expire_seconds <= 25
        assert entry.expires is None, "the database scheduler drops a plain date"


def test_entries_are_intervals_only_and_name_tasks_that_have_a_queue():
    ensure_beat_entries(60, wall_now=NOW)
    for entry in PeriodicTask.objects.all():
        assert entry.interval is not None
        assert (entry.crontab, entry.solar, entry.clocked) == (None, None, None)
        assert entry.task in TASKS


# --- the clock steps back -------------------------------------------------------------------------------------------------


class Beat:
    """A beat process on a clock that the test turns; what it sends is kept with the time of sending."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        self.sent: list[tuple[str, datetime]] = []
        monkeypatch.setattr(app, "now", lambda: self.now)
        monkeypatch.setattr("django_celery_beat.models.now", lambda: self.now)
        monkeypatch.setattr(Entry, "_default_now", lambda _: self.now)
        monkeypatch.setattr(Scheduler, "apply_entry", lambda _, entry, **__: self.sent.append((entry.task, self.now)))
        self.start()

    def start(self) -> None:
        self.scheduler = Scheduler(app)
        self.scheduler._finalize.cancel()  # or it would write to a database that is gone when the tests end

    def run(self, seconds: float) -> set[str]:
        """Let it beat for so long; return what it sent."""
        until, before = self.now + timedelta(seconds=seconds), len(self.sent)
        while self.now < until:
            self.now += timedelta(seconds=max(0.001, self.scheduler.tick()))
        return {task for task, _ in self.sent[before:]}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("step", "within_seconds"), [(timedelta(seconds=20), 36), (STEP, 6)])
@pytest.mark.parametrize("restarted", [False, True])
def test_every_entry_is_due_again_within_seconds_when_the_clock_stepped_back(
    monkeypatch, step, within_seconds, restarted
):
    ensure_beat_entries(1, wall_now=NOW)
    beat = Beat(monkeypatch)
    beat.run(120)
    beat.now -= step
    if restarted:
        beat.scheduler.sync()
        beat.start()
    assert beat.run(within_seconds) == {entry.task for entry in ENTRIES}
    before = len(beat.sent)
    beat.run(60)
    assert (
        11 <= sum(task.endswith("deliver_alerts") for task, _ in beat.sent[before:]) <= 13
    )  # and no oftener than before


@pytest.mark.parametrize(("ahead", "kept"), [(5, True), (6, False)])
def test_a_last_run_that_lies_ahead_of_now_is_forgotten_at_the_next_start(ahead, kept):
    ensure_beat_entries(1, wall_now=NOW)
    PeriodicTask.objects.update(last_run_at=NOW + timedelta(seconds=ahead))
    ensure_beat_entries(1, wall_now=NOW)
    assert PeriodicTask.objects.filter(last_run_at=None).exists() is not kept


@pytest.mark.django_db(transaction=True)
def test_a_pause_is_noticed_although_the_clock_stepped_back_before_it(monkeypatch):
    ensure_beat_entries(1, wall_now=NOW)
    PeriodicTasks.objects.update(last_update=NOW)
    beat = Beat(monkeypatch)
    beat.run(10)
    beat.now -= STEP
    PeriodicTask.objects.filter(name="Reconcile books").update(enabled=False)
    PeriodicTasks.objects.update(last_update=beat.now)
    beat.run(6)
    assert "hedging.tasks.reconcile_books" not in beat.run(60)
