"""The course of a session's day as series: readings of utilization, and what was done and due at which moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hedging.domain.instruments import Side
from hedging.models import HedgeTransaction
from hedging.selectors.facts import SessionFacts
from schedule.entries import ScheduledEntry
from sessions_app.models import MarginSnapshot

MOST_POINTS = 2000
"""Readings that are shown: a day of 30 s has 750; beyond, every second or third one."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Utilization in per cent of the budget (`None` is unknown, and leaves a gap) at seconds since 1970; two columns."""

    at: tuple[int, ...]
    used_pct: tuple[Decimal | None, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at a moment: an `entry` or `exit` of the timetable, a `buy` or `sell` that filled."""

    at: datetime
    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Course:
    """A day: readings in order of time, marks in order of time."""

    readings: Readings
    marks: tuple[Mark, ...]


def course(*, session: SessionFacts, entries: Sequence[ScheduledEntry]) -> Course:
    """Return a session's day so far, with all that is scheduled. Two queries."""
    rows = list(
        MarginSnapshot.objects.filter(session_id=session.id).order_by("at", "id").values_list("at", "utilization_pct")
    )
    step = -(-len(rows) // MOST_POINTS) or 1
    kept = rows[::-1][::step][::-1]  # the newest always
    marks = sorted(
        (*_scheduled(session, entries), *_traded(session)), key=lambda mark: (mark.at, mark.kind, mark.words)
    )
    readings = Readings(at=tuple(int(at.timestamp()) for at, _ in kept), used_pct=tuple(used for _, used in kept))
    return Course(readings=readings, marks=tuple(marks))


def _scheduled(session: SessionFacts, entries: Sequence[ScheduledEntry]) -> Iterable[Mark]:
    for entry in entries:
        if not entry.is_of(index=session.index, expiry=session.expiry):
            continue
        yield Mark(entry.entry_at, "entry", entry.portfolio)
        if entry.exit_at is not None:
            yield Mark(entry.exit_at, "exit", entry.portfolio)


def _traded(session: SessionFacts) -> Iterable[Mark]:
    filled = HedgeTransaction.objects.filter(session_id=session.id, filled_quantity__gt=0).order_by("id")
    for row in filled:
        kind = "buy" if row.side == Side.BUY else "sell"
        yield Mark(row.ended_at or row.created_at, kind, f"{row.filled_quantity} {row.symbol} at {row.average_price}")
