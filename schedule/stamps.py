"""Stamps of the timetable: what was changed in it, by whom and however, has another one. PostgreSQL stamps rows (`xmin`)."""

from __future__ import annotations

from django.db import connection

from schedule.models import ContractSpec, StrategyEntry, TradingDay
from schedule.timetable_rows import MovedEntry, SkippedEntry

TIMETABLE = " || ".join(
    f"coalesce((SELECT md5(string_agg(concat(xmin, ctid), ',' ORDER BY id)) FROM {model._meta.db_table}), '')"  # noqa: S608
    for model in (StrategyEntry, SkippedEntry, MovedEntry, TradingDay, ContractSpec)
)
"""An SQL expression over names of our own tables: entries, skips, moves, trading days, and the rules by which contracts expire."""


def timetable_stamp() -> str:
    """Return the stamp of the timetable and the calendar behind it. One query."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {TIMETABLE}")
        stamp: str = cursor.fetchone()[0]
        return stamp
