"""The story of a session's day: decisions with their repeats folded, and the timetable with what happened."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, F, Max, Q, Window
from django.db.models.functions import Lag, RowNumber

from hedging.models import Action, HedgeDecision
from hedging.selectors.cards import DecisionCard, card_of
from schedule.entries import ScheduledEntry
from sessions_app.models import MarginSnapshot

FEED_LENGTH = 60
# How long an entry's orders may take until a reading shows them. Market time.
_SETTLES_WITHIN = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One decision, or `count` equal holds in a row from the card's time `until` the last of them."""

    card: DecisionCard
    until: datetime
    count: int


@dataclass(frozen=True, slots=True)
class TimetableRow:
    """One scheduled entry: where it stands, the utilization around it, and the hedges decided for it.

    `stage` is `later`, `in the book` or `over`, by the timetable alone: another tool sends the orders. `before_pct` is
    the last reading up to the entry; `after_pct` the last one of the 90 seconds after it, or of the time until the next
    entry if that is sooner.
    """

    portfolio: str
    index: str
    dte: int
    entry_at: datetime
    exit_at: datetime | None
    stage: str
    before_pct: Decimal | None
    after_pct: Decimal | None
    hedges: tuple[DecisionCard, ...]


def feed(*, session_id: int, length: int = FEED_LENGTH) -> tuple[FeedItem, ...]:
    """Return a session's decisions, newest first, equal holds in a row folded into one. Two queries.

    Rows are "in a row" within their kind of cycle, since the two kinds take turns.
    """
    # The windows sort a whole day: over narrow rows. The cards, with their JSON, are read for the few that are shown.
    rows = (
        HedgeDecision.objects.filter(session_id=session_id)
        .annotate(
            previous=Window(Lag("reason"), partition_by="kind", order_by="id"),
            previous_at=Window(Lag("at"), partition_by="kind", order_by="id"),
            number=Window(RowNumber(), partition_by="kind", order_by="id"),
            total=Window(Count("*"), partition_by="kind"),
            last_at=Window(Max("at"), partition_by="kind"),
        )
        .filter(Q(previous=None) | ~Q(action=Action.HOLD) | ~Q(previous=F("reason")))
        .order_by("-id")
        .values_list("id", "kind", "previous_at", "number", "total", "last_at")[:length]
    )
    folded: list[tuple[int, datetime, int]] = []
    newer: dict[str, tuple[int, datetime]] = {}
    for pk, kind, previous_at, number, total, last_at in rows:
        end, until = newer.get(kind, (total + 1, last_at))
        newer[kind] = (number, previous_at)
        folded.append((pk, until, end - number))
    cards = HedgeDecision.objects.in_bulk([pk for pk, _, _ in folded])
    return tuple(FeedItem(card=card_of(cards[pk]), until=until, count=count) for pk, until, count in folded)


def timetable(*, session_id: int, entries: Sequence[ScheduledEntry], now: datetime) -> tuple[TimetableRow, ...]:
    """Return the day's entries in order of time with what happened around each. Two queries."""
    readings = [
        (at, used)
        for at, used in MarginSnapshot.objects.filter(session_id=session_id)
        .order_by("at", "id")
        .values_list("at", "utilization_pct")
    ]
    adds = [
        card_of(row) for row in HedgeDecision.objects.filter(session_id=session_id, action=Action.ADD).order_by("id")
    ]
    return tuple(
        TimetableRow(
            portfolio=entry.portfolio,
            index=entry.index,
            dte=entry.dte,
            entry_at=entry.entry_at,
            exit_at=entry.exit_at,
            stage=_stage(entry, now),
            before_pct=_before(readings, entry.entry_at) if entry.entry_at <= now else None,
            after_pct=_after(readings, entry.entry_at, until=_until(entry, entries)),
            hedges=tuple(card for card in adds if any(p.portfolio == entry.portfolio for p in card.projection)),
        )
        for entry in sorted(entries, key=lambda e: (e.entry_at, e.portfolio))
    )


def _stage(entry: ScheduledEntry, now: datetime) -> str:
    if now < entry.entry_at:
        return "later"
    if entry.exit_at is not None and now >= entry.exit_at:
        return "over"
    return "in the book"


Reading = tuple[datetime, Decimal | None]


def _before(readings: Sequence[Reading], at: datetime) -> Decimal | None:
    place = bisect_right(readings, at, key=lambda reading: reading[0])
    return readings[place - 1][1] if place else None


def _until(entry: ScheduledEntry, entries: Sequence[ScheduledEntry]) -> datetime:
    later = (other.entry_at for other in entries if other.entry_at > entry.entry_at)
    return min(entry.entry_at + _SETTLES_WITHIN, min(later, default=entry.entry_at + _SETTLES_WITHIN))


def _after(readings: Sequence[Reading], at: datetime, *, until: datetime) -> Decimal | None:
    place = bisect_right(readings, until, key=lambda reading: reading[0])
    return readings[place - 1][1] if place and readings[place - 1][0] > at else None
