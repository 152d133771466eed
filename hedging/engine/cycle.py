"""The loop of the house: reconcile, gather, decide, record (with its alert), execute. Open this file first."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from hedging.domain.decision import AddHedge, Decision, wants_prices
from hedging.domain.facts import CycleFacts
from hedging.domain.policy import HedgePolicy
from hedging.engine import breaker, day_ahead, discrepancies
from hedging.engine.baseline import capture_first_reading
from hedging.engine.depths import decide_at_depth
from hedging.engine.gather import Gatherer
from hedging.engine.intents import Recorded, record
from hedging.engine.jumps import expect_release, foretell, measure
from hedging.engine.plan import DayPlan
from hedging.engine.ports import Ports
from hedging.engine.pulse import Pulse, take_pulse
from hedging.engine.reconcile import Reconciled, reconcile
from hedging.engine.verify import check_with_broker, refused
from hedging.models import CycleKind, HedgeDecision
from sessions_app.models import TradingSession

VERIFY_ROUNDS = 3
MOVED_BY_ORDERS = ("spent", "reserved", "last_action_at", "quarantine")
"""Columns of a session that its orders change: read anew after the books were."""


def run_cycle(
    *,
    session: TradingSession,
    kind: CycleKind,
    slot: int | None,
    now: datetime,
    ports: Ports,
    plan: DayPlan,
    policy: HedgePolicy,
    enabled: bool,
    lease: int | None = None,
) -> HedgeDecision | None:
    """Run one cycle of a session at market time `now`; return its card, or `None` when this slot was decided before.

    `plan` is the day's timetable and dated facts, `policy` the figures in force before the session's own, `enabled` the lid;
    `lease` the fencing number under which the account was taken, `None` where nobody else can be deciding.
    """
    account_id, day = session.account_id, session.trading_day
    pulse = take_pulse(
        session_id=session.pk, account_id=account_id, day=day, mode=session.mode, kind=kind, slot=slot, now=now
    )
    if pulse.decided:
        return None
    standing = breaker.probe_if_due(account_id=account_id, standing=pulse.standing, now=now, ports=ports)
    pulse = replace(pulse, standing=standing)
    books = reconcile(account_id=account_id, day=day, ports=ports, watched=pulse.watched)
    if books.watched:
        session.refresh_from_db(fields=MOVED_BY_ORDERS)
    gatherer = Gatherer(session=session, plan=plan, base_policy=policy, enabled=enabled, ports=ports)
    facts = _gather(gatherer, session, plan, now=now, books=books, pulse=pulse, ports=ports)
    measure(session=session, facts=facts, due=pulse.jumps_due, plan=plan, wall_now=ports.wall())
    decision = _decide(gatherer, facts)
    if day_ahead.is_due(kind=kind, facts=facts, plan=plan):
        decision.card["day"] = day_ahead.day_card(gatherer=gatherer, session=session, plan=plan, facts=facts)
    recorded = record(decision=decision, facts=facts, session=session, kind=kind, slot=slot, ports=ports, lease=lease)
    if recorded is None:
        return None
    _execute(recorded, ports)
    foretell(session=session, facts=facts, card=decision.card)
    breaker.note_cycle(
        account_id=account_id,
        failed=gatherer.infrastructure_failed,
        standing=standing,
        now=now,
        wall_now=ports.wall(),
    )
    expect_release(card=recorded.card, decision=decision, facts=facts, session=session)
    return recorded.card


def _gather(
    gatherer: Gatherer,
    session: TradingSession,
    plan: DayPlan,
    *,
    now: datetime,
    books: Reconciled,
    pulse: Pulse,
    ports: Ports,
) -> CycleFacts:
    facts = gatherer.book(now=now, books=books, pulse=pulse)
    first_entry_at = min((entry.entry_at for entry in plan.entries), default=None)
    if capture_first_reading(session=session, facts=facts, first_entry_at=first_entry_at, ports=ports):
        facts = gatherer.book(now=now, books=books, pulse=pulse)
    facts = discrepancies.look(facts=facts, session=session, pulse=pulse, ports=ports)
    if wants_prices(facts):
        facts = gatherer.increments(gatherer.prices(facts))
        facts = day_ahead.with_need(gatherer=gatherer, session=session, plan=plan, facts=facts)
    return facts


def _decide(gatherer: Gatherer, facts: CycleFacts) -> Decision:
    """Decide at the chosen strikes' depth; have the broker confirm a hedge; where it disagrees, correct and solve again."""
    rounds: list[dict[str, str | None]] = []
    facts, decision = decide_at_depth(gatherer, facts)
    for rounds_left in reversed(range(VERIFY_ROUNDS)):
        if not isinstance(decision, AddHedge):
            break
        check = check_with_broker(gatherer=gatherer, facts=facts, decision=decision)
        rounds.append(check.as_card())
        if check.shortfall <= Decimal(0):
            break
        if not rounds_left:
            decision = refused(decision=decision, check=check, facts=facts) if check.too_little else decision
            break
        facts = replace(facts, used_correction=facts.used_correction + check.disagreement)
        # It may now hold: by the broker's own count nothing purchasable suffices.
        facts, decision = decide_at_depth(gatherer, facts)
    if rounds:
        decision.card["verified"] = {**rounds[-1], "rounds": rounds}
    return decision


def _execute(recorded: Recorded, ports: Ports) -> None:
    for order_id in recorded.order_ids:
        ports.nudge_send(order_id)
