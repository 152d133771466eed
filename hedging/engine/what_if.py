"""What if: what would be bought now under other figures of the policy. Reads the broker, stores nothing, orders nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hedging.domain.decision import Decision
from hedging.domain.facts import CycleFacts
from hedging.domain.guards import ACTIVE
from hedging.engine.depths import decide_at_depth
from hedging.engine.gather import Gatherer
from hedging.engine.pulse import take_pulse
from hedging.engine.reconcile import Reconciled
from hedging.engine.ticks import Rules
from hedging.models import CycleKind
from sessions_app.models import TradingSession

OVERRIDES = (
    "baskets",
    "trigger_pct",
    "target_pct",
    "exit_trigger_pct",
    "lookahead_minutes",
    "min_premium",
    "max_premium",
    "max_cost_per_day",
)
"""What may be imagined otherwise: columns of the session."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What would be decided now, and what if nothing but the need counted: no switch, cooldown, breaker, hour or order.

    Rupees and percent as the decisions' cards have them; `now` is market time.
    """

    session_id: int
    now: datetime
    budget: Decimal
    used: Decimal | None
    utilization_pct: Decimal | None
    unknown: str
    now_decided: Decision
    if_needed: Decision


def what_if(*, session_id: int, changed: Mapping[str, Any], rules: Rules) -> WhatIf:
    """Decide twice on one reading of the books and prices, with `changed` (of `OVERRIDES`) in place of the session's own.

    Raises `ReferenceMissing`, `TradingSession.DoesNotExist`, and `ValueError` for figures that contradict each other.
    """
    session = TradingSession.objects.select_related("account", "calibration").get(pk=session_id)
    for name in OVERRIDES:
        if name in changed:
            setattr(session, name, changed[name])  # this copy of the row is never saved
    ports = rules.ports_for(session)
    now = ports.clock.now()
    pulse = take_pulse(
        session_id=session.pk,
        account_id=session.account_id,
        day=session.trading_day,
        mode=session.mode,
        kind=CycleKind.MANUAL,
        slot=None,
        now=now,
    )
    gatherer = Gatherer(
        session=session, plan=rules.plan_for(session), base_policy=rules.policy, enabled=rules.enabled, ports=ports
    )
    books = Reconciled(watched=len(pulse.watched), books_read=pulse.check is not None)
    facts = gatherer.book(now=now, books=books, pulse=pulse)
    policy = facts.policy
    if not policy.exit_trigger_pct <= policy.utilization_target_pct <= policy.utilization_trigger_pct:
        raise ValueError("exit trigger, target and trigger must rise in this order")
    if policy.min_premium > policy.max_premium:
        raise ValueError("the least premium is above the largest")
    if facts.positions is not None:
        facts = gatherer.increments(gatherer.prices(facts))
    facts, decided = decide_at_depth(gatherer, facts)
    _, needed = decide_at_depth(gatherer, _only_the_need(facts))
    return WhatIf(
        session_id=session.pk,
        now=now,
        budget=facts.session.budget,
        used=facts.used,
        utilization_pct=facts.utilization_pct,
        unknown=facts.unknown,
        now_decided=decided,
        if_needed=needed,
    )


def _only_the_need(facts: CycleFacts) -> CycleFacts:
    free = replace(facts.session, automation=True, trading_state=ACTIVE, last_action_at=None)
    policy = replace(facts.policy, buy_within_seconds=facts.policy.lookahead_minutes * 60)
    window = facts.window
    if window is not None and not window.act_from <= facts.now < window.act_until:
        window = replace(window, act_from=facts.now, act_until=facts.now + timedelta(seconds=1))
    return replace(
        facts,
        session=free,
        policy=policy,
        window=window,
        enabled=True,
        breaker_open=False,
        cleared=True,
        in_flight=(),
        still_seconds=0.0,
    )
