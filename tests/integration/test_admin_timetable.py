"""The timetable's desk: a day at a glance, skips, bulk edits, seeding and imports that are shown before they are done."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date, time, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile

from hedging.domain.instruments import Index
from hedging.engine import clock
from hedging.models import AuditEvent
from schedule import excel
from schedule.calendar import load_calendar
from schedule.entries import entries_on
from schedule.models import StrategyEntry, TradingDay
from schedule.oddities import oddities
from schedule.seed import seed_reference_data
from schedule.timetable_rows import MovedEntry, SkippedEntry, TimetableVersion
from tests import factories as make
from tests.admin_forms import sent_back
from tests.integration.page_day import NOW, StoppedClock, known_calendar
from tests.people import person

pytestmark = pytest.mark.django_db
LIST = "/admin/schedule/strategyentry/"
HEADER = "day_of_week,index,expiry_type,portfolio,entry_time,exit_time"
GOOD = "Tuesday,NIFTY,0DTE,ITJ 1,09:16:00,14:15:00"


@pytest.fixture(autouse=True)
def _stopped(monkeypatch):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)


@pytest.fixture
def trader(client):
    client.force_login(person("trader", name="tara"))
    return client


def act(client, action: str, *rows: StrategyEntry):
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(LIST, data, follow=True)


def said(answer) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def shown(client, text: str, **file: Any):
    return client.post(f"{LIST}import/", {"text": text} | file)


def hidden(answer) -> dict[str, str]:
    found = re.findall(r'type="hidden" name="(text|what|seen)" value="([^"]*)"', answer.content.decode())
    return {name: unescape(value) for name, value in found}


def table(*rows: str) -> str:
    return "\n".join((HEADER, *rows)) + "\n"


# --- a day ----------------------------------------------------------------------------------------------------------------


def test_a_day_shows_its_entries_with_expiry_and_state(trader):
    known_calendar()
    make.StrategyEntryFactory.create(portfolio="DUE", entry_time=time(9, 16))
    make.StrategyEntryFactory.create(portfolio="OFF", entry_time=time(9, 30), active=False)
    make.StrategyEntryFactory.create(portfolio="TOMORROWS", dte=4)
    left_out = make.StrategyEntryFactory.create(portfolio="LEFT OUT", entry_time=time(10), exit_time=None)
    SkippedEntry.objects.create(entry=left_out, day=make.TUESDAY, by="tara", at=NOW)
    answer = trader.get(f"{LIST}day/")
    assert [(line.portfolio, line.state) for line in answer.context["lines"]] == [
        ("DUE", "due"),
        ("OFF", "switched off"),
        ("LEFT OUT", "skipped"),
    ]
    assert "Tuesday 01-Dec-2026" in answer.content.decode()


def test_another_day_is_reached_by_its_date_and_a_wrong_date_shows_today(trader):
    known_calendar()
    make.StrategyEntryFactory.create(dte=1)
    assert len(trader.get(f"{LIST}day/?day=2026-11-30").context["lines"]) == 1
    assert trader.get(f"{LIST}day/?day=2026-11-29").context["lines"] == ()  # a Sunday
    for wrong in ("yesterday", "2026-13-01", "9999-12-31", "0001-01-01"):
        answer = trader.get(f"{LIST}day/?day={wrong}")
        assert answer.context["day"] == make.TUESDAY
        assert "That is no date" in answer.content.decode()
    assert "are not known" in trader.get(f"{LIST}day/?day=2031-01-01").content.decode()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"entry_time": time(9, 16, 59)}, "enters within a minute of B"),
        ({"entry_time": time(9, 0), "exit_time": time(9, 15, 1)}, "exit of B"),
        ({"entry_time": time(9, 17)}, ""),
        ({"entry_time": time(9, 16), "index": Index.SENSEX.value}, ""),
        ({"entry_time": time(9, 16), "dte": 1}, ""),
    ],
)
def test_entries_that_meet_within_a_minute_are_told(other, words):
    own = make.StrategyEntryFactory.build(portfolio="A", entry_time=time(9, 16))
    found = oddities([own, make.StrategyEntryFactory.build(portfolio="B", **other)])
    assert words in " ".join(found.get("A", ()))
    assert bool(found.get("A")) is bool(words)


def test_a_weekday_that_is_not_the_days_is_told(trader):
    own = make.StrategyEntryFactory.build(weekday=1)
    assert not oddities([own], day=make.TUESDAY)
    assert "written down for Tuesday" in oddities([own], day=date(2026, 12, 2))[own.portfolio][0]


# --- skips and switches ---------------------------------------------------------------------------------------------------


def test_an_entry_that_is_skipped_today_is_due_again_on_its_next_day(trader):
    known_calendar()
    row = make.StrategyEntryFactory.create()
    other = make.StrategyEntryFactory.create(entry_time=time(9, 30))
    assert "1 skipped on 2026-12-01." in said(act(trader, "skip_today", row))
    assert "0 skipped" in said(act(trader, "skip_today", row))
    calendar = load_calendar()
    assert [entry.portfolio for entry in entries_on(make.TUESDAY, calendar)] == [other.portfolio]
    assert len(entries_on(date(2026, 12, 8), calendar)) == 2
    assert "skipped today" in trader.get(LIST).content.decode()
    assert "1 due again" in said(act(trader, "due_today", row, other))
    assert len(entries_on(make.TUESDAY, calendar)) == 2
    changes = [facts["change"] for facts in AuditEvent.objects.order_by("id").values_list("facts", flat=True)]
    assert changes == ["Skipped on 2026-12-01.", "Due again on 2026-12-01."]


def test_the_list_tells_of_times_that_hold_today_alone(trader):
    known_calendar()
    moved = make.StrategyEntryFactory.create(portfolio="MOVED")
    MovedEntry.objects.create(entry=moved, day=make.TUESDAY, entry_time=time(11), by="tara", at=NOW)

    assert "today 11:00:00 → held to expiry" in trader.get(LIST).content.decode()


def test_without_a_clock_nobody_knows_which_day_to_skip(trader, monkeypatch):
    row = make.StrategyEntryFactory.create()
    monkeypatch.setattr(clock, "market_clock", lambda: StoppedClock(away=True))
    assert "nobody answers" in said(act(trader, "skip_today", row))
    assert not SkippedEntry.objects.exists()


def test_a_switch_is_written_down_for_each_entry_that_it_changed(trader):
    on, off = make.StrategyEntryFactory.create(), make.StrategyEntryFactory.create(active=False)
    assert "1 switched off." in said(act(trader, "switch_off", on, off))
    assert "2 switched on." in said(act(trader, "switch_on", on, off))
    assert StrategyEntry.objects.filter(active=True).count() == 2
    assert AuditEvent.objects.filter(event="admin_changed").count() == 3


@pytest.mark.parametrize("action", ["switch_off", "skip_today", "due_today"])
def test_an_operator_changes_no_timetable(client, action):
    row = make.StrategyEntryFactory.create()
    client.force_login(person("operator"))
    act(client, action, row)
    assert not SkippedEntry.objects.exists()
    assert StrategyEntry.objects.get().active


# --- edits ----------------------------------------------------------------------------------------------------------------


def bulk(client, *rows: StrategyEntry, **changes: str):
    data: dict[str, Any] = {"form-TOTAL_FORMS": len(rows), "form-INITIAL_FORMS": len(rows), "_save": "Save"}
    for number, row in enumerate(rows):
        data |= {
            f"form-{number}-id": row.pk,
            f"form-{number}-entry_time": str(row.entry_time),
            f"form-{number}-exit_time": str(row.exit_time or ""),
            f"form-{number}-active": "on",
            f"initial-form-{number}-entry_time": str(row.entry_time),
            f"initial-form-{number}-exit_time": str(row.exit_time or ""),
            f"initial-form-{number}-active": str(row.active),
        }
    return client.post(LIST, data | {name.replace("__", "-"): value for name, value in changes.items()}, follow=True)


def test_entries_are_edited_in_bulk_in_the_list_and_the_version_before_is_kept(trader):
    rows = [make.StrategyEntryFactory.create(entry_time=time(9 + n, 16), exit_time=time(14)) for n in range(2)]
    bulk(trader, *rows, form__0__entry_time="09:20:00", form__1__exit_time="")
    assert list(StrategyEntry.objects.order_by("id").values_list("entry_time", "exit_time")) == [
        (time(9, 20), time(14)),
        (time(10, 16), None),
    ]
    version = TimetableVersion.objects.get()
    assert (version.by, version.entries) == ("tara", 2)
    assert "09:16:00" in version.content


def test_a_bulk_edit_that_exits_before_its_entry_is_refused(trader):
    row = make.StrategyEntryFactory.create()
    assert bulk(trader, row, form__0__exit_time="09:00:00").context["cl"].formset.errors[0]
    row.refresh_from_db()
    assert row.exit_time == time(14, 15)


def shown_list(client) -> dict[str, str]:
    """Return what a browser sends back of the list as it was shown."""
    formset = client.get(LIST).context["cl"].formset
    data = sent_back(formset.management_form)
    for form in formset.forms:
        data |= sent_back(form)
    return data | {"_save": "Save"}


def field_of(data: dict[str, str], row: StrategyEntry, name: str) -> str:
    prefix = next(key for key, value in data.items() if key.endswith("-id") and value == str(row.pk))
    return f"{prefix.removesuffix('-id')}-{name}"


def test_a_list_that_stood_open_takes_no_other_persons_change_back(trader):
    other = make.StrategyEntryFactory.create(portfolio="A", entry_time=time(10, 20), exit_time=time(14))
    own = make.StrategyEntryFactory.create(portfolio="B", entry_time=time(11, 20), exit_time=time(14))
    data = shown_list(trader)
    StrategyEntry.objects.filter(pk=other.pk).update(entry_time=time(10, 14))
    StrategyEntry.objects.filter(pk=own.pk).update(exit_time=time(15))  # of the same row, another field
    trader.post(LIST, data | {field_of(data, own, "entry_time"): "11:30:00"}, follow=True)
    other.refresh_from_db()
    own.refresh_from_db()
    assert other.entry_time == time(10, 14)
    assert (own.entry_time, own.exit_time) == (time(11, 30), time(15))
    (line,) = LogEntry.objects.filter(object_id=str(own.pk))
    assert "11:20:00 → 11:30:00" in line.get_change_message()
    assert "xit" not in line.get_change_message()
    assert not LogEntry.objects.filter(object_id=str(other.pk)).exists()


def test_a_field_that_somebody_else_changed_meanwhile_is_refused_and_says_what_it_is(trader):
    row = make.StrategyEntryFactory.create(entry_time=time(10, 20), exit_time=time(14))
    data = shown_list(trader)
    StrategyEntry.objects.update(entry_time=time(10, 14))
    answer = trader.post(LIST, data | {field_of(data, row, "entry_time"): "10:30:00"}, follow=True)
    (errors,) = answer.context["cl"].formset.errors
    assert "to 10:14:00" in errors["entry_time"][0]
    row.refresh_from_db()
    assert row.entry_time == time(10, 14)


def test_two_people_who_want_the_same_are_not_in_each_others_way(trader):
    row = make.StrategyEntryFactory.create(entry_time=time(10, 20), exit_time=time(14))
    data = shown_list(trader)
    StrategyEntry.objects.update(entry_time=time(10, 30))
    answer = trader.post(LIST, data | {field_of(data, row, "entry_time"): "10:30:00"}, follow=True)
    assert "1 strategy entry was changed" in said(answer)


def test_a_page_that_stood_open_is_judged_with_what_others_wrote(trader):
    row = make.StrategyEntryFactory.create(entry_time=time(10, 20), exit_time=time(14))
    data = shown_list(trader)
    StrategyEntry.objects.update(exit_time=time(11))
    answer = trader.post(LIST, data | {field_of(data, row, "entry_time"): "12:00:00"}, follow=True)
    assert answer.context["cl"].formset.errors[0]  # the exit is before it by now
    row.refresh_from_db()
    assert row.entry_time == time(10, 20)


ENTRY_FORM = {
    "portfolio": "OWN",
    "index": "NIFTY",
    "dte": "0",
    "weekday": "1",
    "entry_time": "09:16:00",
    "exit_time": "14:15:00",
    "active": "on",
}


@pytest.mark.parametrize(
    "legs",
    [
        '[{"right": "CE", "side": "SELL"}]',
        '[{"right": "CALL", "side": "SELL", "offset": 0, "lots": 1}]',
        '[{"right": "CE", "side": "SELL", "offset": 0, "lots": 1}, {"right": "PE"}]',
        '[{"right": "CE", "side": "SELL", "offset": 0, "lots": -1}]',
        '[{"right": "CE", "side": "SELL", "offset": 0, "lots": 0}]',
        '[{"right": "CE", "side": "SELL", "offset": 0, "lots": 1.5}]',
        '{"right": "CE"}',
        "{}x",
        "[]",
        '"x"',
        "7",
    ],
)
def test_legs_that_are_none_are_refused_at_their_field(trader, legs):
    row = make.StrategyEntryFactory.create(portfolio="OWN")
    for page in (f"{row.pk}/change", "add"):
        answer = trader.post(f"{LIST}{page}/", ENTRY_FORM | {"legs": legs})
        assert "legs" in answer.context["adminform"].form.errors
    assert StrategyEntry.objects.get().legs == row.legs


@pytest.fixture
def bad(trader):
    known_calendar()
    return make.StrategyEntryFactory.create(
        portfolio="BAD", entry_time=time(14), exit_time=None, legs=[{"right": "CE"}]
    )


def test_an_entry_with_bad_legs_can_be_switched_off_in_the_list(trader, bad):
    data = shown_list(trader)
    del data[field_of(data, bad, "active")]
    trader.post(LIST, data, follow=True)
    bad.refresh_from_db()
    assert not bad.active


def test_an_entry_with_bad_legs_is_mended_on_its_page_and_the_version_before_shows_them(trader, bad):
    legs = '[{"right": "PE", "side": "SELL", "offset": 0, "lots": 2}]'
    trader.post(f"{LIST}{bad.pk}/change/", ENTRY_FORM | {"portfolio": "BAD", "legs": legs}, follow=True)
    bad.refresh_from_db()
    assert bad.legs[0]["lots"] == 2
    assert "{" in TimetableVersion.objects.get().content


@pytest.mark.parametrize("page", ["day", "export", "import"])
def test_the_pages_of_the_timetable_are_shown_beside_bad_legs(trader, bad, page):
    answer = trader.get(f"{LIST}{page}/")
    assert answer.status_code == 200
    if page == "day":
        assert "the legs of BAD cannot be read" in unescape(answer.content.decode())


def test_a_viewer_sees_the_list_without_fields_and_cannot_send_any(client):
    row = make.StrategyEntryFactory.create()
    client.force_login(person("viewer"))
    assert b"form-0-entry_time" not in client.get(LIST).content
    bulk(client, row, form__0__entry_time="10:00:00")
    row.refresh_from_db()
    assert row.entry_time == time(9, 16)
    assert not TimetableVersion.objects.exists()


def test_an_edit_warns_of_what_is_odd_now_and_keeps_the_version_before(trader):
    make.StrategyEntryFactory.create(portfolio="OTHER", entry_time=time(9, 30))
    row = make.StrategyEntryFactory.create(portfolio="OWN")
    data = {
        "portfolio": "OWN",
        "index": "NIFTY",
        "dte": "0",
        "weekday": "1",
        "entry_time": "09:30:00",
        "exit_time": "14:15:00",
        "legs": '[{"right": "CE", "side": "SELL", "offset": 0, "lots": 1}]',
        "active": "on",
    }
    answer = trader.post(f"{LIST}{row.pk}/change/", data, follow=True)
    assert "OWN enters within a minute of OTHER" in said(answer)
    assert TimetableVersion.objects.count() == 1


@pytest.mark.parametrize("several", [True, False])
def test_what_is_deleted_can_be_restored_from_the_version_before(trader, several):
    row = make.StrategyEntryFactory.create(portfolio="GONE")
    if several:
        trader.post(LIST, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    else:
        trader.post(f"{LIST}{row.pk}/delete/", {"post": "yes"})
    assert not StrategyEntry.objects.exists()
    version = TimetableVersion.objects.get()
    assert "Compare and restore" in trader.get(f"{LIST}import/").content.decode()
    page = trader.get(f"{LIST}import/?version={version.pk}")
    assert [line.fate for line in page.context["lines"]] == ["new"]
    trader.post(f"{LIST}import/", hidden(page))
    assert StrategyEntry.objects.get().portfolio == "GONE"


@pytest.mark.parametrize("version", ["0", "x", "-1", "99999"])
def test_a_version_that_is_not_there_is_told(trader, version):
    assert "there is no such version" in trader.get(f"{LIST}import/?version={version}").content.decode()


# --- import ---------------------------------------------------------------------------------------------------------------


def test_bad_rows_are_named_by_line_value_and_fix_and_the_text_is_kept(trader):
    TradingDay.objects.create(day=make.TUESDAY, is_open=True)
    text = table(GOOD, "Tuesday,NIFTY,0DTE,ITJ 2,25:00,", "Tuesday,NIFTEE,0DTE,ITJ 3,09:20,")
    answer = shown(trader, text)
    problems = [(problem.line, problem.column) for problem in answer.context["problems"]]
    assert problems == [(3, "entry_time"), (4, "index")]
    page = unescape(answer.content.decode())
    assert "'25:00' is not a time" in page
    assert "write one of NIFTY" in page
    assert text.strip() in page
    assert not StrategyEntry.objects.exists()


def test_a_file_is_shown_row_by_row_and_imported_as_it_was_shown(trader):
    make.StrategyEntryFactory.create(portfolio="ITJ 1", entry_time=time(9, 20), exit_time=None)
    make.StrategyEntryFactory.create(portfolio="KEPT", entry_time=time(13, 0))
    file = SimpleUploadedFile("t.csv", table(GOOD, GOOD.replace("ITJ 1", "ITJ 2")).encode())
    page = shown(trader, "", file=file)
    assert [(line.line, line.portfolio, line.fate) for line in page.context["lines"]] == [
        (2, "ITJ 1", "changed"),
        (3, "ITJ 2", "new"),
    ]
    text = page.content.decode()
    assert "entry_time 09:20:00 → 09:16:00" in text
    assert "Kept, not in the file: KEPT" in text
    assert "enters within a minute of" in text
    assert StrategyEntry.objects.count() == 2
    assert "Imported t.csv: 1 added, 1 changed." in said(trader.post(f"{LIST}import/", hidden(page), follow=True))
    assert StrategyEntry.objects.get(portfolio="ITJ 1").entry_time == time(9, 16)
    assert TimetableVersion.objects.get().before == "the import of t.csv"
    assert AuditEvent.objects.filter(event__in=("admin_added", "admin_changed")).count() == 2


def test_a_second_click_imports_nothing_and_says_that_it_is_done(trader):
    form = hidden(shown(trader, table(GOOD)))
    trader.post(f"{LIST}import/", form)
    again = trader.post(f"{LIST}import/", form)
    assert "has changed since you looked" in said(again)
    assert "says this already" in again.content.decode()
    assert StrategyEntry.objects.count() == 1


def test_an_import_that_would_do_something_else_by_now_does_nothing(trader):
    make.StrategyEntryFactory.create(portfolio="ITJ 1", entry_time=time(9, 20))
    form = hidden(shown(trader, table(GOOD)))
    StrategyEntry.objects.update(entry_time=time(9, 25))
    trader.post(f"{LIST}import/", form)
    assert StrategyEntry.objects.get().entry_time == time(9, 25)


def test_a_text_that_was_changed_on_its_way_is_judged_anew(trader):
    form = hidden(shown(trader, table(GOOD)))
    assert trader.post(f"{LIST}import/", form | {"text": "nonsense"}).context["problems"]
    assert not StrategyEntry.objects.exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\xff\xfeh\x00", "neither CSV in UTF-8"),
        (b"PK\x03\x04broken", "no workbook that can be read"),
        (b"x" * 1_000_001, "more than 1,000,000"),
    ],
)
def test_a_file_that_is_no_timetable_is_refused_in_words(trader, data, words):
    page = shown(trader, "", file=SimpleUploadedFile("t.csv", data)).content.decode()
    assert words in page
    assert "Nothing was imported" in page or "errorlist" in page


def test_neither_file_nor_text_is_asked_for(trader):
    assert "Choose a file, or paste its text" in shown(trader, " ").content.decode()


def test_the_seed_is_shown_before_it_is_written(trader):
    seed_reference_data()
    page = trader.get(f"{LIST}seed/")
    assert len(page.context["found"].report.added) == 36
    assert not StrategyEntry.objects.exists()
    trader.post(f"{LIST}import/", hidden(page))
    assert StrategyEntry.objects.count() == 36
    assert trader.get(f"{LIST}seed/").context["found"].is_nothing


def test_an_export_is_read_back_as_it_was(trader):
    make.StrategyEntryFactory.create(active=False, exit_time=None)
    file = trader.get(f"{LIST}export/")
    assert file["Content-Disposition"] == 'attachment; filename="timetable.csv"'
    assert shown(trader, file.content.decode()).context["found"].is_nothing


@pytest.mark.parametrize(("page", "status"), [("day", 200), ("export", 200), ("import", 403), ("seed", 403)])
def test_a_viewer_looks_and_brings_nothing(client, page, status):
    client.force_login(person("viewer"))
    assert client.get(f"{LIST}{page}/").status_code == status


# --- Excel ----------------------------------------------------------------------------------------------------------------

STRINGS = (*HEADER.split(","), "Tuesday", "NIFTY", "0DTE", "ITJ 1")
SEED_MOMENT = timedelta(hours=9, minutes=16) / timedelta(days=1)


def workbook(cells: str, strings: str | None = None) -> bytes:
    if strings is None:
        strings = "<sst>" + "".join(f"<si><t>{text}</t></si>" for text in STRINGS) + "</sst>"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr("xl/worksheets/sheet1.xml", f"<worksheet><sheetData>{cells}</sheetData></worksheet>")
        book.writestr("xl/sharedStrings.xml", strings)
    return out.getvalue()


HEADER_CELLS = "<row>" + "".join(f'<c r="{"ABCDEF"[n]}1" t="s"><v>{n}</v></c>' for n in range(6)) + "</row>"
ROW_CELLS = "".join(f'<c r="{"ABCD"[n]}3" t="s"><v>{6 + n}</v></c>' for n in range(4))
TIMES = f'<c r="E3"><v>{SEED_MOMENT}</v></c><c r="F3" t="inlineStr"><is><t>14:15</t></is></c>'


def test_a_workbook_is_read_with_times_of_day_and_empty_rows(trader):
    data = workbook(HEADER_CELLS + f"<row>{ROW_CELLS}{TIMES}</row>")
    page = shown(trader, "", file=SimpleUploadedFile("t.xlsx", data))
    (row,) = page.context["found"].rows
    assert (row.line, row.portfolio, row.entry_time, row.exit_time) == (3, "ITJ 1", time(9, 16), time(14, 15))


@pytest.mark.parametrize(
    ("cells", "strings", "words"),
    [
        ('<c r="A1" t="s"><v>99</v></c>', None, "names a text that is not there"),
        ("<c><v>1</v></c>", None, "does not say where it stands"),
        ('<c r="A99999"><v>1</v></c>', None, "beyond any timetable"),
        ('<c r="ZZ1"><v>1</v></c>', None, "beyond any timetable"),
        ("", '<!DOCTYPE x [<!ENTITY a "b">]><sst><si><t>&a;</t></si></sst>', "declares entities"),
        ("", "<sst><broken", "no workbook that can be read"),
        ("", None, "no entry"),
    ],
)
def test_a_workbook_that_is_none_is_refused_in_words(trader, cells, strings, words):
    data = workbook(cells, strings)
    assert words in unescape(shown(trader, "", file=SimpleUploadedFile("t.xlsx", data)).content.decode())


def test_an_archive_without_a_sheet_is_refused(trader):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr("readme.txt", "no sheet")
    assert "holds no sheet" in shown(trader, "", file=SimpleUploadedFile("t.xlsx", out.getvalue())).content.decode()


def test_a_workbook_that_unpacks_to_more_than_any_timetable_is_refused(trader):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/worksheets/sheet1.xml", b" " * 20_000_001)
    assert (
        "more than any timetable"
        in shown(trader, "", file=SimpleUploadedFile("t.xlsx", out.getvalue())).content.decode()
    )


def test_the_first_tab_is_read_wherever_it_stands_in_the_archive():
    order = '<sheet name="new" sheetId="2" r:id="rId2"/><sheet name="old" sheetId="1" r:id="rId1"/>'
    files = "".join(f'<Relationship Id="rId{n}" Target="worksheets/sheet{n}.xml"/>' for n in (1, 2))
    row = f"{HEADER_CELLS}<row>{ROW_CELLS}{TIMES}</row>"
    out = io.BytesIO(workbook(row))
    with zipfile.ZipFile(out, "a") as book:
        book.writestr(
            "xl/worksheets/sheet2.xml", f"<worksheet><sheetData>{row.replace('14:15', '15:15')}</sheetData></worksheet>"
        )
        book.writestr("xl/workbook.xml", f"<workbook><sheets>{order}</sheets></workbook>".replace("r:id", "id"))
        book.writestr("xl/_rels/workbook.xml.rels", f"<Relationships>{files}</Relationships>")
    assert "15:15" in excel.csv_of(out.getvalue())


@pytest.mark.parametrize("name", ["007", "1E5", "1.50"])
def test_a_text_that_looks_like_a_number_stays_as_it_was_written(name):
    strings = "<sst>" + "".join(f"<si><t>{text}</t></si>" for text in (*STRINGS[:-1], name)) + "</sst>"
    assert f",{name}," in excel.csv_of(workbook(HEADER_CELLS + f"<row>{ROW_CELLS}{TIMES}</row>", strings))


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_tab_that_nobody_sees_is_not_the_first(state):
    order = f'<sheet name="lists" sheetId="2" state="{state}" id="rId2"/><sheet name="mine" sheetId="1" id="rId1"/>'
    files = "".join(f'<Relationship Id="rId{n}" Target="worksheets/sheet{n}.xml"/>' for n in (1, 2))
    out = io.BytesIO(workbook(f"{HEADER_CELLS}<row>{ROW_CELLS}{TIMES}</row>"))
    with zipfile.ZipFile(out, "a") as book:
        book.writestr("xl/worksheets/sheet2.xml", "<worksheet><sheetData/></worksheet>")
        book.writestr("xl/workbook.xml", f"<workbook><sheets>{order}</sheets></workbook>")
        book.writestr("xl/_rels/workbook.xml.rels", f"<Relationships>{files}</Relationships>")
    assert "14:15" in excel.csv_of(out.getvalue())
