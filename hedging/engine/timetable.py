"""The timetable by hand during a day: leave an entry out of one day, or change its times, for that day or for good. Each change is one line of the trail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import transaction

from hedging.engine import audit
from hedging.engine.states import Act
from schedule import timetable
from schedule.importer import trading_hours
from schedule.models import StrategyEntry

_TIMES = ("entry_time", "exit_time")


def set_skipped(*, entry: StrategyEntry, day: date, skipped: bool, act: Act) -> bool:
    """Leave an entry out on `day`, or let it be due again; return whether it was otherwise. Other days are not touched."""
    with transaction.atomic():
        if skipped:
            done = timetable.skip(entries=[entry], day=day, by=act.actor, at=act.wall_now)
        else:
            done = timetable.take_back(entries=[entry], day=day)
        if done:
            _record(entry, "entry_skipped" if skipped else "entry_due_again", act, {"day": day.isoformat()})
    return bool(done)


def change_entry(*, entry: StrategyEntry, fields: Mapping[str, Any], act: Act) -> bool:
    """Change an entry's times or its switch, on every day that it falls on; return whether anything was otherwise.

    The timetable before is kept as a version. Raises `ValueError` for times outside the trading hours that the calendar
    knows, and for an exit that is not after the entry.
    """
    with transaction.atomic():
        row = StrategyEntry.objects.select_for_update().get(pk=entry.pk)
        changed = {name: value for name, value in fields.items() if getattr(row, name) != value}
        before = {name: getattr(row, name) for name in changed}
        for name, value in changed.items():
            setattr(row, name, value)
        _refuse_times({name: getattr(row, name) for name in _TIMES}, changed)
        if not changed:
            return False
        timetable.keep_version(before=f"an edit of {row.portfolio}", by=act.actor, at=act.wall_now)
        row.save(update_fields=sorted(changed))
        figures = {name: [str(before[name]), str(value)] for name, value in changed.items()}
        _record(row, "entry_changed", act, {"changes": figures})
    return True


def move_entry(*, entry: StrategyEntry, day: date, fields: Mapping[str, Any], act: Act) -> bool:
    """Let an entry be sold and bought back at other times on `day` alone; return whether they were otherwise.

    What `fields` does not name stays as on every day; times that are those of every day take a move back. Raises
    `ValueError` as `change_entry` does.
    """
    with transaction.atomic():
        row = StrategyEntry.objects.select_for_update().get(pk=entry.pk)
        if "active" in fields:
            raise ValueError("a switch is of every day; to leave an entry out of one day, skip it")
        times = {name: fields.get(name, getattr(row, name)) for name in _TIMES}
        _refuse_times(times, times)
        before = timetable.move(entry=row, day=day, **times, by=act.actor, at=act.wall_now)
        if before is None:
            return False
        figures = {name: [str(old), str(times[name])] for name, old in zip(_TIMES, before, strict=True)}
        _record(row, "entry_moved", act, {"day": day.isoformat(), "times": figures})
    return True


def _refuse_times(times: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
    hours = trading_hours()
    for name in _TIMES:
        moment = changed.get(name)
        if moment is not None and hours is not None and not hours.opens_at <= moment <= hours.closes_at:
            raise ValueError(f"{moment} is outside trading hours, {hours.opens_at} to {hours.closes_at} IST")
    leaves, enters = times["exit_time"], times["entry_time"]
    if leaves is not None and leaves <= enters:
        raise ValueError(f"the exit at {leaves} is not after the entry at {enters}")


def _record(entry: StrategyEntry, event: str, act: Act, facts: dict[str, Any]) -> None:
    audit.append(
        account_id=None,
        session_id=None,
        at=act.now,
        wall_at=act.wall_now,
        actor=act.actor,
        event=event,
        subject=entry,
        facts={"portfolio": entry.portfolio, **facts, **({"reason": act.reason} if act.reason else {})},
    )
