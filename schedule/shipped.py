"""The dated facts as shipped with the app, read without a database: what seeds an empty table, and what a book file rests on."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import TypeVar

from django.db import models

from schedule.models import ChargeRates, ContractSpec, MarginParameters, TradingDay

DATA = Path(__file__).resolve().parent / "data"
FILES: Mapping[type[models.Model], str] = {
    TradingDay: "trading_days.csv",
    ContractSpec: "contract_specs.csv",
    MarginParameters: "margin_parameters.csv",
    ChargeRates: "charge_rates.csv",
}
_WORDS = {"yes": True, "no": False}
_Dated = TypeVar("_Dated", ContractSpec, MarginParameters, ChargeRates)
_Row = TypeVar("_Row", bound=models.Model)


def shipped_rows(model: type[_Row]) -> list[_Row]:
    """Return the shipped rows of a table as unsaved, cleaned instances; raises `ValidationError` for one that is not valid."""
    with (DATA / FILES[model]).open(encoding="utf-8", newline="") as file:
        rows = [model(**{name: _WORDS.get(text, text) for name, text in row.items()}) for row in csv.DictReader(file)]
    for row in rows:
        row.clean_fields()  # texts become dates, times and decimals
    return rows


def shipped_in_force(model: type[_Dated], *, day: date, **key: str) -> _Dated | None:
    """Return the newest shipped row with these values that is in force on `day`, or `None` where the facts begin later."""
    rows = (
        row
        for row in _kept(model)
        if row.effective_from <= day and all(getattr(row, name) == value for name, value in key.items())
    )
    return max(rows, key=lambda row: row.effective_from, default=None)


@cache
def _kept(model: type[_Dated]) -> tuple[_Dated, ...]:
    return tuple(shipped_rows(model))
