"""The beat table: right intervals for the speed, written once, and an operator's pause is kept."""

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from config.beat import ENTRIES, ensure_beat_entries
from config.celery import TASKS

pytestmark = pytest.mark.django_db


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
        ensure_beat_entries(speed)
        assert seconds_of(task) == expected


def test_writing_it_again_adds_nothing():
    for _ in range(2):
        ensure_beat_entries(60)
    assert PeriodicTask.objects.count() == len(ENTRIES)
    assert IntervalSchedule.objects.count() == 3


def test_an_entry_that_an_operator_paused_stays_paused():
    ensure_beat_entries(1)
    PeriodicTask.objects.filter(name="Margin check").update(enabled=False)
    ensure_beat_entries(60)
    assert not PeriodicTask.objects.get(name="Margin check").enabled
    assert PeriodicTask.objects.get(name="Entry projection").enabled


@pytest.mark.parametrize("speed", [0.1, 1, 7, 60, 3600])
def test_a_tick_that_nobody_took_expires_within_25_seconds_and_never_before_the_next(speed):
    ensure_beat_entries(speed)
    for entry in PeriodicTask.objects.all():
        assert 2 <= entry.expire_seconds <= 25
        assert entry.expires is None, "the database scheduler drops a plain date"


def test_entries_are_intervals_only_and_name_tasks_that_have_a_queue():
    ensure_beat_entries(60)
    for entry in PeriodicTask.objects.all():
        assert entry.interval is not None
        assert (entry.crontab, entry.solar, entry.clocked) == (None, None, None)
        assert entry.task in TASKS
