"""What hedging cost and what it brought, by day, index or DTE: from the days' summaries, and from fills while a day is open.

Never a sum over all fills: a closed session carries its figures (`engine/day_end.py`), so a year is some hundred rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db.models import Count, DecimalField, F, Max, Q, QuerySet, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Greatest

from hedging.domain.instruments import Side
from hedging.models import AuditLink, Fill, HedgeTransaction, JumpKind, MarginJump
from sessions_app.models import MarginSnapshot, TradingSession

_ZERO = Decimal(0)
_RUPEES: DecimalField[Any, Any] = DecimalField(max_digits=18, decimal_places=2)
# A session whose day is over and summed up.
_TOLD = Q(summary__has_key="net")


class By(StrEnum):
    """What a row of the analytics stands for."""

    DAY = "day"
    INDEX = "index"
    DTE = "dte"


_COLUMN = {By.DAY: "trading_day", By.INDEX: "index", By.DTE: "dte"}


@dataclass(frozen=True, slots=True)
class Period:
    """The trading days from `first` to `last`, both included, of one mode, account or index where these are given."""

    first: date
    last: date
    mode: str | None = None
    account: str | None = None
    index: str | None = None

    def sessions(self) -> QuerySet[TradingSession]:
        """Return the sessions of the period."""
        given = {"mode": self.mode, "account__name": self.account, "index": self.index}
        days = TradingSession.objects.filter(trading_day__range=(self.first, self.last))
        return days.filter(**{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Outcome:
    """Rupees of one group of sessions in one mode; real and paper money are never added up.

    `cost` is premium paid, `recovery` premium received, `net` recovery less cost and charges. `released` is the used margin
    that measured hedge purchases took away. `peak_utilization_pct` is the highest of any session, `None` where unknown.
    """

    key: str
    mode: str
    sessions: int = 0
    cost: Decimal = _ZERO
    recovery: Decimal = _ZERO
    charges: Decimal = _ZERO
    released: Decimal = _ZERO
    peak_utilization_pct: Decimal | None = None

    @property
    def net(self) -> Decimal:
        """Return what is left of it all, negative for an expense."""
        return self.recovery - self.cost - self.charges

    @property
    def benefit_per_rupee(self) -> Decimal | None:
        """Return the rupees of margin released for each rupee of net expense; `None` where hedging cost nothing."""
        return None if self.net >= 0 else (self.released / -self.net).quantize(Decimal("0.01"))

    def with_more(self, other: Outcome) -> Outcome:
        """Return the sum of both, under this one's key."""
        peaks = [p for p in (self.peak_utilization_pct, other.peak_utilization_pct) if p is not None]
        return replace(
            self,
            sessions=self.sessions + other.sessions,
            cost=self.cost + other.cost,
            recovery=self.recovery + other.recovery,
            charges=self.charges + other.charges,
            released=self.released + other.released,
            peak_utilization_pct=max(peaks, default=None),
        )


@dataclass(frozen=True, slots=True)
class Analytics:
    """The rows of a period in order of their key, and a total for each mode."""

    by: By
    first: date
    last: date
    rows: tuple[Outcome, ...]
    totals: tuple[Outcome, ...]


def analytics(*, period: Period, by: By) -> Analytics:
    """Return what hedging cost and brought in a period. Five queries."""
    found: dict[tuple[Any, str], Outcome] = {}
    for key, part in (*_told(period, by), *_untold(period, by), *_released(period, by)):
        place = (key, part.mode)
        found[place] = found[place].with_more(part) if place in found else part
    totals: dict[str, Outcome] = {}
    for part in found.values():
        totals[part.mode] = totals.get(part.mode, Outcome("total", part.mode)).with_more(part)
    return Analytics(
        by=by,
        first=period.first,
        last=period.last,
        rows=tuple(found[place] for place in sorted(found)),
        totals=tuple(totals[mode] for mode in sorted(totals)),
    )


def analytics_version(*, period: Period) -> str:
    """Return a name that changes when the analytics of a period do. Three queries, whatever its length.

    A closed session stands still but for a fill that becomes known later, which changes its summary; while one is open, its
    figures change with a line of the audit chain or a reading.
    """
    days = period.sessions().aggregate(
        sessions=Count("id"),
        closed=Count("closed_at"),
        last=Max("id"),
        closed_last=Max("closed_at"),
        net=Sum(Cast(KT("summary__net"), _RUPEES)),
    )
    open_ones = list(period.sessions().filter(closed_at=None).order_by("id").values_list("id", flat=True))
    moving: tuple[Any, ...] = ()
    if open_ones:
        reading = MarginSnapshot.objects.filter(session_id__in=open_ones).aggregate(last=Max("id"))["last"]
        jumps = MarginJump.objects.filter(session_id__in=open_ones, after__isnull=False).count()
        moving = (reading, jumps, AuditLink.objects.aggregate(last=Max("sequence"))["last"])
    return repr((period, tuple(days.values()), moving))


Part = tuple[Any, Outcome]


def _told(period: Period, by: By) -> Iterable[Part]:
    told = period.sessions().filter(_TOLD)
    figures = {
        "spent_in_all": Sum(Cast(KT("summary__spend"), _RUPEES)),
        "recovered_in_all": Sum(Cast(KT("summary__recovery"), _RUPEES)),
        "charged_in_all": Sum(Cast(KT("summary__charges"), _RUPEES)),
        "peak": Max(Cast(KT("summary__peak_utilization_pct"), _RUPEES)),
    }
    column = _COLUMN[by]
    for row in told.order_by().values(column, "mode").annotate(sessions_in_all=Count("id"), **figures):
        yield (
            row[column],
            Outcome(
                key=str(row[column]),
                mode=row["mode"],
                sessions=row["sessions_in_all"],
                cost=row["spent_in_all"] or _ZERO,
                recovery=row["recovered_in_all"] or _ZERO,
                charges=row["charged_in_all"] or _ZERO,
                peak_utilization_pct=row["peak"],
            ),
        )


def _untold(period: Period, by: By) -> Iterable[Part]:
    column = _COLUMN[by]
    sessions = {pk: (key, mode) for pk, key, mode in period.sessions().exclude(_TOLD).values_list("id", column, "mode")}
    paid, peaks, charged = _fills(sessions), _peaks(sessions), _charges(sessions)
    for pk, (key, mode) in sessions.items():
        cost, recovery = paid.get(pk, (_ZERO, _ZERO))
        part = Outcome(
            key=str(key),
            mode=mode,
            sessions=1,
            cost=cost,
            recovery=recovery,
            charges=charged.get(pk, _ZERO),
            peak_utilization_pct=peaks.get(pk),
        )
        yield key, part


def _fills(sessions: Iterable[int]) -> dict[int, tuple[Decimal, Decimal]]:
    amount = F("quantity") * F("price")
    rows = (
        Fill.objects.filter(order__transaction__session_id__in=list(sessions))
        .order_by()
        .values("order__transaction__session_id")
        .annotate(
            paid=Sum(amount, filter=Q(order__transaction__side=Side.BUY.value)),
            got=Sum(amount, filter=Q(order__transaction__side=Side.SELL.value)),
        )
    )
    return {row["order__transaction__session_id"]: (row["paid"] or _ZERO, row["got"] or _ZERO) for row in rows}


def _charges(sessions: Iterable[int]) -> dict[int, Decimal]:
    rows = HedgeTransaction.objects.filter(session_id__in=list(sessions)).order_by().values_list("session_id")
    return dict(rows.annotate(total=Sum("charges")))


def _peaks(sessions: Iterable[int]) -> dict[int, Decimal | None]:
    rows = MarginSnapshot.objects.filter(session_id__in=list(sessions)).order_by().values_list("session_id")
    return dict(rows.annotate(peak=Max("utilization_pct")))


def _released(period: Period, by: By) -> Iterable[Part]:
    column = f"session__{_COLUMN[by]}"
    jumps = MarginJump.objects.filter(kind=JumpKind.HEDGE.value, after__isnull=False, session__in=period.sessions())
    fell = Sum(Greatest(F("before") - F("after"), _ZERO, output_field=_RUPEES))
    for row in jumps.order_by().values(column, "mode").annotate(fell=fell):
        yield row[column], Outcome(key=str(row[column]), mode=row["mode"], released=row["fell"] or _ZERO)
