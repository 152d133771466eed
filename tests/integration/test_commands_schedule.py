"""`manage.py schedule`: the version that an import keeps, Excel files, and JSON of every action."""

from __future__ import annotations

import io
import json
from datetime import time

import pytest
from django.core.management import CommandError, call_command

from schedule import timetable
from schedule.models import StrategyEntry
from schedule.timetable_rows import TimetableVersion
from tests.factories import StrategyEntryFactory

pytestmark = pytest.mark.django_db
HEADER = "day_of_week,index,expiry_type,portfolio,entry_time,exit_time\n"
GOOD = HEADER + "Tuesday,NIFTY,0DTE,ITJ 1,09:16:00,14:15:00\n"


def run(*words: str) -> str:
    out = io.StringIO()
    try:
        call_command("schedule", *words, stdout=out)
    except SystemExit as ended:
        return f"{out.getvalue()}exit code {ended.code}"
    return out.getvalue()


@pytest.fixture
def file(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "plan.csv"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_an_import_keeps_the_version_before_and_says_who_made_it(file):
    StrategyEntryFactory(portfolio="ITJ 1", entry_time=time(9, 20))
    before = timetable.current_text()

    run("import", file(GOOD))

    kept = TimetableVersion.objects.get()
    assert (kept.content, kept.before, kept.entries) == (before, "the import of plan.csv", 1)
    assert kept.by.startswith("command by ")
    assert StrategyEntry.objects.get().entry_time == time(9, 16)


@pytest.mark.parametrize("words", [("--dry-run",), ()])
def test_an_import_that_writes_nothing_keeps_no_version(file, words):
    run("import", file(GOOD))
    changed = GOOD.replace("09:16", "09:17") if words else GOOD

    run("import", file(changed), *words)

    assert not TimetableVersion.objects.exists()
    assert StrategyEntry.objects.get().entry_time == time(9, 16)


def test_an_import_as_json_tells_each_field_that_changed(file):
    StrategyEntryFactory(portfolio="ITJ 1", entry_time=time(9, 20), exit_time=time(14, 15))

    told = json.loads(run("import", file(GOOD), "--json"))

    assert (told["written"], told["problems"], told["added"]) == (True, [], [])
    assert told["changed"] == [{"portfolio": "ITJ 1", "fields": {"entry_time": ["09:20:00", "09:16:00"]}}]
    assert json.loads(run("import", file(GOOD), "--json", "--dry-run"))["written"] is False


def test_a_bad_file_as_json_is_a_list_of_problems_and_exit_code_1(file):
    told = run("import", file(GOOD + "Tuesday,FTSE,0DTE,Q,24:00,\n"), "--json")

    assert told.endswith("exit code 1")
    found = json.loads(told.removesuffix("exit code 1"))
    assert found["written"] is False
    assert [(each["line"], each["column"]) for each in found["problems"]] == [(3, "index"), (3, "entry_time")]
    assert not StrategyEntry.objects.exists()


def test_a_workbook_that_cannot_be_read_is_refused_as_one(tmp_path):
    path = tmp_path / "plan.xlsx"
    path.write_bytes(b"PK\x03\x04 and no more")
    err = io.StringIO()

    with pytest.raises(CommandError, match="Nothing was imported: 1 problem in"):
        call_command("schedule", "import", str(path), stderr=err)

    assert "save the sheet as .xlsx or as CSV UTF-8" in err.getvalue()


def test_what_is_exported_is_imported_without_a_change(file):
    run("import", file(GOOD))

    again = json.loads(run("import", file(run("export")), "--json"))

    assert (again["changed"], again["added"], again["unchanged"]) == ([], [], ["ITJ 1"])
    assert json.loads(run("export", "--json")) == json.loads(run("show", "--json"))
