"""How true the forecasts were: foretold against realized changes of used margin over a period, by kind and by source."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Aggregate, Avg, Count, DecimalField, ExpressionWrapper, F, Max, Q
from django.db.models.functions import Abs

from hedging.models import MarginJump
from hedging.selectors.outcomes import Period

_PCT: DecimalField[Any, Any] = DecimalField(max_digits=18, decimal_places=4)
_HUNDREDTH = Decimal("0.01")


class _Percentile(Aggregate):
    """PostgreSQL's percentile_cont: the value below which a share of the rows lies, interpolated."""

    template = "percentile_cont(%(share)s) WITHIN GROUP (ORDER BY %(expressions)s)"

    def __init__(self, expression: Any, share: str, **extra: Any) -> None:
        super().__init__(expression, share=share, output_field=_PCT, **extra)


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
    budget = F("session__baskets") * F("session__budget_per_basket")
    missed = ExpressionWrapper((F("after") - F("before") - F("forecast")) * 100 / budget, output_field=_PCT)
    known = Q(after__isnull=False, forecast__isnull=False)
    size = Abs("missed")
    rows = (
        MarginJump.objects.filter(session__in=period.sessions())
        .exclude(note="nothing was filled")
        .annotate(missed=missed)
        .order_by()
        .values("kind", "forecast_source", "mode")
        .annotate(
            measured=Count("id", filter=known),
            unmeasured=Count("id", filter=~known),
            bias=Avg("missed", output_field=_PCT),
            p50=_Percentile(size, "0.5"),
            p95=_Percentile(size, "0.95"),
            worst=Max(size, output_field=_PCT),
        )
    )
    found = (
        Accuracy(
            kind=row["kind"],
            source=row["forecast_source"],
            mode=row["mode"],
            measured=row["measured"],
            unmeasured=row["unmeasured"],
            bias_pct=_rounded(row["bias"]),
            p50_pct=_rounded(row["p50"]),
            p95_pct=_rounded(row["p95"]),
            worst_pct=_rounded(row["worst"]),
        )
        for row in rows
    )
    return tuple(sorted(found, key=lambda each: (each.mode, each.kind, each.source)))


def _rounded(value: Decimal | float | None) -> Decimal | None:
    return None if value is None else Decimal(value).quantize(_HUNDREDTH)
