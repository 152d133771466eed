"""The checks of a manual order: every refusal with its code, the figure that refused it, and what would help. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

from hedging.domain.facts import CycleFacts
from hedging.domain.guards import ACTIVE, Gate
from hedging.domain.instruments import Product, Right, Side
from hedging.domain.manual import MOST_SLICES, Check, LegPreview, MarginEffect, Refusal, in_lots
from hedging.domain.manual_quotes import Ground, capacity_lots, uncovered_units
from hedging.domain.reasons import Reason
from hedging.domain.risk import IST
from hedging.domain.sanity import absurdity

Figures = Mapping[str, str | int]


def checks_of(ground: Ground, side: Side, legs: Sequence[LegPreview], margin: MarginEffect) -> tuple[Check, ...]:
    """Return every check of the action, in the order in which a person should mend what is closed."""
    found = [*_standing(ground, side)]
    if not legs:
        fix = "there is nothing of ours to sell"
        found.append(
            _check("held", "no hedge is held", Reason.DENY_BEYOND_HELD, fix, passed=False, figures={"held": 0})
        )
    for leg in legs:
        found += _contract(ground, leg)
        found += _quote(ground, leg)
    found += _money(ground, legs) if side is Side.BUY else _cover(ground, legs, margin)
    return tuple(found)


def refusals_of(checks: Sequence[Check], *, even_so: bool) -> tuple[Refusal, ...]:
    """Return the closed checks that stand: all of them, but for those that `even_so` overrides."""
    return tuple(
        Refusal(check.gate.reason, check.gate.detail, check.fix, check.facts, check.overridable)
        for check in checks
        if not check.gate.passed and not (even_so and check.overridable)
    )


def _standing(ground: Ground, side: Side) -> Iterator[Check]:
    """What the rows that all processes share say, and the clock."""
    facts, name = ground.facts, "buy" if side is Side.BUY else "exit"
    state, why = facts.session.trading_state, facts.session.state_reason
    detail = f"{state.upper()}: {why}" if why and state != ACTIVE else state.upper()
    if not ground.is_open:
        detail = "the session is closed"
    fix = "open today's session" if not ground.is_open else "resume, or wait until it is resumed"
    yield _check(
        "trading state", detail, Reason.DENY_TRADING_STATE, fix, passed=ground.allowed, figures={"trading_state": state}
    )
    closed = facts.live_closed
    lid = f"{closed} forbids live orders" if closed else "nothing keeps it here"
    fix = "set AUTO_HEDGE_DRY_RUN=false and restart, or take the session to dry run on the Session tab"
    yield _check("live lid", lid, Reason.DENY_LIVE_NOT_ALLOWED, fix, passed=not closed)
    said = facts.preflight or "none of today yet"
    fix = "run the pre-flight and mend what it names"
    yield _check("pre-flight", said, Reason.DENY_PREFLIGHT, fix, passed=ground.may_go, figures={"preflight": said})
    yield _hours(facts)
    if side is Side.BUY:
        compared = "the books were compared" if facts.reconciled else "the books have not been compared yet"
        fix = "wait for the next margin check, which compares them"
        yield _check("reconciled", compared, Reason.DENY_NOT_RECONCILED, fix, passed=facts.reconciled)
    broken = ground.broken_until
    detail = "closed" if broken is None else f"Circuit breaker OPEN until {broken.astimezone(IST):%H:%M:%S} IST"
    fix = "wait: a probe closes it once the server answers"
    yield _check(f"breaker ({name})", detail, Reason.DENY_BREAKER_OPEN, fix, passed=broken is None)
    left = facts.cooldown_left_seconds
    detail = f"{left} s left of {facts.policy.cooldown_seconds} s since the last action" if left else "over"
    fix = f"try again in {left} s"
    yield _check("cooldown", detail, Reason.DENY_COOLDOWN, fix, passed=not left, figures={"seconds_left": left})
    known = facts.positions is not None
    detail = "positions were read" if known else facts.unknown or "the positions could not be read"
    yield _check("data", detail, Reason.DENY_READS_FAILED, "try again when the server answers", passed=known)


def _hours(facts: CycleFacts) -> Check:
    window = facts.window
    if window is None:
        detail, inside = "the calendar has no hours for the session's day", False
    else:
        inside = window.act_from <= facts.now < window.act_until
        hours = f"{window.act_from.astimezone(IST):%H:%M}–{window.act_until.astimezone(IST):%H:%M} IST"
        detail = f"we act {hours}, it is {facts.now.astimezone(IST):%d %b %H:%M:%S}"
    return _check("hours", detail, Reason.DENY_OUT_OF_HOURS, "try again within these hours", passed=inside)


def _contract(ground: Ground, leg: LegPreview) -> Iterator[Check]:
    """What may be ordered of this contract at all, and how much of it."""
    facts, own = ground.facts, leg.contract
    session, spec = facts.session, facts.spec
    same = own.index is session.index and (leg.side is Side.SELL or own.expiry == session.expiry)
    detail = f"the session is of {session.index} {session.expiry:%d%b%y}".upper()
    fix = "choose a contract of the session's index and expiry"
    yield _check(f"contract {leg.symbol}", detail, Reason.DENY_NOT_OF_SESSION, fix, passed=same)
    busy = sum(intent.quantity for intent in facts.in_flight if intent.contract == own)
    detail = f"{busy} units of {leg.symbol} are on their way" if busy else "nothing of it is on its way"
    fix = "wait until that order has ended"
    yield _check(
        f"in flight {leg.symbol}", detail, Reason.DENY_LIVE_INTENT, fix, passed=not busy, figures={"in_flight": busy}
    )
    most = MOST_SLICES * spec.freeze_lots
    detail = f"{in_lots(leg.lots)} in {leg.slices} slice{'' if leg.slices == 1 else 's'} of at most {in_lots(spec.freeze_lots)}"
    detail = (
        detail if leg.lots <= most else f"{in_lots(leg.lots)} of {leg.symbol}, at most {most} in {MOST_SLICES} slices"
    )
    fix = f"order at most {in_lots(most)} at once"
    figures: Figures = {"lots": leg.lots, "most_lots": most, "freeze_lots": spec.freeze_lots}
    yield _check(
        f"freeze {leg.symbol}", detail, Reason.DENY_BEYOND_FREEZE, fix, passed=leg.lots <= most, figures=figures
    )
    if leg.side is Side.BUY:
        yield from _bought(ground, leg)
    else:
        yield from _sold(ground, leg)


def _bought(ground: Ground, leg: LegPreview) -> Iterator[Check]:
    facts, own = ground.facts, leg.contract
    product = facts.session.product
    positions = facts.positions or ()
    short = -min(0, sum(p.quantity for p in positions if p.contract == own and p.product is product))
    detail = f"the account is short {short} units of {leg.symbol}" if short else "the account is not short in it"
    yield _check(
        f"short {leg.symbol}",
        detail,
        Reason.DENY_SHORT_CONTRACT,
        "choose another strike",
        passed=not short,
        figures={"short": short},
    )
    others = _other_products(ground, leg)
    fix = "give the account the product of its shorts, in admin"
    yield _check(
        f"product {leg.symbol}",
        f"the shorts on this side are {', '.join(others)}, the hedge is {product}" if others else f"{product}",
        Reason.DENY_OTHER_PRODUCT,
        fix,
        passed=not others,
        figures={"product": product.value},
    )
    loose = own in facts.session.quarantine
    detail = f"{leg.symbol} is in quarantine" if loose else "not in quarantine"
    fix = "look at the broker's book first, or choose another strike"
    yield _check(f"quarantine {leg.symbol}", detail, Reason.DENY_QUARANTINED, fix, passed=not loose, overridable=True)


def _other_products(ground: Ground, leg: LegPreview) -> tuple[Product, ...]:
    """Return the products of the shorts that the leg could cover, where none is its own."""
    own = leg.contract
    covered = {
        p.product
        for p in ground.facts.positions or ()
        if p.quantity < 0
        and (p.contract.index, p.contract.expiry, p.contract.right) == (own.index, own.expiry, own.right)
    }
    return () if ground.facts.session.product in covered else tuple(sorted(covered))


def _sold(ground: Ground, leg: LegPreview) -> Iterator[Check]:
    """What is sold is ours by our own fills, and long at the broker: never a short is opened."""
    facts, own = ground.facts, leg.contract
    net = sum(p.quantity for p in facts.positions or () if p.contract == own and p.product is facts.session.product)
    most = max(0, min(leg.held, net))
    detail = f"{leg.quantity} units wanted, {leg.held} are ours by our own fills, {net} net at the broker"
    fix = f"sell at most {in_lots(most // facts.spec.lot)}" if most else "there is nothing of ours to sell"
    figures: Figures = {"wanted": leg.quantity, "held": leg.held, "broker_net": net}
    within = 0 < leg.quantity <= most
    yield _check(f"held {leg.symbol}", detail, Reason.DENY_BEYOND_HELD, fix, passed=within, figures=figures)


def _quote(ground: Ground, leg: LegPreview) -> Iterator[Check]:
    """Whether there is a price that an order can be meant at; in a confirmation, still within what was shown."""
    facts, depth = ground.facts, ground.facts.depths.get(leg.contract)
    name, again = f"quote {leg.symbol}", "try again when it is quoted"
    if depth is None:
        detail = f"no price of {leg.symbol} could be read"
        yield _check(name, detail, Reason.DENY_STALE_QUOTE, "is the strike listed? Else try again", passed=False)
        return
    if leg.bid is not None and leg.ask is not None and leg.bid > leg.ask:
        detail = f"bid {leg.bid} is above ask {leg.ask}"
        yield _check(
            name,
            detail,
            Reason.DENY_CROSSED_QUOTE,
            again,
            passed=False,
            figures={"bid": str(leg.bid), "ask": str(leg.ask)},
        )
        return
    if leg.limit_price is None or leg.worst_price is None:
        nobody = "nobody offers" if leg.side is Side.BUY else "nobody bids for"
        reason = Reason.DENY_STALE_QUOTE if leg.side is Side.BUY else Reason.DENY_NO_BID
        yield _check(name, f"{nobody} {leg.symbol}", reason, again, passed=False)
        return
    promised = ground.promised.get(leg.contract)
    mark = facts.price_of(leg.contract)
    reference = promised.limit_price if promised is not None else mark or leg.limit_price
    absurd = absurdity(side=leg.side, depth=depth, reference=reference)
    if absurd:
        yield _check(name, f"{leg.symbol}: {absurd}", Reason.DENY_ABSURD_QUOTE, again, passed=False)
        return
    beyond = (leg.worst_price - leg.limit_price) * leg.side.sign < 0
    words = "ask" if leg.side is Side.BUY else "bid"
    detail = f"{leg.symbol} {words} {leg.limit_price}, worst price {leg.worst_price}"
    figures = {"now": str(leg.limit_price), "worst": str(leg.worst_price)}
    if promised is not None:
        figures |= {"shown": str(promised.limit_price)}
    yield _check(name, detail, Reason.DENY_PRICE_MOVED, "look at a new preview", passed=not beyond, figures=figures)


def _money(ground: Ground, legs: Sequence[LegPreview]) -> Iterator[Check]:
    """The day's cap, the broker's free margin, and the room for longs."""
    facts = ground.facts
    cost, left = sum((leg.worst_cost for leg in legs), Decimal(0)), facts.cost_left
    detail = f"₹{cost} at worst, ₹{left} left of ₹{facts.policy.max_cost_per_day} a day"
    fix = "order fewer lots or a cheaper strike"
    figures: Figures = {"worst_cost": str(cost), "cost_left": str(left)}
    yield _check("cost cap", detail, Reason.DENY_COST_CAP, fix, passed=cost <= left, figures=figures)
    free = facts.free_margin
    if free is not None:
        detail = f"₹{cost} at worst, ₹{free:.2f} free at the broker"
        figures = {"worst_cost": str(cost), "free_margin": str(free)}
        yield _check(
            "cash",
            detail,
            Reason.DENY_BEYOND_CASH,
            "order fewer lots",
            passed=cost <= free,
            overridable=True,
            figures=figures,
        )
    room = capacity_lots(facts)
    for right in Right:
        lots = sum(leg.lots for leg in legs if leg.contract.right is right)
        detail = f"{in_lots(lots)} of {right}, room for {room[right]} before longs exceed shorts"
        fix = f"order at most {in_lots(room[right])} of {right}, or say that you want it even so"
        yield _check(
            f"capacity {right}",
            detail,
            Reason.DENY_BEYOND_CAPACITY,
            fix,
            passed=lots <= room[right],
            overridable=True,
            figures={"lots": lots, "capacity_lots": room[right]},
        )


def _cover(ground: Ground, legs: Sequence[LegPreview], margin: MarginEffect) -> Iterator[Check]:
    """What the sale takes away from the shorts, and where it leaves utilization."""
    facts = ground.facts
    for right, units in uncovered_units(facts, legs).items():
        detail = f"{units} more units of short {right} without a long" if units else f"no short {right} loses its cover"
        fix = "sell fewer lots, or say that you want it even so"
        yield _check(
            f"cover {right}",
            detail,
            Reason.DENY_UNCOVERS_SHORT,
            fix,
            passed=not units,
            overridable=True,
            figures={"units": units},
        )
    levels = [level for level in (margin.after_pct, margin.projected_after_pct) if level is not None]
    if not levels or margin.before_pct is None:
        return
    worst, trigger = max(levels), facts.policy.utilization_trigger_pct
    over = worst > trigger and worst > margin.before_pct
    detail = f"{margin.before_pct:.1f} % before, {worst:.1f} % afterwards, the trigger is {trigger} %"
    figures: Figures = {
        "before_pct": f"{margin.before_pct:.2f}",
        "after_pct": f"{worst:.2f}",
        "trigger_pct": str(trigger),
    }
    fix = "sell fewer lots, or say that you want it even so"
    yield _check("trigger", detail, Reason.DENY_OVER_TRIGGER, fix, passed=not over, overridable=True, figures=figures)


def _check(
    gate: str,
    detail: str,
    reason: Reason,
    fix: str,
    *,
    passed: bool,
    overridable: bool = False,
    figures: Figures = MappingProxyType({}),
) -> Check:
    return Check(Gate(gate, passed, detail, reason), fix, figures, overridable)
