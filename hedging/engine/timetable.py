"""The timetable by hand during a day: leave an entry out of one day, or change its times. Each change is one line of the trail."""

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
        _refuse_times(row, changed)
        if not changed:
            return False
        timetable.keep_version(before=f"an edit of {row.portfolio}", by=act.actor, at=act.wall_now)
        row.save(update_fields=sorted(changed))
        figures = {name: [str(before[name]), str(value)] for name, value in changed.items()}
        _record(row, "entry_changed", act, {"changes": figures})
    return True


def _refuse_times(row: StrategyEntry, changed: Mapping[str, Any]) -> None:
    hours = trading_hours()
    for name in ("entry_time", "exit_time"):
        moment = changed.get(name)
        if moment is not None and hours is not None and not hours.opens_at <= moment <= hours.closes_at:
            raise ValueError(f"{moment} is outside trading hours, {hours.opens_at} to {hours.closes_at} IST")
    if row.exit_time is not None and row.exit_time <= row.entry_time:
        raise ValueError(f"the exit at {row.exit_time} is not after the entry at {row.entry_time}")


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
