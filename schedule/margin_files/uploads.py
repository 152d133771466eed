"""Margin files that were uploaded: kept on disk until a worker has read them, by a task that may come twice or never."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from schedule.margin_files.importing import FileReport, import_margin_file
from schedule.margin_files.opening import Progress
from schedule.margin_files.refusal import MarginFileRefused
from schedule.models import MarginFile

TASK = "schedule.tasks.import_margin_file"
GIVEN_UP_AFTER = timedelta(minutes=10)
"""A worker that has not finished by then is gone: the task's own time limit is shorter."""
_STEPS = 50
Status = MarginFile.Status


def keep_upload(chunks: Iterable[bytes]) -> tuple[str, int]:
    """Write an upload into the project's `var` and return its name there and its size in bytes."""
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stored_as = uuid4().hex
    size = 0
    with (folder / stored_as).open("wb") as file:
        for chunk in chunks:
            size += file.write(chunk)
    return stored_as, size


def nudge(file_id: int) -> None:
    """Ask a worker to read a file once its row is committed. A nudge that is lost is repeated by hand, in admin."""
    transaction.on_commit(lambda: current_app.send_task(TASK, args=[file_id]), robust=True)


def nudge_again(file_id: int, *, now: datetime) -> bool:
    """Ask again for a file that still waits, or whose worker is gone; return whether there was anything to ask for."""
    lost = Q(status=Status.WAITING) | Q(status=Status.READING, started_at__lt=now - GIVEN_UP_AFTER)
    kept = MarginFile.objects.filter(lost, pk=file_id).exclude(stored_as="")
    found = kept.update(status=Status.WAITING, started_at=None, read_bytes=0)
    if found:
        nudge(file_id)
    return bool(found)


def read_upload(file_id: int, *, now: datetime, today: date) -> str:
    """Import an uploaded file, and return what became of it. A second call for the same file does nothing."""
    claimed = MarginFile.objects.filter(pk=file_id, status=Status.WAITING).update(status=Status.READING, started_at=now)
    if not claimed:
        return "not waiting"
    row = MarginFile.objects.get(pk=file_id)
    path = _folder() / row.stored_as
    try:
        with path.open("rb") as file:
            run_import(row, file, today=today, now=now)
    except FileNotFoundError:
        _finish(row, Status.REFUSED, now=now, problem="the upload is no longer on disk: upload it again")
    finally:
        path.unlink(missing_ok=True)
    return row.status


def run_import(
    row: MarginFile, file: BinaryIO, *, today: date, now: datetime, progress: Progress | None = None
) -> FileReport | None:
    """Import a file and record in its row how far it came and what became of it; None where it was refused."""
    told = 0

    def tell(read: int, total: int) -> None:
        nonlocal told
        if progress is not None:
            progress(read, total)
        step = read * _STEPS // total
        if step > told:  # a row is written at most fifty times
            told = step
            MarginFile.objects.filter(pk=row.pk).update(read_bytes=min(read, row.size_bytes))

    try:
        report = import_margin_file(
            file,
            name=row.name,
            by=row.brought_by,
            today=today,
            effective_from=row.effective_from,
            progress=tell,
        )
    except MarginFileRefused as refused:
        _finish(row, Status.REFUSED, now=now, problem=str(refused))
        return None
    except BaseException:  # also an interrupt of the command: a row must not say for ever that it is being read
        _finish(row, Status.REFUSED, now=now, problem="reading it stopped inside the application: see the log")
        raise
    row.report = report.as_json()
    row.read_bytes = row.size_bytes
    _finish(row, Status.DONE, now=now)
    return report


def _finish(row: MarginFile, status: MarginFile.Status, *, now: datetime, problem: str = "") -> None:
    row.status, row.problem, row.stored_as, row.finished_at = status, problem, "", now
    fields = ["status", "problem", "stored_as", "finished_at"]
    if status == Status.DONE:
        fields += ["report", "read_bytes"]
    row.save(update_fields=fields)


def _folder() -> Path:
    return Path(settings.VAR_DIR) / "uploads"
