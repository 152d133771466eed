"""A day of the timetable over the API: its lines, a skip for one day, and changes that hold from now on."""

from __future__ import annotations

from datetime import date, time

import pytest

from hedging.engine import clock
from hedging.models import AuditEvent
from schedule.calendar import load_calendar
from schedule.entries import entries_on
from schedule.models import StrategyEntry
from schedule.timetable_rows import MovedEntry, SkippedEntry, TimetableVersion
from tests import factories as make
from tests.integration.page_day import NOW, StoppedClock, entries, known_calendar
from tests.people import person

pytestmark = pytest.mark.django_db
DAY, SKIP, ENTRY = "/api/hedge/schedule", "/api/hedge/schedule/skip", "/api/hedge/schedule/entry"
FOUR = "ITJ_NF_EXP 4"


@pytest.fixture(autouse=True)
def _day(monkeypatch):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)
    known_calendar()
    entries()


@pytest.fixture
def trader(client):
    client.force_login(person("trader", name="tara"))
    return client


def post(client, address, **body):
    return client.post(address, body, content_type="application/json")


def due(day=make.TUESDAY):
    return [entry.portfolio for entry in entries_on(day, load_calendar())]


def test_a_days_lines_tell_state_stage_and_the_days_beside_it(client):
    StrategyEntry.objects.filter(portfolio=FOUR).update(active=False)

    found = client.get(DAY).json()

    assert [(line["portfolio"], line["state"], line["stage"]) for line in found["lines"]] == [
        ("ITJ_NF_EXP 1", "due", "over"),
        (FOUR, "switched off", ""),
    ]
    assert [entry["portfolio"] for entry in found["entries"]] == ["ITJ_NF_EXP 1"]
    assert (found["before"], found["after"]) == ("2026-11-30", "2026-12-02")


@pytest.mark.parametrize(
    ("legs", "words"),
    [
        ([("CE", "SELL", 0, 2), ("PE", "SELL", 0, 2)], "short straddle at the money, 2 lots a side"),
        ([("CE", "SELL", 0, 1), ("PE", "SELL", 0, 2)], "SELL CE 0 x1; SELL PE 0 x2"),
        ([("CE", "SELL", 3, 1)], "SELL CE 3 x1"),
    ],
)
def test_legs_are_told_as_people_call_them(client, legs, words):
    rows = [{"right": right, "side": side, "offset": offset, "lots": lots} for right, side, offset, lots in legs]
    StrategyEntry.objects.filter(portfolio=FOUR).update(legs=rows)

    assert client.get(DAY).json()["lines"][1]["legs"] == words


def test_entries_that_meet_are_warned_of(client):
    make.StrategyEntryFactory.create(portfolio="TWIN", entry_time=time(10, 16, 50))

    lines = client.get(DAY).json()["lines"]

    assert any("both need free margin at once" in words for line in lines for words in line["warnings"])


def test_a_skip_is_of_one_day_may_be_repeated_and_taken_back(trader):
    first = post(trader, SKIP, portfolio=FOUR, reason="not sold").json()
    again = post(trader, SKIP, portfolio=FOUR).json()

    assert (first["changed"], first["line"]["state"], again["changed"]) == (True, "skipped", False)
    assert due() == ["ITJ_NF_EXP 1"]
    assert SkippedEntry.objects.get().day == make.TUESDAY
    assert post(trader, SKIP, portfolio=FOUR, skipped=False).json()["changed"]
    assert due() == ["ITJ_NF_EXP 1", FOUR]
    assert list(AuditEvent.objects.order_by("id").values_list("event", "actor")) == [
        ("entry_skipped", "tara"),
        ("entry_due_again", "tara"),
    ]


def test_a_day_that_is_over_is_not_skipped(trader):
    answer = post(trader, SKIP, portfolio=FOUR, date="2026-11-30")

    assert (answer.status_code, answer.json()["code"]) == (409, "DAY_OVER")


def test_a_coming_day_is_skipped_alone(trader):
    post(trader, SKIP, portfolio=FOUR, date="2026-12-08")

    assert FOUR in due()
    assert SkippedEntry.objects.get().day == date(2026, 12, 8)


def test_times_are_changed_from_now_on_and_the_timetable_before_is_kept(trader):
    answer = post(trader, ENTRY, portfolio=FOUR, entry_time="10:21:30", exit_time="14:00")
    again = post(trader, ENTRY, portfolio=FOUR, entry_time="10:21:30", exit_time="14:00")

    row = StrategyEntry.objects.get(portfolio=FOUR)
    assert (answer.json()["changed"], again.json()["changed"]) == (True, False)
    assert (row.entry_time, row.exit_time, row.active) == (time(10, 21, 30), time(14), True)
    version = TimetableVersion.objects.get()
    assert (version.by, "10:16:30" in version.content) == ("tara", True)
    assert AuditEvent.objects.get().facts["changes"] == {
        "entry_time": ["10:16:30", "10:21:30"],
        "exit_time": ["None", "14:00:00"],
    }


def times_of(portfolio, day=make.TUESDAY):
    found = next(entry for entry in entries_on(day, load_calendar()) if entry.portfolio == portfolio)
    return found.entry_at, found.exit_at


def test_an_entry_has_other_times_on_one_day_alone(trader):
    usual, other_day = times_of(FOUR), times_of(FOUR, date(2026, 12, 8))

    answer = post(
        trader, ENTRY, portfolio=FOUR, date="2026-12-01", entry_time="09:15", exit_time="14:00", reason="early"
    )
    again = post(trader, ENTRY, portfolio=FOUR, date="2026-12-01", entry_time="09:15", exit_time="14:00")

    line = answer.json()["line"]
    assert (answer.json()["changed"], again.json()["changed"]) == (True, False)
    assert (line["moved"], line["entry_at"], line["exit_at"]) == (
        True, "2026-12-01T09:15:00+05:30", "2026-12-01T14:00:00+05:30",
    )  # fmt: skip
    assert (line["usual_entry_at"], line["usual_exit_at"]) == ("2026-12-01T10:16:30+05:30", None)
    assert times_of(FOUR) == (make.ist(9, 15), make.ist(14))
    assert times_of(FOUR, date(2026, 12, 8)) == other_day
    assert due() == [FOUR, "ITJ_NF_EXP 1"]  # in the order of that day's times
    assert not TimetableVersion.objects.exists()  # the timetable itself is what it was

    back = post(trader, ENTRY, portfolio=FOUR, date="2026-12-01", entry_time="10:16:30", exit_time=None).json()

    assert (back["changed"], back["line"]["moved"]) == (True, False)
    assert times_of(FOUR) == usual
    assert not MovedEntry.objects.exists()
    moved, returned = AuditEvent.objects.order_by("id")
    assert (moved.event, moved.actor, moved.facts["reason"], moved.facts["day"]) == (
        "entry_moved", "tara", "early", "2026-12-01",
    )  # fmt: skip
    assert moved.facts["times"] == {"entry_time": ["10:16:30", "09:15:00"], "exit_time": ["None", "14:00:00"]}
    assert returned.facts["times"] == {"entry_time": ["09:15:00", "10:16:30"], "exit_time": ["14:00:00", "None"]}


def test_what_is_not_named_of_a_move_stays_as_on_every_day(trader):
    post(trader, ENTRY, portfolio="ITJ_NF_EXP 1", date="2026-12-01", entry_time="09:20")

    assert times_of("ITJ_NF_EXP 1") == (make.ist(9, 20), make.ist(10))


def test_a_skip_counts_for_an_entry_that_was_moved(trader):
    post(trader, ENTRY, portfolio=FOUR, date="2026-12-01", entry_time="11:00")
    post(trader, SKIP, portfolio=FOUR)

    assert due() == ["ITJ_NF_EXP 1"]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"entry_time": "08:00"}, "ENTRY_TIMES", "outside trading hours"),
        ({"exit_time": "10:16:30"}, "ENTRY_TIMES", "not after the entry"),
        ({"active": False}, "ENTRY_TIMES", "skip it"),
        ({"date": "2026-11-30", "entry_time": "11:00"}, "DAY_OVER", "is over"),
    ],
)
def test_a_move_that_cannot_be_meant_changes_nothing(trader, body, code, words):
    answer = post(trader, ENTRY, portfolio=FOUR, **{"date": "2026-12-01", **body})

    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert words in answer.json()["message"]
    assert not MovedEntry.objects.exists()
    assert StrategyEntry.objects.get(portfolio=FOUR).active


def test_an_exit_that_is_taken_away_means_held_to_expiry(trader):
    post(trader, ENTRY, portfolio="ITJ_NF_EXP 1", exit_time=None)

    assert StrategyEntry.objects.get(portfolio="ITJ_NF_EXP 1").exit_time is None


@pytest.mark.parametrize(
    "times",
    [{"exit_time": "10:16:30"}, {"entry_time": "08:00"}, {"exit_time": "23:59"}],
    ids=["no later", "before the open", "after the close"],
)
def test_times_that_cannot_be_meant_change_nothing(trader, times):
    answer = post(trader, ENTRY, portfolio=FOUR, **times)

    assert (answer.status_code, answer.json()["code"]) == (409, "ENTRY_TIMES")
    assert StrategyEntry.objects.get(portfolio=FOUR).entry_time == time(10, 16, 30)
    assert not TimetableVersion.objects.exists()


@pytest.mark.parametrize("text", ["24:00", "9:16", "10:16:60", "10:16Z", ""])
def test_a_time_is_written_as_the_document_says(trader, text):
    assert post(trader, ENTRY, portfolio=FOUR, entry_time=text).status_code == 400


@pytest.mark.parametrize("address", [SKIP, ENTRY])
def test_an_entry_that_is_not_there_is_not_found(trader, address):
    assert post(trader, address, portfolio="nobody").status_code == 404


@pytest.mark.parametrize("address", [SKIP, ENTRY])
def test_an_operator_changes_no_timetable(client, address):
    client.force_login(person("operator"))

    assert post(client, address, portfolio=FOUR).status_code == 403
