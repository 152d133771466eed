"""Bars: utilization with its marks, and cost against the cap, as places in per cent of the bar's width."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hedging.selectors.facts import Cost, Margin, Projection, SessionFacts

# The bar shows up to this percentage of the budget; beyond, it is simply full.
BAR_END = Decimal(120)


@dataclass(frozen=True, slots=True)
class Mark:
    """A line on the bar: its place in per cent of the bar's width, and its label."""

    place: str
    label: str
    name: str


@dataclass(frozen=True, slots=True)
class Bar:
    """The utilization bar: how far it is filled, in words how that is, and its marks."""

    filled: str
    level: str
    words: str
    projected: str | None
    marks: tuple[Mark, ...]


def bar_of(session: SessionFacts, margin: Margin | None, projections: tuple[Projection, ...]) -> Bar:
    """Place the utilization, the projection and the marks on the bar. Unknown utilization leaves it empty, in words."""
    used = margin.utilization_pct if margin is not None else None
    ahead = [p.entry.used_after_pct for p in projections if p.entry.used_after_pct is not None]
    marks = (
        (session.exit_trigger_pct, "exit trigger"),
        (session.target_pct, "target"),
        (session.trigger_pct, "trigger"),
        (Decimal(100), "budget"),
    )
    level, text = _level(used, session)
    return Bar(
        filled=_place(used or Decimal(0)),
        level=level,
        words=text,
        projected=_place(max(ahead)) if ahead else None,
        marks=tuple(Mark(_place(at), f"{at.normalize():f}", name) for at, name in marks),
    )


def cost_place(cost: Cost) -> str:
    """Place what is spent or set aside on the bar of the cap."""
    held = cost.spent + cost.reserved
    return f"{min(held / cost.cap, Decimal(1)) * 100 if cost.cap else Decimal(100):.2f}%"


def _level(used: Decimal | None, session: SessionFacts) -> tuple[str, str]:
    if used is None:
        return "unknown", "not known"
    if used > 100:
        return "breach", "over the budget"
    if used > session.trigger_pct:
        return "over", "over the trigger"
    if used > session.target_pct:
        return "watch", "between target and trigger"
    return "calm", "within the target"


def _place(percentage: Decimal) -> str:
    return f"{min(max(percentage, Decimal(0)), BAR_END) / BAR_END * 100:.2f}%"
