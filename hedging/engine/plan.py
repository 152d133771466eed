"""The day's plan: what changes only when a person edits it. Timetable, contract facts, margin parameters, charges, hours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hedging.domain.charges import ChargeRates
from hedging.domain.facts import SessionFacts
from hedging.domain.instruments import OPTION_EXCHANGE, ContractSpec, Index
from hedging.domain.risk import MarginParameters
from hedging.engine.hours import acting_hours
from schedule import models as rows
from schedule.calendar import CalendarUnknown, SessionHours, load_calendar
from schedule.entries import ScheduledEntry, entries_on
from sessions_app.models import TradingSession


class ReferenceMissing(Exception):
    """A dated row that decisions need is not in the database: seed it or add it in admin."""


@dataclass(frozen=True, slots=True)
class DayPlan:
    """What a cycle needs beside the broker's readings. `hours` is `None` on a day that is closed or unknown."""

    entries: tuple[ScheduledEntry, ...]
    spec: ContractSpec
    parameters: MarginParameters
    charges: ChargeRates
    hours: SessionHours | None

    def of(self, session: TradingSession | SessionFacts) -> tuple[ScheduledEntry, ...]:
        """Return the entries that the session hedges, in order of time.

        `entries` has the others too: they move the account's funds, and nothing else of them concerns the session.
        """
        return tuple(e for e in self.entries if e.is_of(index=session.index, expiry=session.expiry))


def plan_of(session: TradingSession) -> DayPlan:
    """Read the plan of a session's day. Raises `ReferenceMissing` when a dated row is not there. Seven queries."""
    try:
        entries = entries_on(session.trading_day, load_calendar())
    except CalendarUnknown:
        entries = ()  # the hours below are unknown too, and close the gate
    return DayPlan(
        entries=entries,
        spec=_in_force(rows.ContractSpec, session, index=session.index),
        parameters=dated_parameters(session),
        charges=_in_force(rows.ChargeRates, session, exchange=OPTION_EXCHANGE[Index(session.index)].value),
        hours=acting_hours(session.trading_day),
    )


def dated_parameters(session: TradingSession) -> MarginParameters:
    """Return the margin parameters in force on a session's day. Raises `ReferenceMissing`. One query."""
    parameters: MarginParameters = _in_force(rows.MarginParameters, session, index=session.index)
    return parameters


def _in_force(model: Any, session: TradingSession, **keys: str) -> Any:
    row = model.objects.in_force(day=session.trading_day).filter(**keys).first()
    if row is None:
        named = ", ".join(f"{key} {value}" for key, value in keys.items())
        raise ReferenceMissing(f"no {model.__name__} for {named} on {session.trading_day}: add one in admin")
    return row.as_facts()
