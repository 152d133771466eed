"""The audit trail as a stream of lines in the order of the chain, and the rows that a replay of it is compared with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, time, timedelta
from typing import Any

from django.db.models import F, Model, QuerySet

from hedging.domain.audit_chain import AuditLine, ChainedLine, Head
from hedging.domain.replay import FILLS, Replay, plain
from hedging.engine.audit import REPLAYED, columns, fill_of, key_of
from hedging.models import Adjustment, AuditEvent, AuditLink, Fill, HedgeOrder, HedgeTransaction
from schedule.calendar import at_ist
from sessions_app.models import TradingSession

CHUNK = 2000
"""Rows that are in memory at once."""


def chained_lines(*, first: date | None = None, last: date | None = None) -> Iterator[ChainedLine]:
    """Yield the lines of the IST days from `first` to `last`, both included, in the order of the chain; all without them.

    Lines without a place come last. Streams: memory does not grow with their number.
    """
    rows = _in_chain_order(AuditEvent.objects.all())
    if first is not None:
        rows = rows.filter(at__gte=at_ist(first, time()))
    if last is not None:
        rows = rows.filter(at__lt=at_ist(last + timedelta(days=1), time()))
    for row in rows.iterator(chunk_size=CHUNK):
        yield _stored(row)


def chain_head() -> Head:
    """Return the end of the chain."""
    last = AuditLink.objects.order_by("-sequence").first()
    return Head() if last is None else Head(last.sequence, last.hash)


def hash_is_known(digest: str) -> bool:
    """Return whether a hash, noted down from an earlier head, is still in the chain."""
    return AuditLink.objects.filter(hash=digest).exists()


def replayed(*, session_id: int | None = None) -> Replay:
    """Return what the trail alone says of all rows, or of one session's."""
    # Every row that can be rebuilt is a session's; a line of the timetable calls other things its changes.
    lines = AuditEvent.objects.filter(facts__has_key="changes").exclude(session=None)
    if session_id is not None:
        lines = lines.filter(session_id=session_id)
    replay = Replay()
    for row in _in_chain_order(lines).values_list("facts", flat=True).iterator(chunk_size=CHUNK):
        replay.apply(row)
    return replay


def rows_of_today(session_ids: list[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of these sessions as they are in the tables now, each under its name in the trail."""
    of_sessions: dict[type[Model], QuerySet[Any]] = {
        TradingSession: TradingSession.objects.filter(pk__in=session_ids),
        HedgeTransaction: HedgeTransaction.objects.filter(session_id__in=session_ids),
        HedgeOrder: HedgeOrder.objects.filter(transaction__session_id__in=session_ids),
        Adjustment: Adjustment.objects.filter(session_id__in=session_ids),
    }
    fills: dict[int, list[list[Any]]] = defaultdict(list)
    bought = Fill.objects.filter(order__transaction__session_id__in=session_ids).order_by("order_id", "sequence")
    for order_id, quantity, price in bought.values_list("order_id", "quantity", "price"):
        fills[order_id].append(fill_of(quantity, price))
    for model, rows in of_sessions.items():
        for values in rows.order_by("pk").values("id", *REPLAYED[model]).iterator(chunk_size=CHUNK):
            told = columns(model, values)
            if model is HedgeOrder:
                told[FILLS] = fills[values["id"]]
            yield key_of(model, values["id"]), told


def told_sessions(*, session_id: int | None = None) -> list[int]:
    """Return the ids of the sessions whose whole life is in the trail, from their opening on."""
    lines = AuditEvent.objects.filter(event__in=("session_opened", "mode_switched"), facts__has_key="changes")
    lines = lines.filter(session_id=session_id) if session_id is not None else lines.exclude(session=None)
    opened = [row.session_id for row in lines.order_by("id").iterator(chunk_size=CHUNK) if _opens(row)]
    return [pk for pk in dict.fromkeys(opened) if pk is not None]


def untold_sessions(told: list[int]) -> int:
    """Return how many sessions there are beside those that the trail tells of."""
    return TradingSession.objects.exclude(pk__in=told).count()


def _opens(row: AuditEvent) -> bool:
    """Return whether a session begins with this line: a switch of mode makes the day's other row, or only opens it again."""
    if row.event == "session_opened":
        return True
    session = row.facts["changes"].get(key_of(TradingSession, row.session_id or 0), {})
    return bool(session.get("opened_at") == plain(row.at))


def _in_chain_order(rows: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
    return rows.select_related("link").order_by(F("link__sequence").asc(nulls_last=True), "id")


def _stored(row: AuditEvent) -> ChainedLine:
    link = getattr(row, "link", None)
    line = AuditLine(
        account_id=row.account_id,
        session_id=row.session_id,
        at=row.at,
        wall_at=row.wall_at,
        actor=row.actor,
        event=row.event,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        facts=row.facts,
    )
    return ChainedLine(
        event_id=row.pk,
        line=line,
        digest=row.digest,
        sequence=None if link is None else link.sequence,
        hash=None if link is None else link.hash,
    )
