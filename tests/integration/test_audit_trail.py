"""The audit trail in the database: chained as transactions commit, refused to change, verified, exported."""

from __future__ import annotations

import csv
import json
import stat
import threading
from datetime import date, time, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections, transaction
from django.db.utils import DatabaseError

from hedging.engine import audit
from hedging.engine.modes import switch_mode
from hedging.engine.states import Act
from hedging.engine.timetable import change_entry
from hedging.models import AuditEvent, AuditLink
from hedging.selectors import trail
from sessions_app.models import Mode, TradingSession
from tests import factories as make

WRITERS, LINES = 8, 12


def write(session: Any, event: str = "order_filled", **fields: Any) -> AuditEvent:
    fields = {"at": make.OPEN, "wall_at": make.OPEN, "actor": "engine", "subject": session} | fields
    return audit.append(account_id=session.account_id, session_id=session.pk, event=event, **fields)


def switched(session: TradingSession, to: Mode, *, minute: int) -> TradingSession:
    now = make.ist(9, minute)
    found = switch_mode(account=session.account, to=to, now=now, wall_now=now, actor="operator", reason="trying")
    assert found is not None
    return found


def commit() -> None:
    """Link what was written in this test's transaction, as its commit would."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def verified() -> dict[str, Any]:
    out = StringIO()
    call_command("audit", "verify", "--json", stdout=out)
    return dict(json.loads(out.getvalue()))


@pytest.mark.django_db
def test_every_line_is_linked_when_its_transaction_commits_and_the_chain_verifies():
    session = make.TradingSessionFactory.create()
    lines = [write(session, f"event_{n}", facts={"n": n, "rupees": "4.05", "share": 0.1}) for n in range(4)]
    assert not AuditLink.objects.exists()
    commit()
    links = AuditLink.objects.order_by("sequence")
    assert [(link.event_id, link.sequence) for link in links] == [(line.pk, n) for n, line in enumerate(lines, 1)]
    assert verified() == {"lines": 4, "breaks": 0, "head": links[3].hash, "shown": []}


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_make_one_chain_and_none_waits_for_anothers_work():
    """Each holds its own row's lock while it writes, in opposite orders: a chain lock taken early would be a deadlock."""
    sessions = [make.TradingSessionFactory.create() for _ in range(2)]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for n in range(LINES):
                with transaction.atomic():
                    first, second = sessions if (number + n) % 2 else sessions[::-1]
                    write(first, f"writer_{number}")
                    type(first).objects.select_for_update(of=("self",), no_key=True).get(pk=first.pk)
                    write(second, f"writer_{number}")
        except Exception as failure:  # noqa: BLE001 - told by the main thread
            failures.append(failure)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    sequences = list(AuditLink.objects.order_by("sequence").values_list("sequence", flat=True))
    assert sequences == list(range(1, 2 * WRITERS * LINES + 1))
    assert verified()["breaks"] == 0


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_fails_leaves_neither_a_line_nor_a_gap():
    session = make.TradingSessionFactory.create()
    write(session, "before")
    with transaction.atomic():
        write(session, "undone")
        transaction.set_rollback(True)
    write(session, "after")
    assert [stored.line.event for stored in trail.chained_lines()] == ["before", "after"]
    assert verified()["breaks"] == 0


@pytest.mark.django_db
@pytest.mark.parametrize("change", ["UPDATE hedging_auditlink SET hash = 'x'", "DELETE FROM hedging_auditlink"])
def test_the_database_refuses_to_change_a_link(change):
    write(make.TradingSessionFactory.create())
    commit()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "tables", ["hedging_auditevent CASCADE", "hedging_auditlink", "hedging_adjustment", "sessions_app_account CASCADE"]
)
def test_the_database_refuses_to_empty_what_is_append_only(tables):
    write(make.TradingSessionFactory.create())
    commit()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables}")
    assert AuditLink.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_who_gets_round_the_trigger_is_found_out():
    session = make.TradingSessionFactory.create()
    lines = [write(session, f"event_{n}") for n in range(4)]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE hedging_auditevent DISABLE TRIGGER audit_is_append_only")
        cursor.execute("UPDATE hedging_auditevent SET actor = 'nobody' WHERE id = %s", [lines[1].pk])
        cursor.execute("ALTER TABLE hedging_auditevent ENABLE TRIGGER audit_is_append_only")
    out = StringIO()
    with pytest.raises(CommandError, match="broken in 1 places") as refused:
        call_command("audit", "verify", stdout=out)
    assert refused.value.returncode == 1
    assert f"event {lines[1].pk}" in out.getvalue()


@pytest.mark.django_db
def test_an_end_that_was_cut_off_is_found_by_the_head_that_was_noted_down():
    session = make.TradingSessionFactory.create()
    write(session)
    commit()
    kept = trail.chain_head().hash
    call_command("audit", "verify", "--head", kept, stdout=StringIO())
    with pytest.raises(CommandError):
        call_command("audit", "verify", "--head", "f" * 64, stdout=StringIO())


@pytest.mark.django_db
def test_export_writes_the_days_asked_for_and_prints_the_head(tmp_path):
    session = make.TradingSessionFactory.create()
    for days in (0, 1, 2):
        write(session, f"day_{days}", at=make.ist(0, 0, 0) + timedelta(days=days), actor="=SUM(A1)")
    commit()
    lines, table = tmp_path / "trail.jsonl", tmp_path / "trail.csv"
    out = StringIO()
    call_command("audit", "export", "--from", "2026-12-02", "--to", "2026-12-02", str(lines), stdout=out)
    (row,) = [json.loads(line) for line in lines.read_text().splitlines()]
    assert (row["event"], row["at"], row["sequence"]) == ("day_1", "2026-12-02T00:00:00.000000+05:30", 2)
    assert trail.chain_head().hash in out.getvalue()
    assert stat.S_IMODE(lines.stat().st_mode) == 0o600

    call_command("audit", "export", "--csv", str(table), stdout=StringIO())
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["event"] for row in rows] == ["day_0", "day_1", "day_2"]
    assert rows[0]["actor"] == "'=SUM(A1)"  # a cell, not a formula
    assert json.loads(rows[0]["facts"])["changes"]


@pytest.mark.django_db
def test_export_overwrites_nothing_and_leaves_no_half_file(tmp_path):
    there = tmp_path / "trail.jsonl"
    there.write_text("mine")
    with pytest.raises(CommandError, match="there already"):
        call_command("audit", "export", str(there), stdout=StringIO())
    assert there.read_text() == "mine"
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("audit", "export", str(tmp_path / "no folder" / "x"), stdout=StringIO())
    assert [path.name for path in tmp_path.iterdir()] == ["trail.jsonl"]


@pytest.mark.django_db
def test_a_stream_of_lines_keeps_no_more_than_a_chunk_in_memory(monkeypatch):
    session = make.TradingSessionFactory.create()
    for n in range(7):
        write(session, f"event_{n}")
    commit()
    monkeypatch.setattr(trail, "CHUNK", 2)
    lines = trail.chained_lines(first=date(2026, 12, 1))
    assert next(lines).sequence == 1
    assert [line.sequence for line in lines] == [2, 3, 4, 5, 6, 7]


@pytest.mark.django_db
def test_replay_finds_what_was_changed_without_a_line():
    session = make.TradingSessionFactory.create()
    write(session, "session_opened")
    out = StringIO()
    call_command("audit", "replay", "--json", stdout=out)
    assert json.loads(out.getvalue())["differences"] == 0
    type(session).objects.filter(pk=session.pk).update(automation=False)
    with pytest.raises(CommandError, match="1 differences"):
        call_command("audit", "replay", stdout=StringIO())
    write(session, "automation_off")
    call_command("audit", "replay", "--session", str(session.pk), stdout=StringIO())


@pytest.mark.django_db
def test_replay_finds_a_row_that_the_trail_does_not_know():
    session = make.TradingSessionFactory.create()
    write(session, "session_opened")
    make.HedgeTransactionFactory.create(decision__session=session)
    with pytest.raises(CommandError, match="1 differences"):
        call_command("audit", "replay", stdout=StringIO())


@pytest.mark.django_db
def test_replay_judges_a_session_that_a_switch_of_mode_opened():
    left = make.TradingSessionFactory.create()
    write(left, "session_opened")
    paper = switched(left, Mode.DRY_RUN, minute=30)
    assert switched(left, Mode.LIVE, minute=40) == left
    assert trail.told_sessions() == [left.pk, paper.pk]
    call_command("audit", "replay", stdout=StringIO())
    for session in (paper, left):
        TradingSession.objects.filter(pk=session.pk).update(spent=Decimal(12345))
        with pytest.raises(CommandError, match="1 differences"):
            call_command("audit", "replay", "--session", str(session.pk), stdout=StringIO())


@pytest.mark.django_db
def test_a_switch_that_opens_a_session_again_does_not_tell_its_beginning():
    """What was bought in it before is not in the trail, and would be a difference that nobody made."""
    left = make.TradingSessionFactory.create()
    make.TradingSessionFactory.create(account=left.account, mode=Mode.DRY_RUN, closed=True)
    switched(left, Mode.DRY_RUN, minute=30)
    assert trail.told_sessions() == []
    out = StringIO()
    call_command("audit", "replay", "--json", stdout=out)
    found = json.loads(out.getvalue())
    assert (found["sessions"], found["unjudged"]) == (0, 2)


@pytest.mark.django_db
def test_replay_of_a_session_that_cannot_be_judged_says_so():
    untold = make.TradingSessionFactory.create()
    for pk in (untold.pk, 0):
        with pytest.raises(CommandError, match=f"session {pk} was not judged") as refused:
            call_command("audit", "replay", "--session", str(pk), stdout=StringIO())
        assert refused.value.returncode == 1


@pytest.mark.django_db
def test_replay_reads_no_row_out_of_a_line_of_the_timetable():
    """Such a line tells the entry's columns as before and after, under the name that a session's line has for its rows."""
    session, entry = make.TradingSessionFactory.create(), make.StrategyEntryFactory.create()
    write(session, "session_opened")
    act = Act(actor="tara", reason="", now=make.OPEN, wall_now=make.OPEN)
    assert change_entry(entry=entry, fields={"active": False, "entry_time": time(10, 20)}, act=act)
    call_command("audit", "replay", stdout=StringIO())
