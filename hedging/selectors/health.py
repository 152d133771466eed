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
from sessions_app.models import MarginSnapshot, TradingSession

# A decision that is older by wall time means that the loop stands still: two ticks of 30 s and some grace.
CYCLE_LIMIT = timedelta(seconds=75)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service does its work. `problems` is empty when it does; ages in wall seconds, None: nothing yet."""

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
    session = TradingSession.objects.open().first()
    decided_at = read_at = None
    if session is not None:
        decided_at = HedgeDecision.objects.filter(session=session).aggregate(at=Max("at"))["at"]
        read_at = MarginSnapshot.objects.filter(session=session).aggregate(at=Max("at"))["at"]
        if _acting(since=session.opened_at, now=now):
            problems += _late("decision", decided_at, now=now) + _late("margin reading", read_at, now=now)
    return Readiness(
        problems=tuple(problems),
        cycle_age_seconds=_wall_age(decided_at, now=now),
        data_age_seconds=_wall_age(read_at, now=now),
        heartbeats=beats,
    )


def _acting(*, since: datetime, now: datetime) -> bool:
    hours = acting_hours(trading_day_of(now))
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
