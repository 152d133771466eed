"""Seeds: the data files shipped with the app, written into empty tables only, so that nobody's edit is ever undone."""

from __future__ import annotations

import csv
from pathlib import Path

from django.db import models, transaction

from schedule.importer import import_schedule, parse_schedule
from schedule.models import ChargeRates, ContractSpec, MarginParameters, StrategyEntry, TradingDay

DATA = Path(__file__).resolve().parent / "data"
_REFERENCE: tuple[tuple[str, type[models.Model]], ...] = (
    ("trading_days.csv", TradingDay),
    ("contract_specs.csv", ContractSpec),
    ("margin_parameters.csv", MarginParameters),
    ("charge_rates.csv", ChargeRates),
)
_WORDS = {"yes": True, "no": False}


def seed_reference_data() -> dict[str, int]:
    """Fill calendar, contract specs, margin parameters and charges, each only if empty; return rows written by table.

    Raises `ValidationError` when a shipped row is not valid; then nothing is written.
    """
    with transaction.atomic():
        return {model.__name__: _fill(model, DATA / name) for name, model in _REFERENCE}


def seed_schedule_if_empty() -> int:
    """Write the seed timetable if there is no entry at all, active or not; return how many entries were written."""
    with transaction.atomic():
        if StrategyEntry.objects.exists():
            return 0
        return len(import_schedule(parse_schedule((DATA / "schedule.csv").read_bytes())).added)


def _fill(model: type[models.Model], path: Path) -> int:
    table = model._default_manager
    if table.exists():
        return 0
    with path.open(encoding="utf-8", newline="") as file:
        rows = [model(**{name: _WORDS.get(text, text) for name, text in row.items()}) for row in csv.DictReader(file)]
    for row in rows:
        row.clean_fields()  # texts become dates, times and decimals
    return len(table.bulk_create(rows))
