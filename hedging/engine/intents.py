"""Record: store the decision card and claim its legs, in one transaction, before the network is touched.

The claim looks at the session's row under its lock, so that cap, cooldown, trading state and live intents hold for all
processes and origins at once (orders.md §3.1 and §5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Model

from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.decision import Decision, Hold, LegOrder
from hedging.domain.facts import CycleFacts
from hedging.domain.instruments import Product, Side
from hedging.domain.policy import HedgePolicy
from hedging.domain.reasons import Reason
from hedging.domain.worst_case import worst_cost as worst_cost_of
from hedging.engine import alerts, audit, day_ahead
from hedging.engine.breaker import kind_of
from hedging.engine.one_row import OneRow
from hedging.engine.path_rows import ground_of_claim, reserve_of
from hedging.engine.ports import Ports
from hedging.engine.preflight import gate
from hedging.engine.standing import Standing
from hedging.engine.written import Change, Unchanged, insert
from hedging.models import Action, CycleKind, HedgeDecision, HedgeOrder, HedgeTransaction, Origin
from hedging.selectors import holdings
from schedule.calendar import IST
from sessions_app.models import MarginSnapshot, Mode, TradingSession

_LOCKED_SESSION = OneRow(TradingSession, locked=("",))


class Denied(Exception):
    """A claim was refused by the session's row; nothing of it was stored. `reason` says by which rule."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was stored: the card, and the slices to send, buys first."""

    card: HedgeDecision
    order_ids: tuple[int, ...]


def record(
    *,
    decision: Decision,
    facts: CycleFacts,
    session: TradingSession,
    kind: CycleKind,
    slot: int | None,
    ports: Ports,
    origin: Origin = Origin.AUTO,
    actor: str = "engine",
    lease: int | None = None,
) -> Recorded | None:
    """Store the card and the claim. Return `None` when this slot was decided before: the second nudge is a no-op.

    A claim that is denied becomes a Hold card with the denial as its reason; nothing was reserved then. `lease` is the
    fencing number of the account lease under which the decision was made, `None` for what a person decided.
    """
    try:
        with transaction.atomic():
            card = _card(decision, facts, session, kind, slot)
            rows: list[Model] = [_snapshot(session, facts), card]
            if isinstance(decision, Hold):
                order_ids: tuple[int, ...] = ()
                insert(rows)
            else:
                claim = _claim(card, decision.legs, facts, ports, origin=origin, actor=actor, lease=lease)
                order_ids = claim.order_ids
                try:
                    insert(rows + claim.rows, after=claim.reserve)
                except Unchanged:
                    raise claim.beyond from None
            alerts.about(card, wall_now=ports.wall())
            day_ahead.warn(card, session=session, wall_now=ports.wall())
            return Recorded(card, order_ids)
    except Denied as denied:
        held = Hold(denied.reason, decision.gates, {**decision.card, "denied": denied.detail})
        return record(decision=held, facts=facts, session=session, kind=kind, slot=slot, ports=ports, actor=actor)
    except IntegrityError:
        if slot is not None and HedgeDecision.objects.filter(session=session, kind=kind, slot=slot).exists():
            return None
        raise


def _snapshot(session: TradingSession, facts: CycleFacts) -> MarginSnapshot:
    unknown = "" if facts.used is not None else facts.unknown or "no baseline yet"
    return MarginSnapshot(
        session=session,
        mode=session.mode,
        at=facts.now,
        broker_used=None if facts.funds is None else facts.funds.utilised,
        used=facts.used,
        utilization_pct=None if facts.utilization_pct is None else facts.utilization_pct.quantize(Decimal("0.01")),
        free_margin=facts.free_margin,
        spot=None if facts.chain is None else facts.chain.spot,
        unknown_reason=unknown[:200],
    )


def _card(
    decision: Decision, facts: CycleFacts, session: TradingSession, kind: CycleKind, slot: int | None
) -> HedgeDecision:
    buys = not isinstance(decision, Hold) and any(leg.side is Side.BUY for leg in decision.legs)
    action = Action.HOLD if isinstance(decision, Hold) else Action.ADD if buys else Action.UNWIND
    return HedgeDecision(
        session=session,
        mode=session.mode,
        kind=kind.value,
        slot=slot,
        at=facts.now,
        action=action.value,
        reason=decision.reason.value,
        facts=decision.card,
        gates=[gate.as_card() for gate in decision.gates],
        policy=_policy_card(facts.policy),
    )


@lru_cache(maxsize=64)
def _policy_card(policy: HedgePolicy) -> dict[str, Any]:
    plain = asdict(policy)
    return {name: value if isinstance(value, int | bool) else str(value) for name, value in plain.items()} | {
        "relaxations": [relaxation.value for relaxation in policy.relaxations]
    }


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a claim consists of: rows to be written and, with them, the reserve; `beyond` where that does not fit."""

    order_ids: tuple[int, ...]
    rows: list[Model]
    reserve: Change
    beyond: Denied


def _claim(
    card: HedgeDecision,
    legs: Sequence[LegOrder],
    facts: CycleFacts,
    ports: Ports,
    *,
    origin: Origin,
    actor: str,
    lease: int | None,
) -> _Claim:
    """Return the claim of the legs for a card, of which nothing is written yet. Raises `Denied`."""
    now, wall_now = facts.now, ports.wall()
    session = _LOCKED_SESSION.get(card.session_id)
    by_clock = all(leg.due_by_clock for leg in legs)
    cuts = [_cut(leg.quantity, facts.spec.max_order_quantity) for leg in legs]
    wanted = {HedgeDecision: 1, HedgeTransaction: len(legs), HedgeOrder: sum(map(len, cuts))}
    # Asked after the lock was granted: what was committed while we waited for it counts.
    ground = ground_of_claim(session.pk, [format_symbol(leg.contract) for leg in legs], wanted)
    _check_standing(ground.standing, legs, lease=lease, by_clock=by_clock)
    _check_session(session, legs, facts, origin, by_clock=by_clock)
    if ground.is_live:
        raise Denied(Reason.DENY_LIVE_INTENT)
    _check_held(session, legs, facts.session.product)
    reserve, beyond = _reserve(session, legs, facts)
    [card.pk], intents, orders = ground.ids
    ids, order_ids, rows = iter(orders), [], []
    for leg, tx_id, cut in zip(legs, intents, cuts, strict=True):
        tx = _intent(card, session, leg, facts, origin)
        tx.pk = tx_id
        slices = [
            HedgeOrder(
                pk=next(ids),
                transaction=tx,
                account_id=session.account_id,
                trading_day=session.trading_day,
                mode=tx.mode,
                slice=number,
                quantity=quantity,
                created_at=now,
                touched_wall=wall_now,
            )
            for number, quantity in enumerate(cut, start=1)
        ]
        order_ids += [] if leg.after_buys else [order.pk for order in slices]
        line = audit.line(
            account_id=session.account_id,
            session_id=session.pk,
            at=now,
            wall_at=wall_now,
            actor=actor,
            event="intent_claimed",
            subject=tx,
            facts={"side": leg.side.value, "symbol": tx.symbol, "quantity": leg.quantity, "reserve": str(tx.reserve)},
            also=slices,
            session_now=session,
        )
        rows += [tx, *slices, line]
    return _Claim(tuple(order_ids), rows, reserve, beyond)


def _check_standing(standing: Standing, legs: Sequence[LegOrder], *, lease: int | None, by_clock: bool) -> None:
    """Refuse by the rows that all processes share: trading states, breaker, and who holds the account."""
    side = Side.BUY if any(leg.side is Side.BUY for leg in legs) else Side.SELL
    if not standing.allows(side):
        raise Denied(Reason.DENY_TRADING_STATE, f"{standing.state.label} {standing.reason}".strip())
    if lease is not None and standing.lease_number != lease:
        raise Denied(Reason.DENY_LEASE_LOST, f"taken as number {lease}, now {standing.lease_number}")
    broken_until = standing.open_until(kind_of(side))
    # What the clock wants sold is sold into a failing server too: tomorrow is too late for it.
    if not by_clock and broken_until is not None:
        raise Denied(Reason.DENY_BREAKER_OPEN, f"until {broken_until.astimezone(IST):%H:%M:%S} IST, wall time")


def _check_session(
    session: TradingSession, legs: Sequence[LegOrder], facts: CycleFacts, origin: Origin, *, by_clock: bool
) -> None:
    if origin is Origin.AUTO and not by_clock and not session.automation:
        raise Denied(Reason.DENY_AUTOMATION_OFF)
    if any(leg.side is Side.BUY and leg.contract.expiry != session.expiry for leg in legs):
        # Decided on a book of the expiry that the session had before it was moved.
        raise Denied(Reason.DENY_NOT_OF_SESSION, f"the session trades {session.expiry} by now")
    if session.mode == Mode.LIVE and settings.AUTO_HEDGE_DRY_RUN:
        raise Denied(Reason.DENY_LIVE_NOT_ALLOWED)
    _check_preflight(session, legs, origin, by_clock=by_clock)
    if facts.window is None or not facts.window.act_from <= facts.now < facts.window.act_until:
        raise Denied(Reason.DENY_OUT_OF_HOURS)
    # The last action, which must be the row's too (below), may be completed by buys, and by sales that follow them.
    of_purchase = all(leg.side is Side.BUY or leg.after_buys for leg in legs)
    completes = origin is Origin.AUTO and facts.completing and of_purchase
    if not by_clock and not completes and session.last_action_at is not None:
        ready = session.last_action_at + timedelta(seconds=facts.policy.cooldown_seconds)
        if facts.now < ready:
            raise Denied(Reason.DENY_COOLDOWN, f"until {ready.astimezone(IST):%H:%M:%S} IST")
    # What the clock wants gone before exercise goes, whatever else was done.
    must_go = all(leg.reason is Reason.UNWIND_BEFORE_CLOSE for leg in legs)
    if not must_go and session.last_action_at != facts.session.last_action_at:
        # The decision was made on a book that another action has changed since.
        raise Denied(Reason.DENY_COOLDOWN, "another action came first")
    # An order in it came to nothing after the decision had read what is kept apart.
    known = set(map(format_symbol, facts.session.quarantine))
    bought = {format_symbol(leg.contract) for leg in legs if leg.side is Side.BUY}
    refused = sorted(bought & set(session.quarantine) - known)
    if refused:
        raise Denied(Reason.DENY_QUARANTINED, ", ".join(refused))


def _check_preflight(session: TradingSession, legs: Sequence[LegOrder], origin: Origin, *, by_clock: bool) -> None:
    """Refuse what is automatic while the last pre-flight was red, and everything live without a run of today."""
    automatic = origin is Origin.AUTO and not by_clock
    live = session.mode == Mode.LIVE
    if (automatic and not gate.is_cleared(session)) or (
        live and not all(gate.may_go_live(session, leg.side) for leg in legs)
    ):
        raise Denied(Reason.DENY_PREFLIGHT, gate.words(session))


def _check_held(session: TradingSession, legs: Sequence[LegOrder], product: Product) -> None:
    """Refuse a sale beyond what our own fills hold in this product; sells in flight are excluded by the live-intent rule."""
    if all(leg.side is Side.BUY for leg in legs):
        return  # holdings are the dearest question of a claim
    held = {
        row.contract: row.quantity
        for row in holdings(account_id=session.account_id, mode=session.mode, day=session.trading_day)
        if row.product is product
    }
    for leg in legs:
        if leg.side is Side.SELL and leg.quantity > held.get(leg.contract, 0):
            raise Denied(Reason.DENY_BEYOND_HELD, f"{leg.quantity} of {held.get(leg.contract, 0)}")


def _reserve(session: TradingSession, legs: Sequence[LegOrder], facts: CycleFacts) -> tuple[Change, Denied]:
    """Set the legs' worst cost aside and begin the cooldown: in the object at hand; return the change that does so in the row.

    With it comes what to raise where the cost does not fit under the cap.
    """
    amount = sum((worst_cost(leg, facts) for leg in legs), Decimal(0))
    cap = facts.policy.max_cost_per_day
    session.reserved, session.last_action_at = session.reserved + amount, facts.now
    reserve = reserve_of(session_id=session.pk, amount=amount, cap=Decimal(cap), acted_at=facts.now)
    return reserve, Denied(Reason.DENY_COST_CAP, f"₹{amount} would not fit under ₹{cap}")


def worst_cost(leg: LegOrder, facts: CycleFacts) -> Decimal:
    """Return the rupees that a leg may cost at its worst price, the charges of every chase included; sales cost nothing."""
    if leg.side is Side.SELL:
        return Decimal(0)
    lots = leg.quantity // facts.spec.lot
    return worst_cost_of(price=leg.worst_price, lots=lots, policy=facts.policy, spec=facts.spec, rates=facts.charges)


def _intent(
    card: HedgeDecision, session: TradingSession, leg: LegOrder, facts: CycleFacts, origin: Origin
) -> HedgeTransaction:
    return HedgeTransaction(
        decision=card,
        session=session,
        mode=session.mode,
        index=leg.contract.index.value,
        expiry=leg.contract.expiry,
        strike=leg.contract.strike,
        right=leg.contract.right.value,
        product=facts.session.product.value,
        symbol=format_symbol(leg.contract),
        side=leg.side.value,
        quantity=leg.quantity,
        lot=facts.spec.lot,
        reference_price=leg.reference_price,
        worst_price=leg.worst_price,
        reserve=worst_cost(leg, facts),
        reason=leg.reason.value,
        origin=origin.value,
        due_by_clock=leg.due_by_clock,
        created_at=facts.now,
        valid_until=facts.now + timedelta(seconds=facts.policy.intent_valid_seconds),
    )


def _cut(rest: int, largest: int) -> list[int]:
    """Return the units of each slice of a leg: what the exchange takes in one order, and the rest."""
    cut: list[int] = []
    while rest:
        quantity = min(largest, rest)
        cut.append(quantity)
        rest -= quantity
    return cut
