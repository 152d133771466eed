"""Seeds: the data files shipped with the app, written into empty tables only, so that nobody's edit is ever undone."""

from __future__ import annotations

from django.db import models, transaction

from schedule.importer import import_schedule, parse_schedule
from schedule.models import StrategyEntry
from schedule.shipped import DATA, FILES, shipped_rows


def seed_reference_data() -> dict[str, int]:
    """Fill calendar, contract specs, margin parameters and charges, each only if empty; return rows written by table.

    Raises `ValidationError` when a shipped row is not valid; then nothing is written.
    """
    with transaction.atomic():
        return {model.__name__: _fill(model) for model in FILES}


def seed_schedule_if_empty() -> int:
    """Write the seed timetable if there is no entry at all, active or not; return how many entries were written."""
    with transaction.atomic():
        if StrategyEntry.objects.exists():
            return 0
        return len(import_schedule(parse_schedule((DATA / "schedule.csv").read_bytes())).added)


def _fill(model: type[models.Model]) -> int:
    table = model._default_manager
    return 0 if table.exists() else len(table.bulk_create(shipped_rows(model)))
