"""The simulator's command: the database's day becomes plain values, and a finished day is followed by the next with entries."""

import json
from datetime import date, time
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from hedging.domain.instruments import Index
from hedging.management.worlds import chooser, day_of
from hedging.simulator.world import Leftover
from schedule.calendar import CalendarUnknown, load_calendar
from schedule.models import StrategyEntry
from schedule.seed import seed_reference_data, seed_schedule_if_empty

pytestmark = pytest.mark.django_db

TUESDAY = date(2026, 12, 1)


@pytest.fixture(autouse=True)
def _seeded():
    seed_reference_data()
    seed_schedule_if_empty()


def test_the_seed_timetable_s_tuesday_has_its_ten_entries_and_both_indices():
    day = day_of(TUESDAY, load_calendar())
    assert [entry.entry_time for entry in day.entries][:4] == [time(9, 16), time(9, 24), time(9, 29), time(10, 16, 30)]
    assert len(day.entries) == 10
    assert {entry.expiry for entry in day.entries} == {TUESDAY}
    assert sum(1 for entry in day.entries if entry.exit_time is None) == 6
    assert day.expiries[Index.NIFTY][:2] == (TUESDAY, date(2026, 12, 8))
    assert day.expiries[Index.SENSEX][0] == date(2026, 12, 3)
    assert (day.opens, day.closes, day.starts, day.ends) == (time(9, 15), time(15, 40), time(9, 10), time(16, 0))
    assert (date(2026, 11, 24)) in {holiday for holiday, _ in day.holidays}


def test_a_day_run_at_once_prints_what_happened_as_json():
    out = StringIO()
    call_command("simulator", "--at-once", "--date", "2026-12-01", "--seed", "7", stdout=out)
    report = json.loads(out.getvalue())
    assert report["settled"]
    assert report["entries_made"] + report["entries_refused"] == 10
    assert report["entries_refused"] > 0


def test_the_day_after_a_finished_one_is_the_next_with_entries():
    leftover = Leftover(date=TUESDAY, closes={Index.NIFTY: Decimal("24123.45")}, carried=())
    day = chooser(TUESDAY)(leftover)
    assert day.date == date(2026, 12, 3)
    assert {entry.index for entry in day.entries} == {Index.SENSEX}
    assert day.previous_close == {Index.NIFTY: Decimal("24123.45")}


def test_a_holiday_is_refused_with_what_to_set():
    with pytest.raises(CommandError, match="no trading day: set SIM_DATE"):
        call_command("simulator", "--at-once", "--date", "2026-12-25", stdout=StringIO())


def test_an_unknown_year_and_an_empty_timetable_end_in_one_line():
    with pytest.raises(CommandError, match="2031"):
        call_command("simulator", "--at-once", "--date", "2031-12-02", stdout=StringIO())
    StrategyEntry.objects.all().delete()
    with pytest.raises((CommandError, CalendarUnknown), match=r"No entry is due|not known"):
        chooser(TUESDAY)(Leftover(date=TUESDAY, closes={}, carried=()))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fault", "place_order:slow=9"], "no fault 'slow'"),
        (["--fault", "place_order:late=500"], "from 0 to 115"),
        (["--profile", "nobody"], "choose one of zerodha"),
        (["--fault", "place_order:late=90"], "leave --at-once away"),
    ],
)
def test_a_wrong_fault_or_profile_ends_in_one_line(options, words):
    with pytest.raises(CommandError, match=words):
        call_command("simulator", "--at-once", *options, stdout=StringIO())
