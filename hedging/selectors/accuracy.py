"""How true the forecasts were: foretold against realized changes of used margin over a period, by kind and by source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Aggregate, Avg, Count, F, Field, FloatField, Q
from django.db.models.functions import Abs, Cast

from hedging.models import MarginJump
from hedging.selectors.outcomes import Period

_HUNDREDTH = Decimal("0.01")
NOTHING_FILLED = "nothing was filled"  # the note of a hedge that came to nothing (engine/jumps.py)


class _Shares(Aggregate):
    """PostgreSQL's percentile_cont for several shares by one sort: the values below which those shares of the rows lie."""

    template = "percentile_cont(ARRAY[0.5, 0.95, 1]) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field: Field[Any, Any] = Field()


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The forecasts of one kind and source in one mode. Errors are realized less forecast, in per cent of the day's budget.

    `measured` were seen to come and had a forecast; `unmeasured` could not be told apart, or had none. `bias_pct` is the
    mean error, positive when more was taken than foretold; `p50_pct`, `p95_pct` and `worst_pct` are of its size. `None`
    where nothing was measured.
    """

    kind: str
    source: str
    mode: str
    measured: int
    unmeasured: int
    bias_pct: Decimal | None
    p50_pct: Decimal | None
    p95_pct: Decimal | None
    worst_pct: Decimal | None


def accuracy(*, period: Period) -> tuple[Accuracy, ...]:
    """Return how true the forecasts of a period were, by kind, source and mode. One query."""
    # As floats: a year's jumps are added up five times as fast, and the answer has two places.
    budget = Cast(F("session__baskets") * F("session__budget_per_basket"), FloatField())
    missed = Cast(F("after") - F("before") - F("forecast"), FloatField()) * 100.0 / budget
    known = Q(after__isnull=False, forecast__isnull=False)
    rows = (
        MarginJump.objects.filter(session__in=period.sessions())
        .exclude(note=NOTHING_FILLED)
        .order_by()
        .values("kind", "forecast_source", "mode")
        .annotate(
            measured=Count("id", filter=known),
            unmeasured=Count("id", filter=~known),
            bias=Avg(missed),
            sizes=_Shares(Abs(missed)),
        )
    )
    return tuple(sorted((_accuracy(row) for row in rows), key=lambda each: (each.mode, each.kind, each.source)))


def _accuracy(row: Mapping[str, Any]) -> Accuracy:
    p50, p95, worst = row["sizes"] or (None, None, None)
    return Accuracy(
        kind=row["kind"],
        source=row["forecast_source"],
        mode=row["mode"],
        measured=row["measured"],
        unmeasured=row["unmeasured"],
        bias_pct=_rounded(row["bias"]),
        p50_pct=_rounded(p50),
        p95_pct=_rounded(p95),
        worst_pct=_rounded(worst),
    )


def _rounded(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(value)).quantize(_HUNDREDTH)
