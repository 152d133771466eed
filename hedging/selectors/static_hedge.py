"""What a bot that always hedges would have cost, beside ours: from what closed sessions kept of stored prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, IntegerField, Q, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from hedging.domain.static_hedge import Fate
from hedging.engine.static_hedge import KEY
from hedging.selectors.outcomes import Period

_ZERO = Decimal(0)
_RUPEES: DecimalField[Any, Any] = DecimalField(max_digits=18, decimal_places=2)


@dataclass(frozen=True, slots=True)
class StaticCost:
    """One day, or all days, of the bot that always hedges, in one mode of ours. Rupees; `_net` is negative for an expense.

    `closed` sessions, of which `recorded` kept their prices and `whole` know every entry. Of all `entries`, `known` are
    priced from purchase to end, for `no_strike` it would have bought nothing, `no_price` and `no_end` are not known.
    `paid` is for every purchase that was priced. `static_net` and `our_net` are of whole sessions alone: only those compare.
    """

    mode: str
    day: date | None = None
    closed: int = 0
    recorded: int = 0
    whole: int = 0
    entries: int = 0
    known: int = 0
    no_strike: int = 0
    no_price: int = 0
    no_end: int = 0
    paid: Decimal = _ZERO
    static_net: Decimal = _ZERO
    our_net: Decimal = _ZERO

    @property
    def not_known(self) -> int:
        """Return how many entries are left out because a price was not stored."""
        return self.no_price + self.no_end

    def with_more(self, other: StaticCost) -> StaticCost:
        """Return the sum of both, of no day."""
        names = (field.name for field in fields(self) if field.name not in {"mode", "day"})
        return replace(self, day=None, **{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True, slots=True)
class StaticHedge:
    """The days of a period in order that kept their prices, and all of them for each mode."""

    rows: tuple[StaticCost, ...]
    totals: tuple[StaticCost, ...]


def static_hedge(*, period: Period) -> StaticHedge:
    """Return what always hedging would have cost in a period, as far as prices were stored. One query."""
    told = Q(summary__has_key=KEY)
    whole = Q(**{f"summary__{KEY}__whole": True})
    counts = {fate.value: Sum(Cast(KT(f"summary__{KEY}__{fate.value}"), IntegerField())) for fate in Fate}
    days = (
        period.sessions()
        .filter(closed_at__isnull=False)
        .order_by()
        .values("trading_day", "mode")
        .annotate(
            **counts,
            closed=Count("id"),
            recorded=Count("id", filter=told),
            whole=Count("id", filter=whole),
            entries=Sum(Cast(KT(f"summary__{KEY}__entries"), IntegerField())),
            paid=_rupees(f"{KEY}__paid"),
            whole_paid=_rupees(f"{KEY}__paid", only=whole),
            whole_back=_rupees(f"{KEY}__got_back", only=whole),
            our_net=_rupees("net", only=whole),
        )
    )
    rows = tuple(sorted((_cost(day) for day in days), key=lambda row: (str(row.day), row.mode)))
    totals: dict[str, StaticCost] = {}
    for row in rows:
        totals[row.mode] = totals.get(row.mode, StaticCost(row.mode)).with_more(row)
    return StaticHedge(
        rows=tuple(row for row in rows if row.recorded), totals=tuple(totals[mode] for mode in sorted(totals))
    )


def _rupees(key: str, *, only: Q | None = None) -> Sum:
    return Sum(Cast(KT(f"summary__{key}"), _RUPEES), filter=only)


def _cost(day: Mapping[str, Any]) -> StaticCost:
    return StaticCost(
        mode=day["mode"],
        day=day["trading_day"],
        **{name: day[name] or 0 for name in ("closed", "recorded", "whole", "entries", *(fate.value for fate in Fate))},
        paid=day["paid"] or _ZERO,
        static_net=(day["whole_back"] or _ZERO) - (day["whole_paid"] or _ZERO),
        our_net=day["our_net"] or _ZERO,
    )
