"""Timetable files: whole or not at all, every problem named by line, column and fix; and the commands around them."""

from __future__ import annotations

import io
import json
from datetime import time
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hedging.domain.instruments import Index
from schedule.importer import (
    Hours,
    ScheduleRefused,
    export_schedule,
    import_schedule,
    parse_schedule,
    trading_hours,
)
from schedule.models import StrategyEntry, short_straddle
from schedule.seed import seed_reference_data, seed_schedule_if_empty
from schedule.shipped import DATA
from tests.factories import StrategyEntryFactory, TradingDayFactory

HEADER = "day_of_week,index,expiry_type,portfolio,entry_time,exit_time"
GOOD = "Tuesday,NIFTY,0DTE,ITJ 1,09:16:00,14:15:00"


def table(*rows: str, header: str = HEADER, end: str = "\n") -> bytes:
    return (end.join((header, *rows)) + end).encode()


def problems_of(data: bytes, hours: Hours | None = None) -> list[str]:
    with pytest.raises(ScheduleRefused) as refused:
        parse_schedule(data, hours=hours)
    return [str(problem) for problem in refused.value.problems]


# --- parsing ---------------------------------------------------------------------------------------------------------


def test_the_seed_file_holds_36_good_rows_of_which_12_are_held_to_expiry():
    rows = parse_schedule((DATA / "schedule.csv").read_bytes(), hours=Hours(time(9, 15), time(15, 40)))
    assert len(rows) == 36
    assert sum(row.exit_time is None for row in rows) == 12
    assert {(row.index, row.dte) for row in rows} == {
        (Index.NIFTY, 0), (Index.NIFTY, 1), (Index.NIFTY, 2), (Index.SENSEX, 0),
    }  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + table(GOOD),
        table(GOOD, end="\r\n"),
        table(GOOD, end="\r"),
        table("", GOOD, "", " , ,,,, ", ""),
        table(GOOD).rstrip(),
        table(" tuesday , nifty ,0dte, ITJ 1 ,9:16,14:15 "),
        table('Tuesday,NIFTY,0DTE,"ITJ 1",09:16:00,14:15:00'),
        table("ITJ 1,14:15,09:16,0DTE,NIFTY,Tuesday", header=",".join(reversed(HEADER.split(","))).replace(
            "exit_time,entry_time,portfolio", "portfolio,exit_time,entry_time")),
    ],
    ids=["byte order mark", "CRLF", "CR", "blank lines", "no last newline", "case and spaces", "quotes", "other order"],
)  # fmt: skip
def test_the_same_row_is_read_however_a_spreadsheet_writes_it(data):
    (row,) = parse_schedule(data)
    assert (row.weekday, row.index, row.dte, row.portfolio) == (1, Index.NIFTY, 0, "ITJ 1")
    assert (row.entry_time, row.exit_time) == (time(9, 16), time(14, 15))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("Tuseday,NIFTY,0DTE,P,09:16,14:15", "line 2, day_of_week: 'Tuseday' is not a weekday; write one of Monday"),
        ("Tuesday,NIFTYY,0DTE,P,09:16,14:15", "line 2, index: 'NIFTYY' is not an index we know; write one of NIFTY"),
        ("Tuesday,,0DTE,P,09:16,14:15", "line 2, index: ''"),
        ("Tuesday,NIFTY,weekly,P,09:16,14:15", "line 2, expiry_type: 'weekly' is not a number of days; write trading"),
        ("Tuesday,NIFTY,-1DTE,P,09:16,14:15", "line 2, expiry_type: '-1DTE'"),
        ("Tuesday,NIFTY,61DTE,P,09:16,14:15", "line 2, expiry_type: '61DTE'"),
        ("Tuesday,NIFTY,0DTE,,09:16,14:15", "line 2, portfolio: '' cannot be a name; write 1 to 60"),
        (f"Tuesday,NIFTY,0DTE,{'P' * 61},09:16,14:15", "line 2, portfolio: 'PPP"),
        ("Tuesday,NIFTY,0DTE,P,24:00,", "line 2, entry_time: '24:00' is not a time; write it like 09:16:00"),
        ("Tuesday,NIFTY,0DTE,P,09:60,", "line 2, entry_time: '09:60'"),
        ("Tuesday,NIFTY,0DTE,P,9.16,", "line 2, entry_time: '9.16'"),
        ("Tuesday,NIFTY,0DTE,P,09:16 AM,", "line 2, entry_time: '09:16 AM'"),
        ("Tuesday,NIFTY,0DTE,P,,14:15", "line 2, entry_time: ''"),
        ("Tuesday,NIFTY,0DTE,P,09:16,24:00:00", "line 2, exit_time: '24:00:00'"),
        ("Tuesday,NIFTY,0DTE,P,14:15,09:16", "line 2, exit_time: 09:16:00 is not after the entry at 14:15:00"),
        ("Tuesday,NIFTY,0DTE,P,14:15,14:15", "line 2, exit_time: 14:15:00 is not after"),
        ("Tuesday,NIFTY,0DTE,P,09:16", "line 2: 5 cells under 6 columns"),
        ("Tuesday,NIFTY,0DTE,P,09:16,14:15,x", "line 2: 7 cells under 6 columns"),
    ],
)
def test_a_bad_cell_is_named_by_line_column_and_what_would_be_right(row, said):
    (problem,) = problems_of(table(row))
    assert problem.startswith(said)


def test_every_bad_row_is_named_not_only_the_first():
    rows = [GOOD, "Funday,NIFTY,0DTE,P,25:00,", "", GOOD, "Tuesday,DOW,0DTE,Q,09:16,14:15"]
    assert [problem.split(":")[0] for problem in problems_of(table(*rows))] == [
        "line 3, day_of_week",
        "line 3, entry_time",
        "line 5, portfolio",  # the same name as in line 2
        "line 6, index",
    ]


def test_a_name_used_twice_points_at_its_first_line():
    (problem,) = problems_of(table(GOOD, GOOD))
    assert "'ITJ 1' is already in line 2" in problem


def test_times_must_lie_in_the_hours_of_the_calendar_when_they_are_known():
    hours = Hours(time(9, 15), time(15, 40))
    (problem,) = problems_of(table("Tuesday,NIFTY,0DTE,P,02:04,14:15"), hours)
    assert problem.startswith(
        "line 2, entry_time: 02:04:00 is outside trading hours; write a time from 09:15:00 to 15:40"
    )
    parse_schedule(table("Tuesday,NIFTY,0DTE,P,09:15,15:40"), hours=hours)
    assert problems_of(table("Tuesday,NIFTY,0DTE,P,09:15,15:40:01"), hours)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file: it holds no entry"),
        (b"\n\n", "the file: it holds no entry"),
        (table(), "the file: it holds no entry"),
        (table(GOOD, header=HEADER.replace(",portfolio", ",name")), "line 1, portfolio: this column is missing"),
        (table(GOOD, header=HEADER.replace(",", ";")), "line 1, day_of_week: this column is missing"),
        (table(GOOD + ",x", header=HEADER + ",remark"), "line 1, remark: no such column"),
        (table(GOOD + ",x", header=HEADER + ",index"), "line 1, index: this column is there twice"),
        (GOOD.encode(), "line 1, day_of_week: this column is missing"),
        (b"\x89PNG\r\n\x00\x01", "the file: it is not text"),
        (table(GOOD).decode().encode("utf-16"), "the file: it is UTF-16 text"),
        (table(GOOD, "Tuesday,NIFTY,0DTE,Str\u00e4ddle,09:16,").decode().encode("latin-1"), "line 3: not UTF-8 text"),
        (b"x" * 1_000_001, "the file: it has 1,000,001 bytes"),
        (table(*[GOOD] * 5_002), "the file: it has more than 5000 rows"),
        (table('Tuesday,NIFTY,0DTE,"never closed,09:16,'), "line 2: not CSV"),
        (table(f'Tuesday,NIFTY,0DTE,"{"P" * 200_000}",09:16,'), "line 2: not CSV"),
    ],
    ids=[
        "empty", "blank", "header only", "renamed column", "semicolons", "unknown column", "column twice", "no header",
        "binary", "UTF-16", "latin-1", "too large", "too many rows", "open quote", "endless cell",
    ],
)  # fmt: skip
def test_a_file_that_is_no_timetable_is_refused_in_words(data, said):
    assert problems_of(data)[0].startswith(said)


@pytest.mark.parametrize(
    ("columns", "cells", "legs"),
    [
        ("lots", "", short_straddle()),
        ("lots", "3", [{**leg, "lots": 3} for leg in short_straddle()]),
        ("legs", "", short_straddle()),
        (
            "legs",
            "SELL CE 0; sell pe +2 x2; BUY CE -4 x 3;",
            [
                {"right": "CE", "side": "SELL", "offset": 0, "lots": 1},
                {"right": "PE", "side": "SELL", "offset": 2, "lots": 2},
                {"right": "CE", "side": "BUY", "offset": -4, "lots": 3},
            ],
        ),
        ("legs,lots", "SELL CE 1 x2,5", [{"right": "CE", "side": "SELL", "offset": 1, "lots": 10}]),
    ],
)
def test_legs_and_lots_may_be_told_in_columns_of_their_own(columns, cells, legs):
    (row,) = parse_schedule(table(f"{GOOD},{cells}", header=f"{HEADER},{columns}"))
    assert row.legs is not None
    assert list(row.legs) == legs


def test_lots_times_the_lots_of_a_leg_are_bounded_as_on_the_entrys_page():
    header, row = f"{HEADER},legs,lots", f"{GOOD},SELL CE 0 x500,{{}}"
    (allowed,) = parse_schedule(f"{header}\n{row.format(2)}".encode())
    assert allowed.legs is not None
    assert allowed.legs[0]["lots"] == 1000
    with pytest.raises(ScheduleRefused, match="1500 is no number of lots"):
        parse_schedule(f"{header}\n{row.format(3)}".encode())


@pytest.mark.parametrize(
    ("column", "cell"),
    [("lots", "0"), ("lots", "1.5"), ("lots", "9999999999999"), ("lots", "-1"), ("legs", ";"), ("legs", "SELL XX 0"),
     ("legs", "SELL CE 0;;SELL PE 0"), ("legs", "SELL CE 0 x0"), ("legs", "SELL CE 501"), ("active", "perhaps")],
)  # fmt: skip
def test_a_bad_leg_lot_or_switch_is_named(column, cell):
    problems = problems_of(table(f"{GOOD},{cell}", header=f"{HEADER},{column}"))
    assert problems
    assert all(problem.startswith(f"line 2, {column}: ") for problem in problems)


# --- importing -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_import_adds_updates_by_portfolio_and_keeps_what_the_file_does_not_name():
    StrategyEntryFactory(portfolio="SAME")
    StrategyEntryFactory(portfolio="MOVED", entry_time=time(9, 20), legs=[{**short_straddle()[0], "lots": 2}])
    StrategyEntryFactory(portfolio="ELSE")
    rows = parse_schedule(
        table(
            "Tuesday,NIFTY,0DTE,SAME,09:16,14:15", "Tuesday,NIFTY,0DTE,MOVED,09:25,", "Thursday,SENSEX,0DTE,NEW,09:16,"
        )
    )
    report = import_schedule(rows)
    assert report.added == ("NEW",)
    assert report.unchanged == ("SAME",)
    assert report.not_in_file == ("ELSE",)
    assert [(c.portfolio, c.fields) for c in report.changed] == [
        ("MOVED", {"entry_time": (time(9, 20), time(9, 25)), "exit_time": (time(14, 15), None)})
    ]
    moved = StrategyEntry.objects.get(portfolio="MOVED")
    assert (moved.entry_time, moved.exit_time) == (time(9, 25), None)
    assert moved.legs[0]["lots"] == 2  # the file said nothing of legs
    assert StrategyEntry.objects.get(portfolio="NEW").legs == short_straddle()
    assert import_schedule(rows).changed == ()


@pytest.mark.django_db
def test_a_dry_run_reports_the_same_and_writes_nothing():
    StrategyEntryFactory(portfolio="ITJ 1", entry_time=time(9, 20))
    rows = parse_schedule(table(GOOD, "Thursday,SENSEX,0DTE,NEW,09:16,"))
    planned = import_schedule(rows, dry_run=True)
    assert StrategyEntry.objects.get().entry_time == time(9, 20)
    assert import_schedule(rows) == planned


@pytest.mark.django_db
def test_an_export_is_read_back_as_the_same_timetable():
    StrategyEntryFactory(portfolio='A "quoted", name', exit_time=None, weekday=None, active=False)
    StrategyEntryFactory(portfolio="B", entry_time=time(10, 16, 30), legs=[{**short_straddle()[1], "offset": -3}])
    text = export_schedule(StrategyEntry.objects.order_by("id"))
    report = import_schedule(parse_schedule(text.encode()))
    assert len(report.unchanged) == 2
    assert (report.added, report.changed) == ((), ())
    StrategyEntry.objects.all().delete()
    import_schedule(parse_schedule(text.encode()))
    assert export_schedule(StrategyEntry.objects.order_by("id")) == text


@pytest.mark.django_db
def test_the_seed_timetable_is_exported_byte_for_byte():
    seed_schedule_if_empty()
    assert export_schedule(StrategyEntry.objects.order_by("id")).encode() == (DATA / "schedule.csv").read_bytes()


@pytest.mark.django_db
def test_the_hours_that_bound_a_timetable_are_the_widest_of_the_open_days():
    assert trading_hours() is None
    TradingDayFactory(opens_at=time(9, 15), closes_at=time(15, 30))
    TradingDayFactory(opens_at=time(9, 15), closes_at=time(15, 40))
    TradingDayFactory(is_open=False, opens_at=time(0, 0), closes_at=time(23, 59))
    assert trading_hours() == Hours(time(9, 15), time(15, 40))


# --- commands --------------------------------------------------------------------------------------------------------


def run(*words: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("schedule", *words, stdout=out, **options)
    return out.getvalue()


@pytest.mark.django_db
def test_the_import_command_reports_differences(tmp_path):
    StrategyEntryFactory(portfolio="ITJ 1", entry_time=time(9, 20), exit_time=None)
    file = tmp_path / "plan.csv"
    file.write_bytes(table(GOOD, "Thursday,SENSEX,0DTE,NEW,09:16,"))
    assert "nothing was written" in run("import", str(file), "--dry-run")
    assert run("import", str(file)).splitlines() == [
        "+ NEW",
        "~ ITJ 1: entry_time 09:20:00 → 09:16:00, exit_time none → 14:15:00",
        "1 added, 1 changed, 0 unchanged, 0 kept that the file does not name",
    ]


@pytest.mark.django_db
def test_the_import_command_names_each_problem_in_one_line_and_imports_nothing(tmp_path):
    file = tmp_path / "bad.csv"
    file.write_bytes(table(GOOD, "Tuesday,NIFTY,0DTE,P,24:00,", "Tuesday,FTSE,0DTE,Q,09:16,"))
    err = io.StringIO()
    with pytest.raises(CommandError, match="Nothing was imported: 2 problems"):
        run("import", str(file), stderr=err)
    assert [line.split(":")[0] for line in err.getvalue().splitlines()] == ["line 3, entry_time", "line 4, index"]
    assert not StrategyEntry.objects.exists()


@pytest.mark.django_db
def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        run("import", str(tmp_path / "none.csv"))
    with pytest.raises(CommandError, match="cannot be read"):
        run("import", str(tmp_path))


@pytest.mark.django_db
def test_show_lists_a_day_with_expiries_and_says_when_it_cannot_know():
    seed_reference_data()
    seed_schedule_if_empty()
    friday = json.loads(run("show", "--date", "2026-11-27", "--json"))
    assert {entry["expiry"] for entry in friday["entries"]} == {"2026-12-01"}
    assert len(friday["entries"]) == 6
    assert friday["entries"][0]["entry_at"] == "2026-11-27T09:19:00+05:30"
    assert "closed" in run("show", "--date", "2026-12-25")
    assert "10 entries" in run("show", "--date", "2026-12-01")
    assert json.loads(run("show", "--date", "2026-12-31", "--json"))["undecided"] == ["BANKNIFTY", "NIFTY"]
    with pytest.raises(CommandError, match="2027"):
        run("show", "--date", "2027-01-05")
    with pytest.raises(CommandError, match="'tomorrow' is not a date: write it like 2026-12-01"):
        run("show", "--date", "tomorrow")


@pytest.mark.django_db
def test_show_and_export_list_the_whole_timetable():
    seed_schedule_if_empty()
    assert run("show").splitlines()[-1] == "36 entries"
    assert len(json.loads(run("show", "--json"))) == 36
    assert len(parse_schedule(run("export").encode())) == 36
