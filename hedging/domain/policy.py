"""Policy: the frozen figures by which one decision was made; stored with the decision, so edits never change the past."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Relaxation(StrEnum):
    """What may be given up, in this order, when no strike satisfies band and bounds (design.md §5)."""

    NONE = "none"
    OTM_BOUND = "otm_bound"
    LOWER_PREMIUM = "lower_premium"
    HIGHER_PREMIUM = "higher_premium"


class Objective(StrEnum):
    """What the cheapest hedge is the cheapest by.

    `PREMIUM_OUTLAY`: premium paid less premium received now, with the charges of every order. `EXPECTED_COST`: the same
    less what selling the wings is expected to bring when the hedge is no longer needed (decayed until then at the volatility
    of today's price, less half the spread and the charges of the sale); what would not pay for its sale is left to expire.
    """

    PREMIUM_OUTLAY = "premium_outlay"
    EXPECTED_COST = "expected_cost"


@dataclass(frozen=True, slots=True)
class HedgePolicy:
    """Every figure that a decision depends on beside what was read. Percentages are of the session's budget.

    `min_premium`, `max_premium`, `floor_premium`, `ceiling_premium` in rupees a unit; `max_cost_per_day` in rupees.
    `relaxations` lists what may be given up, cumulative and in order; its first member is always `NONE`.
    `buy_least_utilization`: where no aim can be reached, buy what brings utilization lowest instead of nothing.
    Entries are projected from `lookahead_minutes` before them and hedged from `buy_within_seconds` before: time for
    every chase and for the margin to follow, and not so early that a stop in between makes the hedge needless.
    `order_buffer_ticks` and `order_buffer_pct` bound how far a limit price may lie beyond the touch (the larger counts).
    """

    utilization_trigger_pct: Decimal = Decimal(95)
    utilization_target_pct: Decimal = Decimal(85)
    exit_trigger_pct: Decimal = Decimal(70)
    lookahead_minutes: int = 5
    buy_within_seconds: int = 100
    exit_buffer_minutes: int = 15
    min_premium: Decimal = Decimal("2.0")
    max_premium: Decimal = Decimal("6.0")
    floor_premium: Decimal = Decimal("0.30")
    ceiling_premium: Decimal = Decimal("12.0")
    max_cost_per_day: Decimal = Decimal(50000)
    cooldown_seconds: int = 120
    relaxations: tuple[Relaxation, ...] = (Relaxation.NONE, Relaxation.OTM_BOUND, Relaxation.LOWER_PREMIUM)
    objective: Objective = Objective.PREMIUM_OUTLAY
    buy_least_utilization: bool = False
    safety_buffer_pct: Decimal = Decimal("1.0")
    minimum_exit_value: Decimal = Decimal("0.50")
    order_buffer_ticks: int = 10
    order_buffer_pct: Decimal = Decimal(5)
    max_quote_age_seconds: int = 5
    max_funds_age_seconds: int = 10
    intent_valid_seconds: int = 240
    chase_after_seconds: int = 10
    max_chases: int = 5
    lost_after_seconds: int = 150
    keep_hedges_overnight: bool = False
    version: int = 1
