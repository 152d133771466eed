"""Decision cards, newest first: pages by key on indexed columns, and one with everything that it knew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import QuerySet

from hedging.models import HedgeDecision
from hedging.selectors.cards import DecisionCard, card_of
from hedging.selectors.trades import sessions_of

DENIED = "DENY_"
"""How the reasons of what was refused begin."""


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """Which decisions are wanted; what is `None` does not matter. `denied`: only what was refused, or only the rest."""

    session_id: int | None = None
    day: date | None = None
    action: str | None = None
    reason: str | None = None
    kind: str | None = None
    denied: bool | None = None


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision, whose it is, and what came of it. `denied` tells that something was wanted, and refused.

    `facts` and `policy` are as they are stored.
    """

    card: DecisionCard
    session: int
    trading_day: date
    mode: str
    denied: bool
    transactions: tuple[int, ...]
    facts: dict[str, Any]
    policy: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DecisionPage:
    """Decisions, newest first, and where the next page begins (None: this was the last)."""

    results: tuple[DecisionRow, ...]
    next_cursor: int | None


def decision_ids(wanted: DecisionFilter, *, before: int | None, limit: int) -> list[int]:
    """Return the ids of one page, newest first, and one more where there is a next page. One query, and one for a day.

    A decision is never changed: these ids are the page's version.
    """
    given = {
        "session_id": wanted.session_id,
        "action": wanted.action,
        "reason": wanted.reason,
        "kind": wanted.kind,
        "reason__startswith": DENIED if wanted.denied else None,
        "id__lt": before,
    }
    rows = HedgeDecision.objects.filter(**{name: value for name, value in given.items() if value is not None})
    if wanted.denied is False:
        rows = rows.exclude(reason__startswith=DENIED)
    if wanted.day is not None:
        rows = rows.filter(session_id__in=sessions_of(wanted.day))
    return list(rows.order_by("-id").values_list("id", flat=True)[: limit + 1])


def decisions(ids: list[int], *, limit: int) -> DecisionPage:
    """Return the page of `decision_ids`. Two queries."""
    page = ids[:limit]
    found = {row.pk: row for row in _rows().filter(pk__in=page)}
    return DecisionPage(
        results=tuple(_row(found[pk]) for pk in page if pk in found),
        next_cursor=page[-1] if len(ids) > limit else None,
    )


def decision(pk: int) -> DecisionRow | None:
    """Return one decision with all that it knew, `None` when there is none. Two queries."""
    row = _rows().filter(pk=pk).first()
    return None if row is None else _row(row)


def _rows() -> QuerySet[HedgeDecision]:
    return HedgeDecision.objects.select_related("session").prefetch_related("transactions")


def _row(row: HedgeDecision) -> DecisionRow:
    return DecisionRow(
        card=card_of(row),
        session=row.session_id,
        trading_day=row.session.trading_day,
        mode=row.mode,
        denied=row.reason.startswith(DENIED),
        transactions=tuple(sorted(each.pk for each in row.transactions.all())),
        facts=dict(row.facts),
        policy=dict(row.policy),
    )
