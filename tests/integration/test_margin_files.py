"""Margin files end to end: the command, the upload, the task; and nothing changes when a file is refused."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from hedging.domain.instruments import Index
from schedule.margin_files import importing, uploads
from schedule.margin_files.importing import import_margin_file
from schedule.margin_files.refusal import MarginFileRefused
from schedule.margin_files.span_xml import parse_span
from schedule.models import MarginFile, MarginParameters
from schedule.seed import seed_reference_data
from schedule.tasks import import_margin_file as task
from tests.people import person
from tests.unit.span_files import BANKNIFTY, DAY, NIFTY, RELIANCE, SENSEX, elm_csv, span_xml

pytestmark = pytest.mark.django_db
NAME, ELM_NAME = "nsccl.20261201.i1.spn", "F_AEL_OPT_CONTRACTS_01122026.CSV"
SPAN = span_xml(RELIANCE, NIFTY, BANKNIFTY).encode("latin-1")
CUT = SPAN[: len(SPAN) // 2]
ADD = "admin:schedule_marginfile_add"


@pytest.fixture(autouse=True)
def _seed() -> None:
    seed_reference_data()


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """It is the morning of the file's day."""
    now = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    return now


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, settings: Any) -> None:
    """Uploads of one test are not seen by another."""
    settings.VAR_DIR = tmp_path


def imported(data: bytes | str, name: str = NAME, **options: Any):
    raw = data.encode() if isinstance(data, str) else data
    wanted: dict[str, Any] = {"by": "asha", "today": DAY} | options
    return import_margin_file(io.BytesIO(raw), name=name, **wanted)


def in_force(index: str = "NIFTY", day: date = DAY) -> MarginParameters:
    row = MarginParameters.objects.in_force(day=day).filter(index=index).first()
    assert isinstance(row, MarginParameters)
    return row


def everything() -> list[dict[str, Any]]:
    return list(MarginParameters.objects.order_by("id").values())


# --- rows ------------------------------------------------------------------------------------------------------------


def test_a_span_file_becomes_the_row_in_force_of_each_index_in_it():
    report = imported(SPAN)
    row = in_force()
    assert (row.effective_from, row.business_date, row.source, row.imported_by) == (DAY, DAY, NAME, "asha")
    assert (row.price_scan_pct, row.calendar_pct) == (Decimal("9.289"), Decimal("1.767"))
    assert (row.elm_pct, row.elm_deep_pct, row.rate_pct) == (
        Decimal(2),
        Decimal(3),
        Decimal("6.6"),
    )  # what the file says nothing of
    assert in_force("BANKNIFTY").price_scan_pct == Decimal("9.302")
    assert in_force("SENSEX").effective_from == date(2026, 1, 1)
    assert in_force(day=DAY - timedelta(days=1)).price_scan_pct == Decimal("9.3")
    assert [part.index for part in report.indices] == [Index.BANKNIFTY, Index.NIFTY]
    facts = row.as_facts()
    assert facts.price_scan_fraction == pytest.approx(0.09289)
    assert (facts.look_ahead_days, facts.extreme_move_share_pct, facts.long_dated_from_days) == (1, 35, 270)


def test_the_engine_is_proved_by_the_file_s_own_arrays():
    [_, nifty] = imported(SPAN).indices
    assert nifty.check is not None
    assert nifty.check["contracts"] > 80
    assert nifty.check["worst_pct"] < 0.01


def test_the_elm_file_of_the_day_joins_the_row_of_the_span_file():
    imported(SPAN)
    imported(elm_csv(deep=4, base=2.5), ELM_NAME, by="ravi")
    row = in_force()
    assert (row.elm_pct, row.elm_deep_pct, row.price_scan_pct) == (Decimal("2.5"), Decimal(4), Decimal("9.289"))
    assert (row.source, row.elm_source, row.imported_by) == (NAME, ELM_NAME, "ravi")
    assert MarginParameters.objects.filter(index="NIFTY").count() == 2
    assert row.as_facts().elm_deep_otm_pct == 4


def test_rates_are_carried_into_the_rows_of_later_span_files():
    imported(elm_csv(deep=4), ELM_NAME)
    imported(span_xml(NIFTY, day=date(2026, 12, 2)), "nsccl.20261202.i1.spn", today=date(2026, 12, 2))
    row = in_force(day=date(2026, 12, 2))
    assert (row.elm_deep_pct, row.elm_source, row.source) == (Decimal(4), ELM_NAME, "nsccl.20261202.i1.spn")


def test_a_later_file_of_the_same_day_replaces_its_figures_and_a_settlement_file_holds_from_the_next():
    imported(SPAN)
    wider = SPAN.replace(b"<priceScan>2234.01</priceScan>", b"<priceScan>2400.00</priceScan>")
    imported(wider, "nsccl.20261201.i3.spn")
    assert (in_force().source, in_force().price_scan_pct) == ("nsccl.20261201.i3.spn", Decimal("9.979"))
    assert imported(span_xml(NIFTY, settlement=True), "nsccl.20261201.s.spn").effective_from == date(2026, 12, 2)
    assert in_force().source == "nsccl.20261201.i3.spn"
    assert in_force(day=date(2026, 12, 2)).source == "nsccl.20261201.s.spn"
    assert MarginParameters.objects.filter(index="NIFTY").count() == 3


def test_an_old_file_does_not_come_into_force():
    imported(SPAN)
    old = date(2026, 11, 24)
    report = imported(span_xml(NIFTY, day=old), "nsccl.20261124.i1.spn")
    assert report.indices[0].newest_from == DAY
    assert in_force().source == NAME
    assert in_force(day=old).source == "nsccl.20261124.i1.spn"


def test_bse_s_file_speaks_of_sensex():
    imported(span_xml(SENSEX, house="ICCL"), "BSERISK20261201-00.XML")
    assert (in_force("SENSEX").price_scan_pct, in_force("SENSEX").source) == (Decimal("9.3"), "BSERISK20261201-00.XML")
    assert in_force("NIFTY").source == ""


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (CUT, NAME, "line [0-9]+: the file ends inside .* it is cut off"),
        (
            SPAN.replace(b"<priceScan>5488.30</priceScan>", b"<priceScan>54.88</priceScan>"),
            NAME,
            "BANKNIFTY: price scan",
        ),
        (span_xml(RELIANCE).encode(), NAME, "holds none of"),
        (gzip.compress(SPAN)[:-100], NAME, "packing is broken"),
        (elm_csv().encode()[:-9], ELM_NAME, "line [0-9]+: [0-9] cells, the lines before have 7"),
        (elm_csv().encode(), "rates.csv", "its name has no date"),
        (span_xml(NIFTY, day=date(2027, 3, 1)).encode(), NAME, "more than a month after today, 2026-12-01"),
    ],
)
def test_a_bad_file_changes_nothing(data, name, reason):
    imported(SPAN)
    before = everything()
    with pytest.raises(MarginFileRefused, match=reason):
        imported(data, name)
    assert everything() == before


def test_an_index_that_fails_takes_the_others_back(monkeypatch):
    """One transaction: BANKNIFTY was written when NIFTY turned out not to be writable."""
    MarginParameters.objects.create(index="NIFTY", effective_from=DAY, price_scan_pct=Decimal(12))
    before = everything()
    with pytest.raises(MarginFileRefused, match="the row of NIFTY from 2026-12-01 was written by hand"):
        imported(SPAN)
    assert everything() == before


def test_another_date_leaves_the_row_of_a_person_alone():
    MarginParameters.objects.create(index="NIFTY", effective_from=DAY, price_scan_pct=Decimal(12))
    imported(SPAN, effective_from=date(2026, 12, 3))
    assert in_force().price_scan_pct == 12
    assert in_force(day=date(2026, 12, 3)).price_scan_pct == Decimal("9.289")


def test_a_row_that_a_person_corrected_is_a_person_s(admin_client):
    imported(SPAN)
    row = in_force()
    fields = {name: getattr(row, name) for name in (*importing._FIGURES, "index", "effective_from")}
    admin_client.post(
        reverse("admin:schedule_marginparameters_change", args=[row.pk]), fields | {"price_scan_pct": "11"}
    )
    row.refresh_from_db()
    assert (row.price_scan_pct, row.source, row.business_date) == (Decimal(11), "", None)
    with pytest.raises(MarginFileRefused, match="written by hand"):
        imported(SPAN)
    assert in_force().price_scan_pct == 11


def test_a_dry_run_reports_the_same_and_writes_nothing():
    before = everything()
    report = imported(SPAN, dry_run=True)
    assert everything() == before
    assert report == imported(SPAN)


# --- the command -----------------------------------------------------------------------------------------------------


def write(folder: Path, data: bytes, name: str = NAME) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_the_command_imports_reports_and_shows_its_progress(tmp_path, capsys):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("nsccl.20261201.i01.spn", SPAN)
    call_command("margin_files", "import", str(write(tmp_path, out.getvalue(), "nsccl.20261201.i1.zip")))
    said = capsys.readouterr()
    assert "SPAN of 2026-12-01 holds from 2026-12-01" in said.out
    assert "price scan pct: 9.3 → 9.289" in said.out
    assert re.search(r"our arrays beside the file's, \d+ contracts: median 0.0 %", said.out)
    told = [int(line.removesuffix(" %")) for line in said.err.splitlines()]
    assert told == sorted(set(told))
    assert told[-1] >= 90
    row = MarginFile.objects.get()
    assert (row.status, row.percent, row.brought_by, row.problem) == ("done", 100, "the command line", "")
    assert in_force().imported_by == "the command line"


def test_the_command_refuses_with_line_and_reason_and_keeps_a_record(tmp_path):
    before = everything()
    with pytest.raises(CommandError, match=r"Nothing was imported from nsccl.20261201.i1.spn: line \d+: the file ends"):
        call_command("margin_files", "import", str(write(tmp_path, CUT)))
    assert everything() == before
    row = MarginFile.objects.get()
    assert row.status == "refused"
    assert re.fullmatch(r"line \d+: the file ends inside .*: it is cut off, get it again", row.problem)


def test_the_command_takes_a_date_and_speaks_json(tmp_path, capsys):
    path = write(tmp_path, elm_csv(deep=4).encode(), "rates.csv")
    call_command("margin_files", "import", str(path), "--date", "2026-12-01", "--json")
    report = json.loads(capsys.readouterr().out)
    assert (report["kind"], report["effective_from"]) == ("ELM", "2026-12-01")
    assert report["indices"][0]["changes"] == {"elm_deep_pct": ["3", "4"]}


def test_a_dry_run_of_the_command_leaves_no_trace(tmp_path, capsys):
    before = everything()
    call_command("margin_files", "import", str(write(tmp_path, SPAN)), "--dry-run")
    assert "would hold from 2026-12-01" in capsys.readouterr().out
    assert everything() == before
    assert not MarginFile.objects.exists()


def test_the_command_says_what_is_wrong_with_its_arguments(tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("margin_files", "import", str(tmp_path / "nowhere.spn"))
    with pytest.raises(CommandError, match="is not a date"):
        call_command("margin_files", "import", str(write(tmp_path, SPAN)), "--date", "01-12-2026")


def test_imports_are_listed(tmp_path, capsys):
    call_command("margin_files", "import", str(write(tmp_path, SPAN)))
    with pytest.raises(CommandError):
        call_command("margin_files", "import", str(write(tmp_path, CUT, "cut.spn")))
    capsys.readouterr()
    call_command("margin_files", "list")
    [newest, oldest] = capsys.readouterr().out.splitlines()
    assert "refused  cut.spn  line" in newest
    assert oldest.endswith(f"done     {NAME}")


# --- upload and task -------------------------------------------------------------------------------------------------


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[int]]]:
    sent: list[tuple[str, list[int]]] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args: sent.append((name, args)))
    return sent


@pytest.fixture
def upload(admin_client: Client, queued: Any, django_capture_on_commit_callbacks: Any):
    def send(data: bytes, name: str = NAME, **fields: str) -> MarginFile:
        with django_capture_on_commit_callbacks(execute=True):
            answer = admin_client.post(reverse(ADD), {"file": SimpleUploadedFile(name, data), **fields})
        row = MarginFile.objects.latest("id")
        assert answer.status_code == 302
        assert answer["Location"] == reverse("admin:schedule_marginfile_change", args=[row.pk])
        return row

    return send


def page_of(client: Client, row: MarginFile) -> str:
    answer = client.get(reverse("admin:schedule_marginfile_change", args=[row.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def kept() -> list[Path]:
    folder = Path(settings.VAR_DIR) / "uploads"
    return list(folder.iterdir()) if folder.exists() else []


def test_an_upload_is_handed_to_the_queue_and_its_page_follows_it(upload, queued, admin_client):
    row = upload(SPAN, effective_from="2026-12-03")
    assert queued == [(uploads.TASK, [row.pk])]
    assert (row.status, row.brought_by, row.size_bytes, row.name) == ("waiting", "admin", len(SPAN), NAME)
    page = page_of(admin_client, row)
    assert '<meta http-equiv="refresh" content="1">' in page
    assert '<progress max="100" value="0">' in page
    task(row.pk)
    row.refresh_from_db()
    assert (row.status, row.percent, row.stored_as) == ("done", 100, "")
    page = page_of(admin_client, row)
    assert "http-equiv" not in page
    assert "<progress" not in page
    assert "NIFTY: price scan pct 9.3 → 9.289" in page
    assert "our arrays beside the file&#x27;s" in page
    assert in_force(day=date(2026, 12, 3)).imported_by == "admin"
    assert in_force(day=DAY).source == ""
    assert kept() == []


def test_the_page_of_an_upload_has_no_script_of_its_own(upload, admin_client):
    page = page_of(admin_client, upload(SPAN))
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", page) == []


def test_while_it_is_read_the_row_says_how_far(upload, monkeypatch):
    monkeypatch.setattr("schedule.margin_files.opening.CHUNK_BYTES", 1_000)
    row = upload(SPAN)
    seen: list[int] = []
    real = parse_span

    def watched(chunks):
        def told():
            for chunk in chunks:
                seen.append(MarginFile.objects.get(pk=row.pk).percent)
                yield chunk

        return real(told())

    monkeypatch.setattr(importing, "parse_span", watched)
    task(row.pk)
    assert seen == sorted(seen)
    assert len(set(seen)) > 20
    assert MarginFile.objects.get(pk=row.pk).percent == 100


def test_a_refused_upload_says_why_and_changes_nothing(upload, admin_client):
    before = everything()
    row = upload(CUT)
    task(row.pk)
    row.refresh_from_db()
    assert row.status == "refused"
    assert re.match(r"line \d+: the file ends inside", row.problem)
    assert "Refused: nothing was changed" in page_of(admin_client, row)
    assert everything() == before
    assert kept() == []


def test_a_task_that_comes_twice_reads_once(upload):
    row = upload(SPAN)
    task(row.pk)
    rows = everything()
    MarginParameters.objects.filter(source=NAME).update(price_scan_pct=Decimal(11))
    task(row.pk)
    assert in_force().price_scan_pct == 11
    assert len(everything()) == len(rows)


def test_a_fault_of_ours_is_recorded_and_raised(upload, monkeypatch):
    row = upload(SPAN)

    def broken(*_args: Any, **_options: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(uploads, "import_margin_file", broken)
    with pytest.raises(ZeroDivisionError):
        task(row.pk)
    row.refresh_from_db()
    assert (row.status, row.problem) == ("refused", "reading it stopped inside the application: see the log")


def test_an_upload_whose_file_is_gone_is_refused(upload):
    row = upload(SPAN)
    for path in kept():
        path.unlink()
    task(row.pk)
    row.refresh_from_db()
    assert row.problem == "the upload is no longer on disk: upload it again"


@pytest.mark.parametrize(
    ("status", "minutes_ago", "again"),
    [("waiting", 0, True), ("reading", 9, False), ("reading", 11, True), ("done", 11, False), ("refused", 11, False)],
)
@pytest.mark.usefixtures("queued")
def test_a_lost_nudge_is_repeated_and_nothing_else(today, status, minutes_ago, again):
    row = MarginFile.objects.create(
        name=NAME, status=status, brought_by="asha", brought_at=today, size_bytes=10, stored_as="kept",
        started_at=today - timedelta(minutes=minutes_ago),
    )  # fmt: skip
    assert uploads.nudge_again(row.pk, now=today) is again
    assert MarginFile.objects.get().status == ("waiting" if again else status)


def test_admin_asks_again_for_what_no_worker_took(upload, queued, admin_client, django_capture_on_commit_callbacks):
    row = upload(SPAN)
    queued.clear()
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(
            reverse("admin:schedule_marginfile_changelist"), {"action": "read_again", "_selected_action": [row.pk]}
        )
    task(*queued[0][1])
    assert in_force().source == NAME


def test_an_upload_that_is_too_large_is_refused_before_it_is_kept(admin_client, monkeypatch):
    monkeypatch.setattr("schedule.margin_files.admin.LARGEST_FILE_BYTES", 100)
    answer = admin_client.post(reverse(ADD), {"file": SimpleUploadedFile(NAME, b"x" * 101)})
    assert "It has 101 bytes, more than 100." in answer.content.decode()
    assert not MarginFile.objects.exists()
    assert kept() == []


def test_a_name_cannot_lead_out_of_the_folder(upload):
    row = upload(SPAN, name="../../../etc/cron.d/evil.spn")
    [path] = kept()
    assert path.parent == Path(settings.VAR_DIR) / "uploads"
    assert re.fullmatch(r"[0-9a-f]{32}", path.name)
    assert "/" not in row.name


def test_uploading_asks_for_permission_and_records_stay(client, upload, admin_client):
    row = upload(RELIANCE_ONLY)
    task(row.pk)
    client.force_login(person("trader"))
    assert client.get(reverse(ADD)).status_code == 403
    assert client.post(reverse(ADD), {"file": SimpleUploadedFile(NAME, SPAN)}).status_code == 403
    assert (
        admin_client.post(reverse("admin:schedule_marginfile_delete", args=[row.pk]), {"post": "yes"}).status_code
        == 403
    )


RELIANCE_ONLY = span_xml(RELIANCE).encode()
