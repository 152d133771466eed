"""Manual orders: preview a purchase or an exit on live prices, with everything that would refuse it. Nothing is stored.

The confirmation (`manual_claim.py`) looks in the same way again, and claims by the same path as every automatic order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from hedging.brokers.base import MarginLeg
from hedging.brokers.openalgo.symbols import parse_symbol
from hedging.domain.cards import card_of
from hedging.domain.facts import CycleFacts
from hedging.domain.instruments import Contract, Side
from hedging.domain.manual import Deed, LegPreview, MarginEffect, Preview, Quoted, QuotedLeg, Wanted, WantedLeg, as_card
from hedging.domain.manual_checks import checks_of, refusals_of
from hedging.domain.manual_quotes import (
    Ground,
    capacity_lots,
    engine_change,
    leg_preview,
    margin_effect,
    resolve,
)
from hedging.domain.manual_warnings import warnings_of
from hedging.domain.policy import HedgePolicy
from hedging.domain.projection import Source
from hedging.engine import watchdog
from hedging.engine.breaker import kind_of
from hedging.engine.gather import Gatherer
from hedging.engine.ports import Ports
from hedging.engine.preflight import gate
from hedging.engine.pulse import Pulse, take_pulse
from hedging.engine.reconcile import Reconciled
from hedging.engine.ticks import Rules
from hedging.models import CycleKind, HedgeTransaction
from hedging.selectors import holdings
from sessions_app.models import Mode, TradingSession

WORKERS = {Side.BUY: watchdog.ORDERS, Side.SELL: watchdog.EXITS}
"""The queue whose workers send an order of each side."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a manual order: its preview, and what it was made from."""

    preview: Preview
    facts: CycleFacts
    session: TradingSession
    ports: Ports


def preview_buy(*, session_id: int, legs: Sequence[WantedLeg], rules: Rules, even_so: bool = False) -> Preview:
    """Return what buying `legs` as one action would cost and do now, and every reason why it would be refused.

    Works with automation off and in dry run. Raises `ValueError` for legs that are no order at all (`Wanted`),
    `ReferenceMissing` where a dated row is missing, `TradingSession.DoesNotExist`.
    """
    return look(session_id=session_id, wanted=Wanted(Deed.BUY, tuple(legs), even_so), rules=rules).preview


def preview_exit(*, session_id: int, legs: Sequence[WantedLeg] = (), rules: Rules, even_so: bool = False) -> Preview:
    """Return what selling hedges of ours as one action would bring and do now, and every reason why it would be refused.

    Without legs every hedge that is held is meant; a leg without lots means all of that hedge. Raises like `preview_buy`.
    """
    return look(session_id=session_id, wanted=Wanted(Deed.EXIT, tuple(legs), even_so), rules=rules).preview


def look(*, session_id: int, wanted: Wanted, rules: Rules, promised: Quoted | None = None) -> Look:
    """Read books, prices and ladders, and judge `wanted` on them; `promised` is the preview that is being confirmed.

    Reads the broker and stores nothing. One read of funds, positions and chain each, one ladder a leg, and the basket call.
    """
    session = TradingSession.objects.select_related("account", "calibration").get(pk=session_id)
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
    facts = _gather(gatherer, pulse, now)
    held = held_units(session)
    legs = resolve(wanted, held, lot=facts.spec.lot)
    facts = replace(facts, depths={contract: gatherer.depth(contract) for contract, _ in legs})
    shown = {} if promised is None else {leg.contract: leg for leg in promised.legs}
    ground = _ground(session, facts, pulse, wanted.deed.side, held=held, promised=shown)
    previews = tuple(leg_preview(ground, contract, lots, wanted.deed.side) for contract, lots in legs)
    margin = _margin(gatherer, facts, previews)
    preview = _preview(session, ground, wanted, previews, margin)
    queue = WORKERS[wanted.deed.side]
    if not watchdog.is_alive(name=queue, wall_now=ports.wall()):
        silent = f"no worker of the queue {queue} gives signs of life: nothing would be sent"
        preview = replace(preview, warnings=(silent, *preview.warnings))
    return Look(preview, facts, session, ports)


def policy_version(policy: HedgePolicy) -> str:
    """Return a name of these figures: it changes when any of them does."""
    return hashlib.sha256(repr(policy).encode()).hexdigest()[:16]


def card_of_look(seen: Look) -> dict[str, Any]:
    """Return what a decision card keeps of a manual order."""
    legs = [
        {
            "symbol": leg.symbol,
            "quantity": leg.quantity,
            "price": None if leg.limit_price is None else str(leg.limit_price),
        }
        for leg in seen.preview.legs
    ]
    margin = seen.preview.margin
    after = None if margin.after_pct is None else str(margin.after_pct.quantize(Decimal("0.01")))
    buys = seen.preview.wanted.deed is Deed.BUY
    chosen = {
        "buys": legs if buys else [],
        "sells": [] if buys else legs,
        "cost": None if seen.preview.premium is None else str(seen.preview.premium),
        "charges": None if seen.preview.charges is None else str(seen.preview.charges),
        "utilization_after_pct": after,
    }
    return card_of(seen.facts) | {"chosen": chosen, "manual": as_card(seen.preview)}


def held_units(session: TradingSession) -> dict[Contract, int]:
    """Return the units of each hedge that is ours, in the session's product and index, less what is being sold. Two queries."""
    selling = HedgeTransaction.objects.live().filter(session=session, side=Side.SELL.value)
    pending: dict[Contract, int] = {}
    for tx in selling:
        pending[tx.contract] = pending.get(tx.contract, 0) + tx.quantity - tx.filled_quantity
    rows = holdings(account_id=session.account_id, mode=session.mode, day=session.trading_day)
    found = {
        row.contract: row.quantity - pending.get(row.contract, 0)
        for row in rows
        if row.product == session.account.product and row.contract.index == session.index
    }
    return {contract: quantity for contract, quantity in found.items() if quantity > 0}


def _gather(gatherer: Gatherer, pulse: Pulse, now: datetime) -> CycleFacts:
    # The workers reconcile; what they found last is what a person looks at.
    books = Reconciled(watched=len(pulse.watched), books_read=pulse.check is not None)
    facts = gatherer.prices(gatherer.book(now=now, books=books, pulse=pulse))
    blocked = frozenset() if pulse.check is None else frozenset(pulse.check.blocked)
    if not blocked:
        return facts
    quarantine = facts.session.quarantine | {parse_symbol(symbol) for symbol in blocked}
    return replace(facts, session=replace(facts.session, quarantine=quarantine))


def _ground(
    session: TradingSession,
    facts: CycleFacts,
    pulse: Pulse,
    side: Side,
    *,
    held: Mapping[Contract, int],
    promised: Mapping[Contract, QuotedLeg],
) -> Ground:
    live = session.mode == Mode.LIVE
    return Ground(
        facts=facts,
        is_open=pulse.standing.is_open,
        allowed=pulse.standing.allows(side),
        may_go=not live or gate.may_go_live(session, side),
        broken_until=pulse.standing.open_until(kind_of(side)),
        held=held,
        promised=promised,
    )


def _margin(gatherer: Gatherer, facts: CycleFacts, legs: Sequence[LegPreview]) -> MarginEffect:
    """Return what the action does to used margin: by the broker's basket call where that counts, else by our engine."""
    product = facts.session.product
    priced = [leg for leg in legs if leg.limit_price is not None and leg.quantity]
    if not legs or len(priced) < len(legs):
        return margin_effect(facts, legs, change=None, source=None, note="a leg has no price")
    sent = [
        MarginLeg(leg.contract, product, leg.side, leg.quantity, leg.limit_price)
        for leg in priced
        if leg.limit_price is not None
    ]
    answer = gatherer.added_by(facts, sent)
    if answer is not None:
        return margin_effect(facts, legs, change=answer[0], source=Source.BROKER, note="the broker's basket call")
    words = gatherer.no_basket
    try:
        change = engine_change(facts, legs)
    except ValueError as error:
        return margin_effect(facts, legs, change=None, source=None, note=str(error)[:200])
    return margin_effect(facts, legs, change=change, source=Source.ENGINE, note=f"{facts.profile.words}; {words}"[:300])


def _preview(
    session: TradingSession,
    ground: Ground,
    wanted: Wanted,
    legs: tuple[LegPreview, ...],
    margin: MarginEffect,
) -> Preview:
    facts = ground.facts
    checks = checks_of(ground, wanted.deed.side, legs, margin)
    premium, charges = _sum(leg.premium for leg in legs), _sum(leg.charges for leg in legs)
    cash = None
    if premium is not None and charges is not None:
        cash = premium + charges if wanted.deed is Deed.BUY else premium - charges
    return Preview(
        wanted=wanted,
        session_id=session.pk,
        mode=session.mode,
        now=facts.now,
        spot=None if facts.chain is None else facts.chain.spot,
        legs=legs,
        premium=premium,
        charges=charges,
        cash=cash,
        worst_cost=sum((leg.worst_cost for leg in legs), Decimal(0)),
        cost_left=facts.cost_left,
        free_margin=facts.free_margin,
        margin=margin,
        capacity_lots=capacity_lots(facts),
        gates=tuple(check.gate for check in checks),
        refusals=refusals_of(checks, even_so=wanted.even_so),
        overridden=refusals_of([c for c in checks if c.overridable], even_so=False) if wanted.even_so else (),
        warnings=warnings_of(facts, wanted, legs, checks, margin),
        policy_version=policy_version(facts.policy),
    )


def _sum(figures: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for figure in figures:
        if figure is None:
            return None
        total += figure
    return total
