"""Apply a protocol event to a stored slice: load, step, compare-and-set, and the effects that belong to the database.

Everything here happens inside one short transaction and touches no network. Effects for the network are returned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import F, Model

from hedging.domain.charges import ChargeRates, order_charges
from hedging.domain.instruments import Exchange, Side
from hedging.domain.lifecycle import (
    LIVE,
    TERMINAL,
    BooksRead,
    Event,
    Notify,
    OrderStatus,
    Post,
    Quarantine,
    RecordFills,
    SendCancel,
    Slice,
    StopBuying,
    StopTrading,
    Timing,
    Trade,
    step,
)
from hedging.engine import audit
from hedging.engine.books import with_successor
from hedging.engine.cooldown import SURELY_UNSENT, give_back_if_unsent
from hedging.engine.day_figures import sum_up_again
from hedging.engine.one_row import OneRow
from hedging.engine.shared_limits import OrderTurn
from hedging.engine.standing import standing_of
from hedging.engine.written import Change, Unchanged, apply_change, change_of, insert, insert_alone
from hedging.models import AuditEvent, BookCheck, Fill, HedgeOrder, HedgeTransaction, Origin
from notifications.models import Alert, Severity, queue_alert
from schedule.models import ChargeRates as ChargeRow
from sessions_app.models import TradingSession, TradingState

NetworkEffect = Post | SendCancel
_LOCKED = OneRow(HedgeOrder, joined={"transaction": ()}, locked=("", "transaction"))

# What the operator is told for each note of the protocol, and how loudly. Notes that are not here stay in the audit trail.
_ALERTS: dict[str, tuple[str, Severity]] = {
    "order_unknown": ("Outcome unknown, watching the books", Severity.CRITICAL),
    "order_rejected": ("Rejected by the broker", Severity.WARNING),
    "order_denied": ("Stopped before sending", Severity.WARNING),
    "intent_lapsed": ("Not sent", Severity.WARNING),
    "order_lost": ("No trace at the broker", Severity.WARNING),
    "order_review": ("Needs a person: which order is ours is not certain", Severity.CRITICAL),
    "order_adopted": ("Found at the broker", Severity.INFO),
    "mode_mismatch": ("OpenAlgo is in another mode", Severity.CRITICAL),
    "late_fill": ("Filled late", Severity.CRITICAL),
    "order_invisible": ("The broker gave it an id and does not show it: look at its screen", Severity.CRITICAL),
    "order_unseen": (
        "Its day ended before the last books were read: compare the broker's statement",
        Severity.CRITICAL,
    ),
    "order_mistaken": ("The broker's answer names another order than the one we follow", Severity.CRITICAL),
}

_COME_AGAIN = frozenset({"intent_lapsed", "order_denied"})
"""Notes of orders that were not sent: the same decision may be made anew with every cycle."""
_QUIET = timedelta(minutes=10)  # wall time in which the same of these is not told again

_WANT_COMPARISON = frozenset({"late_fill", "order_mistaken"})
"""Notes after which the ledger is held against the books at once."""


def slice_of(row: HedgeOrder, fills: list[Fill]) -> Slice:
    """Return the protocol's value of a stored slice; `fills` are its fills in sequence."""
    return Slice(
        status=OrderStatus(row.status),
        side=Side(row.transaction.side),
        quantity=row.quantity,
        created_at=row.created_at,
        valid_until=row.transaction.valid_until,
        limit_price=row.limit_price,
        order_id=row.broker_order_id,
        seen_order_ids=frozenset(row.seen_order_ids),
        sent_at=row.sent_at,
        trades=tuple(Trade(fill.quantity, fill.price) for fill in fills),
        clean_reads=row.clean_reads,
        claimed_end=OrderStatus(row.claimed_end) if row.claimed_end else None,
        claimed_end_at=row.claimed_end_at,
        refused_by_reply=row.refused_by_reply,
        cancel_asked=row.cancel_asked,
    )


def apply_event(
    *,
    order_id: int,
    event: Event,
    now: datetime,
    wall_now: datetime,
    timing: Timing | None = None,
    actor: str = "engine",
    known: HedgeOrder | None = None,
    turn: OrderTurn | None = None,
) -> tuple[OrderStatus, tuple[NetworkEffect, ...]]:
    """Apply `event` to a slice in one transaction; return its new status and what the network must be asked.

    `known` is the slice as the caller has read it, with its intent: while the row is still that, and the event moves nothing
    else, it is moved without being read again, and `turn` reserved with it. Raises `IllegalTransition` and changes nothing when
    the protocol forbids the edge.
    """
    if known is not None and known.status == OrderStatus.NEW:
        with suppress(Unchanged):  # somebody was first: the row is read, under its lock
            moved = _start(known, event, now=now, wall_now=wall_now, timing=timing or Timing(), actor=actor, turn=turn)
            if moved is not None:
                return moved
    with transaction.atomic():
        # The intent's row too, and before the session's: two slices of one intent may end at the same moment.
        row = _LOCKED.get(order_id)
        # What was never sent has no fills to ask for.
        fills = [] if row.status == OrderStatus.NEW else list(row.fills.order_by("sequence"))
        before = slice_of(row, fills)
        if isinstance(event, BooksRead) and before.status in TERMINAL:
            event = with_successor(row, event)  # asked here: it may have been opened since the caller read the row
        after, effects = step(before, event, now, timing or Timing())
        if after == before and not effects:
            return after.status, ()
        try:
            apply_change(_store(row, after, wall_now, message=getattr(event, "message", "")))
        except Unchanged:
            raise RuntimeError(f"order {row.pk} changed under its own row lock") from None
        for effect in effects:
            _perform(row, effect, now=now, wall_now=wall_now)
        fresh = after.trades[len(before.trades) :]
        # Between two living states without a trade an intent's totals stay what they were.
        moves = bool(fresh) or after.status in TERMINAL or before.status in TERMINAL
        touched = settle(tx_id=row.transaction_id, fresh=fresh, now=now, wall_now=wall_now) if moves else ()
        if after.status is not before.status or after.trades != before.trades:
            if any(isinstance(effect, Quarantine) for effect in effects):
                touched = (*touched, row.transaction.session)
            insert([_line(row, before, after, event, now=now, wall_now=wall_now, actor=actor, also=touched)])
    return after.status, tuple(e for e in effects if isinstance(e, Post | SendCancel))


def _start(
    known: HedgeOrder,
    event: Event,
    *,
    now: datetime,
    wall_now: datetime,
    timing: Timing,
    actor: str,
    turn: OrderTurn | None,
) -> tuple[OrderStatus, tuple[NetworkEffect, ...]] | None:
    """Move a new slice, which has no fills, by compare-and-set; `None` where more than its row would move.

    Raises `Unchanged`, and changes nothing, where the row is not what is known.
    """
    before = slice_of(known, [])
    after, effects = step(before, event, now, timing)
    posts = tuple(effect for effect in effects if isinstance(effect, Post))
    if after.status is before.status or after.status in TERMINAL or len(posts) < len(effects):
        return None
    row = copy(known)  # what the caller holds stays as it was read
    change = _store(row, after, wall_now, message=getattr(event, "message", ""))
    line = _line(row, before, after, event, now=now, wall_now=wall_now, actor=actor)
    if turn is None:
        insert_alone([line], after=change)
    else:
        turn.next_at = insert_alone([line], after=change, beside=turn.reservation)
    return after.status, posts


def _line(
    row: HedgeOrder,
    before: Slice,
    after: Slice,
    event: Event,
    *,
    now: datetime,
    wall_now: datetime,
    actor: str,
    also: Sequence[Model] = (),
) -> AuditEvent:
    return audit.line(
        account_id=row.account_id,
        session_id=row.transaction.session_id,
        at=now,
        wall_at=wall_now,
        actor=actor,
        event=f"order_{after.status}",
        subject=row,
        facts=_facts(before, after, event),
        also=also,
        fills={row.pk: after.trades},
    )


def _facts(before: Slice, after: Slice, event: Event) -> dict[str, str | int]:
    facts: dict[str, str | int] = {"from": before.status, "to": after.status, "event": type(event).__name__}
    if after.order_id:
        facts["broker_order_id"] = after.order_id
    if after.limit_price is not None:
        facts["limit_price"] = str(after.limit_price)
    if after.filled_quantity != before.filled_quantity:
        facts["filled_quantity"] = after.filled_quantity
    reason, message = getattr(event, "reason", ""), getattr(event, "message", "")
    if reason or message:
        facts["reason"] = str(reason or message)
    if reason and message:
        facts["figures"] = message
    return facts


def _store(row: HedgeOrder, after: Slice, wall_now: datetime, *, message: str) -> Change:
    """Let the object become what the protocol says; return the change that makes its row so, if nobody was first."""
    columns = {
        "status": after.status.value,
        "limit_price": after.limit_price,
        "broker_order_id": after.order_id,
        "seen_order_ids": sorted(after.seen_order_ids),
        "sent_at": after.sent_at,
        "clean_reads": after.clean_reads,
        "claimed_end": after.claimed_end.value if after.claimed_end else "",
        "claimed_end_at": after.claimed_end_at,
        "refused_by_reply": after.refused_by_reply,
        "cancel_asked": after.cancel_asked,
        "message": (message or row.message)[:300],
        "touched_wall": wall_now,
        "version": row.version + 1,
    }
    row.status, row.limit_price = after.status.value, after.limit_price
    row.broker_order_id, row.sent_at = after.order_id, after.sent_at
    return change_of(row, to=columns, where={"version": row.version})


def _perform(row: HedgeOrder, effect: object, *, now: datetime, wall_now: datetime) -> None:
    tx = row.transaction
    if isinstance(effect, RecordFills):
        known = row.fills.count()
        Fill.objects.bulk_create(
            Fill(order=row, mode=row.mode, sequence=known + i, quantity=t.quantity, price=t.price, at=now)
            for i, t in enumerate(effect.fills, start=1)
        )
    elif isinstance(effect, Quarantine):
        session = TradingSession.objects.select_for_update().get(pk=tx.session_id)
        if tx.symbol not in session.quarantine and tx.side == Side.BUY:
            session.quarantine = [*session.quarantine, tx.symbol]
            session.save(update_fields=["quarantine"])
    elif isinstance(effect, StopBuying):
        _restrict(row, TradingState.REDUCING, effect.detail, now=now, wall_now=wall_now)
    elif isinstance(effect, StopTrading):
        _restrict(row, TradingState.HALTED, effect.detail, now=now, wall_now=wall_now)
    elif isinstance(effect, Notify) and effect.kind in _ALERTS:
        if effect.kind in _WANT_COMPARISON:
            BookCheck.objects.filter(session_id=tx.session_id).update(requested_wall=wall_now)
        words, severity = _ALERTS[effect.kind]
        title = f"{words}: {tx}"
        comes_again = effect.kind in _COME_AGAIN and tx.origin == Origin.AUTO
        if comes_again and _was_told_of_slice(effect.kind, row, wall_now=wall_now):
            return
        if comes_again and _was_told(effect.kind, title, of=row, wall_now=wall_now):
            # Nothing was sent, so the next cycle decides the same, and so on: that it goes on is the news.
            severity, title = Severity.CRITICAL, f"Cannot be sent, over and over: {tx}"
            if _was_told(effect.kind, title, of=row, wall_now=wall_now):
                return
        queue_alert(
            kind=effect.kind,
            severity=severity,
            title=title,
            happened_at=now,
            wall_now=wall_now,
            facts={"mode": row.mode, "detail": effect.detail, "symbol": tx.symbol, "side": tx.side},
            subject_kind="hedgeorder",
            subject_id=row.pk,
            account_id=row.account_id,
        )


def _was_told(kind: str, title: str, *, of: HedgeOrder, wall_now: datetime) -> bool:
    told = Alert.objects.told_lately(wall_now=wall_now, within=_QUIET)
    return told.filter(kind=kind, title=title, account_id=of.account_id, facts__mode=of.mode).exists()


def _was_told_of_slice(kind: str, row: HedgeOrder, *, wall_now: datetime) -> bool:
    """Return whether the same was told of another slice of this intent: that is one failure, not two."""
    told = Alert.objects.told_lately(wall_now=wall_now, within=_QUIET).filter(kind=kind, subject_kind="hedgeorder")
    return told.filter(subject_id__in=row.transaction.orders.exclude(slice=row.slice).values("pk")).exists()


_LOOSER = {
    TradingState.REDUCING: (TradingState.ACTIVE,),
    TradingState.HALTED: (TradingState.ACTIVE, TradingState.REDUCING),
}


def _restrict(row: HedgeOrder, state: TradingState, detail: str, *, now: datetime, wall_now: datetime) -> None:
    """Tighten the session's trading state, audited and told; a tighter state is left as it is."""
    session_id = row.transaction.session_id
    stopped = TradingSession.objects.filter(pk=session_id, trading_state__in=_LOOSER[state]).update(
        trading_state=state, state_reason=detail[:200]
    )
    if not stopped:
        return
    audit.append(
        account_id=row.account_id,
        session_id=session_id,
        at=now,
        wall_at=wall_now,
        actor="engine",
        event=f"trading_state_{state}",
        subject=row.transaction.session,
        facts={"reason": detail, "order": row.pk},
    )
    queue_alert(
        kind="trading_state",
        severity=Severity.CRITICAL,
        title=f"{state.label}: {detail}",
        happened_at=now,
        wall_now=wall_now,
        facts={"mode": row.mode, "symbol": row.transaction.symbol},
        subject_kind="tradingsession",
        subject_id=session_id,
        account_id=row.account_id,
    )


def charge_rates(*, exchange: Exchange, day: date) -> ChargeRates:
    """Return the charge rates in force; raises `ChargeRow.DoesNotExist` when admin has none for the exchange."""
    row = ChargeRow.objects.in_force(day=day).filter(exchange=exchange.value).first()
    if row is None:
        raise ChargeRow.DoesNotExist(f"no charge rates for {exchange} on {day}: add a row in admin")
    facts: ChargeRates = row.as_facts()
    return facts


def settle(*, tx_id: int, fresh: Sequence[Trade], now: datetime, wall_now: datetime) -> tuple[Model, ...]:
    """Bring an intent's totals up to its fills, and end it when nothing of it can fill any more.

    Spend is booked and the reserve released when the intent ends; `fresh` fills that arrive later are booked on top.
    Returns the rows that were changed or made: the intent, its session, another attempt of a slice.
    """
    tx = HedgeTransaction.objects.select_for_update(of=("self",)).select_related("session").get(pk=tx_id)
    orders = list(tx.orders.order_by("id"))
    fills = list(Fill.objects.filter(order__transaction=tx).order_by("id"))
    filled = sum(fill.quantity for fill in fills)
    premium = sum((fill.price * fill.quantity for fill in fills), Decimal(0))
    executed = len({fill.order_id for fill in fills})
    exchange = tx.contract.exchange
    charges = (
        order_charges(
            rates=charge_rates(exchange=exchange, day=tx.session.trading_day),
            side=Side(tx.side),
            premium_rupees=premium,
            orders=executed,
        )
        if fills
        else Decimal(0)
    )
    charges_before = tx.charges
    was_live = tx.is_live
    again: tuple[HedgeOrder, ...] = ()
    tx.filled_quantity = filled
    tx.average_price = premium / filled if filled else None
    tx.charges = charges
    if was_live and all(OrderStatus(order.status) in TERMINAL for order in orders):
        again = _try_again(tx, orders, fills, now=now, wall_now=wall_now)
        tx.is_live = bool(again)
    if tx.is_live:
        raised = _reserve_surplus(tx, orders, fills) if fresh else ()
        tx.save(update_fields=["filled_quantity", "average_price", "charges", "reserve"])
        return (tx, *raised, *again)
    booked = True
    if was_live:
        tx.ended_at = now
        _book(tx, spent=premium + charges if tx.side == Side.BUY else Decimal(0), released=tx.reserve)
        _announce(tx, orders, now=now, wall_now=wall_now)
    elif tx.side == Side.BUY and fresh:
        late = sum((trade.price * trade.quantity for trade in fresh), Decimal(0))
        _book(tx, spent=late + charges - charges_before, released=Decimal(0))
    else:
        booked = False
    tx.save(update_fields=["filled_quantity", "average_price", "charges", "is_live", "ended_at"])
    if fresh and not tx.session.is_open:
        sum_up_again(tx.session)
        booked = True
    if was_live and not filled:
        give_back_if_unsent(tx)
    return (tx, tx.session) if booked else (tx,)


def _book(tx: HedgeTransaction, *, spent: Decimal, released: Decimal) -> None:
    TradingSession.objects.filter(pk=tx.session_id).update(
        spent=F("spent") + spent.quantize(Decimal("0.01")), reserved=F("reserved") - released
    )


def _reserve_surplus(tx: HedgeTransaction, orders: list[HedgeOrder], fills: list[Fill]) -> tuple[Model, ...]:
    """Let the cap count what a buy may come to beyond its intent: a fill that came late beside a living attempt.

    Never refused, since it has happened: the row may pass the cap by it, and nothing new is claimed then. Returns the session
    if its reserve was raised.
    """
    done = Counter[int]()
    for fill in fills:
        done[fill.order_id] += fill.quantity
    living = [order for order in orders if OrderStatus(order.status) in LIVE]
    may_be = tx.filled_quantity + sum(max(0, order.quantity - done[order.pk]) for order in living)
    worst = tx.worst_price * may_be + tx.charges
    if tx.side != Side.BUY or may_be <= tx.quantity or worst <= tx.reserve:
        return ()
    TradingSession.objects.filter(pk=tx.session_id).update(reserved=F("reserved") + worst - tx.reserve)
    tx.reserve = worst
    return (tx.session,)


def _try_again(
    tx: HedgeTransaction, orders: list[HedgeOrder], fills: list[Fill], *, now: datetime, wall_now: datetime
) -> tuple[HedgeOrder, ...]:
    """Open the next attempt of each slice that we cancelled because it rested too long; return the attempts."""
    if not standing_of(tx.session_id).allows(Side(tx.side)) or now > tx.valid_until:
        return ()
    policy_chases = int(tx.decision.policy.get("max_chases", 0))
    latest = {order.slice: order for order in orders}
    opened: list[HedgeOrder] = []
    for order in latest.values():
        # Of all attempts together: an earlier one may have filled after it was given up.
        attempts = [other for other in orders if other.slice == order.slice]
        done = sum(fill.quantity for fill in fills if fill.order_id in {other.pk for other in attempts})
        rest = attempts[0].quantity - done
        # Whoever else took it back, a person or the exchange, is not overruled.
        ours = order.status == OrderStatus.CANCELLED and order.cancel_asked
        if ours and rest > 0 and order.attempt <= policy_chases:
            attempt = HedgeOrder.objects.create(
                transaction=tx,
                account_id=order.account_id,
                trading_day=order.trading_day,
                mode=order.mode,
                slice=order.slice,
                attempt=order.attempt + 1,
                quantity=rest,
                created_at=now,
                touched_wall=wall_now,
            )
            opened.append(attempt)
    return tuple(opened)


def _announce(tx: HedgeTransaction, orders: Sequence[HedgeOrder], *, now: datetime, wall_now: datetime) -> None:
    bought = tx.side == Side.BUY
    if tx.filled_quantity:
        kind, severity = ("hedge_bought" if bought else "hedge_sold"), Severity.INFO
        title = f"{'Bought' if bought else 'Sold'} {tx.filled_quantity} {tx.symbol} at {tx.average_price:.2f}"
    else:
        kind, severity, title = "order_failed", Severity.WARNING, f"Nothing filled: {tx}"
        unsent = all(order.status in SURELY_UNSENT for order in orders)
        if unsent and tx.origin == Origin.AUTO and _was_told(kind, title, of=orders[0], wall_now=wall_now):
            return
    queue_alert(
        kind=kind,
        severity=severity,
        title=title,
        happened_at=now,
        wall_now=wall_now,
        facts={
            "mode": tx.mode,
            "symbol": tx.symbol,
            "quantity": tx.filled_quantity,
            "ordered": tx.quantity,
            "price": str(tx.average_price) if tx.average_price is not None else "",
            "charges": str(tx.charges),
            "reason": tx.reason,
            "proof": "" if tx.decision.facts.get("chosen", {}).get("proven") is not False else "NOT PROVEN cheapest",
        },
        subject_kind="hedgetransaction",
        subject_id=tx.pk,
        account_id=tx.session.account_id,
    )
