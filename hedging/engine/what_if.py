"""What if: what would be bought now under other figures of the policy. Reads the broker, stores nothing, orders nothing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hedging.brokers.base import BrokerError
from hedging.domain.decision import Decision
from hedging.domain.facts import CycleFacts
from hedging.domain.guards import ACTIVE
from hedging.domain.imagined import LEAST_SCAN_PCT, MOST_SCAN_PCT, with_scan_range
from hedging.domain.policy import HedgePolicy
from hedging.domain.scenarios import Scenarios, scenario_losses
from hedging.domain.strikes import StrikeTable, strike_table
from hedging.engine.clock import VirtualClock
from hedging.engine.depths import decide_at_depth
from hedging.engine.gather import Gatherer
from hedging.engine.one_reading import OneReading
from hedging.engine.ports import Ports
from hedging.engine.pulse import take_pulse
from hedging.engine.reconcile import Reconciled
from hedging.engine.ticks import Rules
from hedging.models import CycleKind
from sessions_app.models import TradingSession
from sessions_app.policy import policy_of

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
"""What may be imagined otherwise: columns of the session. `scan_range_pct` comes beside them, of the margin parameters."""


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """The figures that a what-if was decided by, in percent and in rupees a unit."""

    baskets: int
    trigger_pct: Decimal
    target_pct: Decimal
    exit_trigger_pct: Decimal
    lookahead_minutes: int
    min_premium: Decimal
    max_premium: Decimal
    scan_range_pct: Decimal


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What would be decided now, and what if nothing but the need counted: no switch, cooldown, breaker, hour or order.

    `at_present` is the latter by the session's own figures, `None` where nothing is imagined otherwise. Rupees and percent
    as the decisions' cards have them; `now` is market time. `scenarios` and `strikes` are of `if_needed`, `None` where no
    chain could be read, or a line of the book has no price.
    """

    session_id: int
    now: datetime
    budget: Decimal
    used: Decimal | None
    utilization_pct: Decimal | None
    unknown: str
    now_decided: Decision
    if_needed: Decision
    at_present: Decision | None
    figures: PolicyInForce
    scenarios: Scenarios | None
    strikes: StrikeTable | None


def what_if(*, session_id: int, changed: Mapping[str, Any], rules: Rules, reach_minutes: int = 0) -> WhatIf:
    """Decide on one reading of the books and prices, with `changed` in place of the session's own figures.

    `changed` names `OVERRIDES` and `scan_range_pct`. What would be bought looks `reach_minutes` ahead where that is farther
    than the lookahead; what the loop would decide does not. Raises `ReferenceMissing`, `TradingSession.DoesNotExist`, and
    `ValueError` for figures that contradict each other.
    """
    session = TradingSession.objects.select_related("account", "calibration").get(pk=session_id)
    scan = changed.get("scan_range_pct")
    if scan is not None and not LEAST_SCAN_PCT <= scan <= MOST_SCAN_PCT:
        raise ValueError(f"a scan range of {scan} % is none: write {LEAST_SCAN_PCT} to {MOST_SCAN_PCT}")
    look = _Look(session=session, rules=rules)
    changes = {name: changed[name] for name in OVERRIDES if name in changed}
    loop = look.at(changes, reach=0, scan=scan)
    need = look.at(changes, reach=reach_minutes, scan=scan) if reach_minutes else loop
    present = look.at({}, reach=reach_minutes, scan=None) if changed else None
    facts, decided = decide_at_depth(*loop)
    needed_from, needed = decide_at_depth(need[0], _only_the_need(need[1]))
    return WhatIf(
        session_id=session.pk,
        now=facts.now,
        budget=facts.session.budget,
        used=facts.used,
        utilization_pct=facts.utilization_pct,
        unknown=need[1].unknown,
        now_decided=decided,
        if_needed=needed,
        at_present=None if present is None else decide_at_depth(present[0], _only_the_need(present[1]))[1],
        figures=_figures(session, changes, facts),
        scenarios=_scenarios(needed_from, needed),
        strikes=None if needed_from.chain is None else strike_table(needed_from, needed),
    )


class _Look:
    """Looks at one moment as often as it is asked, under other figures each time. The broker is asked each thing once."""

    def __init__(self, *, session: TradingSession, rules: Rules) -> None:
        self._session = session
        self._rules = rules
        self._plan = rules.plan_for(session)
        ports: Ports = rules.ports_for(session)
        self._reader = OneReading(ports.broker)
        self._now = ports.clock.now()
        for read in (self._reader.funds, self._reader.positions):
            with suppress(BrokerError):  # whoever asks again is told the same, and says so in the facts
                read()
        # Every look is at this one reading: what falls due from now on is still to come in all of them.
        self._ports = replace(ports, clock=VirtualClock(ports.clock.now()))
        self._pulse = take_pulse(
            session_id=session.pk,
            account_id=session.account_id,
            day=session.trading_day,
            mode=session.mode,
            kind=CycleKind.MANUAL,
            slot=None,
            now=self._now,
        )

    def at(self, changes: Mapping[str, Any], *, reach: int, scan: Decimal | None) -> tuple[Gatherer, CycleFacts]:
        """Gather under `changes` of the session's columns. Raises `ValueError` for figures that contradict each other."""
        session = copy(self._session)  # this copy of the row is never saved
        for name, value in changes.items():
            setattr(session, name, value)
        base = self._rules.policy
        session.lookahead_minutes = max(reach, policy_of(session, base).lookahead_minutes)
        gatherer = Gatherer(
            session=session,
            plan=self._plan,
            base_policy=base,
            enabled=self._rules.enabled,
            ports=self._ports,
            reader=self._reader,
        )
        books = Reconciled(watched=len(self._pulse.watched), books_read=self._pulse.check is not None)
        facts = gatherer.book(now=self._now, books=books, pulse=self._pulse)
        _refuse_contradictions(facts.policy)
        if facts.positions is not None:
            facts = gatherer.prices(facts)
            facts = gatherer.increments(facts) if scan is None else _imagined(facts, scan)
        return gatherer, facts


def _refuse_contradictions(policy: HedgePolicy) -> None:
    if not policy.exit_trigger_pct <= policy.utilization_target_pct <= policy.utilization_trigger_pct:
        raise ValueError("exit trigger, target and trigger must rise in this order")
    if policy.min_premium > policy.max_premium:
        raise ValueError("the least premium is above the largest")


def _imagined(facts: CycleFacts, scan: Decimal) -> CycleFacts:
    try:
        return with_scan_range(facts, scan)
    except ValueError:  # no chain, or no price: `decide` names what is missing
        return facts


def _figures(session: TradingSession, changes: Mapping[str, Any], facts: CycleFacts) -> PolicyInForce:
    policy = facts.policy
    return PolicyInForce(
        baskets=changes.get("baskets", session.baskets),
        trigger_pct=policy.utilization_trigger_pct,
        target_pct=policy.utilization_target_pct,
        exit_trigger_pct=policy.exit_trigger_pct,
        lookahead_minutes=policy.lookahead_minutes,
        min_premium=policy.min_premium,
        max_premium=policy.max_premium,
        scan_range_pct=Decimal(repr(round(facts.parameters.price_scan_fraction * 100, 4))),
    )


def _scenarios(facts: CycleFacts, decision: Decision) -> Scenarios | None:
    try:
        return scenario_losses(facts, decision)
    except ValueError:  # no chain, or a line of the book without a price: the decision's gates name it
        return None


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
