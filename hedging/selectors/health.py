"""Is the machine well: are workers alive, was every open session decided lately, on fresh data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max

from hedging.engine.hours import acting_hours, trading_day_of
from hedging.models import HedgeDecision
from hedging.selectors.facts import Beat
from hedging.selectors.moment import heartbeats
from schedule.calendar import SessionHours
from sessions_app.models import MarginSnapshot, TradingSession

# A decision that is older by wall time means that the loop stands still: two ticks of 30 s and some grace.
CYCLE_LIMIT = timedelta(seconds=75)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service does its work. `problems` is empty when it does; ages in wall seconds, None: nothing yet.

    Of several open sessions the ages are of the one that is behind most.
    """

    problems: tuple[str, ...]
    cycle_age_seconds: float | None
    data_age_seconds: float | None
    heartbeats: tuple[Beat, ...]

    @property
    def ready(self) -> bool:
        """Return whether there is no problem."""
        return not self.problems


def readiness(*, now: datetime, wall_now: datetime) -> Readiness:
    """Judge the machine at market time `now`. At most five queries.

    Decisions and data are asked of only while a session is open and its day is in the hours in which we act.
    """
    beats = heartbeats(wall_now=wall_now)
    problems = [f"worker {beat.name} has been silent for {beat.age_seconds} s" for beat in beats if not beat.alive]
    if not beats:
        problems.append("no worker has ever given a sign of life")
    sessions = list(TradingSession.objects.open().order_by("id"))
    decided, read = _newest(HedgeDecision, sessions), _newest(MarginSnapshot, sessions)
    hours = acting_hours(trading_day_of(now)) if sessions else None
    for session in sessions:
        if _acting(hours, since=session.opened_at, now=now):
            of = f" of session {session.pk}" if len(sessions) > 1 else ""
            problems += _late(f"decision{of}", decided.get(session.pk), now=now)
            problems += _late(f"margin reading{of}", read.get(session.pk), now=now)
    return Readiness(
        problems=tuple(problems),
        cycle_age_seconds=_wall_age(min(decided.values(), default=None), now=now),
        data_age_seconds=_wall_age(min(read.values(), default=None), now=now),
        heartbeats=beats,
    )


def _newest(rows: type[HedgeDecision | MarginSnapshot], sessions: list[TradingSession]) -> dict[int, datetime]:
    """Return when each session had its last row; those that had none are left out. One query, none without sessions."""
    if not sessions:
        return {}
    found = rows._default_manager.filter(session__in=sessions).order_by().values_list("session_id")
    return dict(found.annotate(at=Max("at")))


def _acting(hours: SessionHours | None, *, since: datetime, now: datetime) -> bool:
    if hours is None:
        return False
    # The first tick after the open, or after a session is created, is allowed its time.
    start = max(hours.act_from, since) + CYCLE_LIMIT * settings.SPEED
    return start <= now < hours.act_until


def _late(what: str, at: datetime | None, *, now: datetime) -> list[str]:
    age = _wall_age(at, now=now)
    if age is None:
        return [f"no {what} yet"]
    return [f"the last {what} is {age:.0f} s old"] if age > CYCLE_LIMIT.total_seconds() else []


def _wall_age(at: datetime | None, *, now: datetime) -> float | None:
    return None if at is None else round((now - at).total_seconds() / settings.SPEED, 1)
