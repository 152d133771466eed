"""Policy of a session: the environment's figures with the session's own in place of those that it overrides. The one place."""

from __future__ import annotations

from dataclasses import replace

from hedging.domain.policy import HedgePolicy
from sessions_app.models import TradingSession

OVERRIDES = {
    "trigger_pct": "utilization_trigger_pct",
    "target_pct": "utilization_target_pct",
    "exit_trigger_pct": "exit_trigger_pct",
    "lookahead_minutes": "lookahead_minutes",
    "exit_buffer_minutes": "exit_buffer_minutes",
    "min_premium": "min_premium",
    "max_premium": "max_premium",
    "max_cost_per_day": "max_cost_per_day",
    "cooldown_seconds": "cooldown_seconds",
}
"""Nullable columns of a session → the figure of `HedgePolicy` that each overrides."""


def policy_of(session: TradingSession, base: HedgePolicy) -> HedgePolicy:
    """Return `base` with the session's own figures in place of those that it overrides."""
    own = {name: getattr(session, column) for column, name in OVERRIDES.items()}
    return replace(base, **{name: value for name, value in own.items() if value is not None})


def contradictions(policy: HedgePolicy) -> dict[str, str]:
    """Return what in a policy cannot be meant, by column of a session, each with its fix; {} for a sound one."""
    found: dict[str, str] = {}
    trigger, target, leave = policy.utilization_trigger_pct, policy.utilization_target_pct, policy.exit_trigger_pct
    rise = f"Exit trigger {leave} %, target {target} % and trigger {trigger} % must rise in this order"
    if not 0 < trigger <= 100:
        found["trigger_pct"] = f"{trigger} % is no trigger: write more than 0, at most 100."
    if target > trigger or target < 0:
        found["target_pct"] = f"{rise}: write a target of at most {trigger}."
    if leave > target or leave < 0:
        found["exit_trigger_pct"] = f"{rise}: write an exit trigger of at most {target}."
    if not 0 < policy.min_premium <= policy.max_premium:
        words = (
            f"₹{policy.min_premium} to ₹{policy.max_premium} holds no premium: write a higher end, or a lower start."
        )
        found["max_premium"] = words
    if policy.lookahead_minutes < 1:
        found["lookahead_minutes"] = "Look at least 1 minute ahead, or entries are met unhedged."
    if policy.max_cost_per_day < 0:
        found["max_cost_per_day"] = "A cap is not below 0; 0 buys nothing."
    return found
