"""Reconcile: bring every live slice up to the broker's books, chase what rests, sweep up what a lost nudge left behind."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Sum

from hedging.brokers.base import BrokerError
from hedging.domain.lifecycle import (
    LIVE,
    BooksRead,
    CancelRefused,
    CancelRequested,
    DayEnded,
    Event,
    IllegalTransition,
    OrderStatus,
    PreflightFailed,
    Resolved,
    SenderGone,
    Timing,
    Trade,
)
from hedging.domain.reasons import Reason
from hedging.engine.alerts import is_ahead
from hedging.engine.books import evidence_for
from hedging.engine.execution import perform
from hedging.engine.hours import acting_hours, trading_day_of
from hedging.engine.orders import apply_event
from hedging.engine.ports import Ports
from hedging.engine.pulse import watched_orders
from hedging.engine.standing import halted_everywhere
from hedging.models import HedgeOrder
from sessions_app.models import Mode, TradingState

log = logging.getLogger(__name__)

SENDER_DEADLINE = timedelta(seconds=45)  # wall time; the POST's total deadline is 35 s
CANCEL_AGAIN_AFTER = timedelta(seconds=15)  # wall time; a cancel's own deadline is 8 s
NUDGE_AGAIN_AFTER = timedelta(seconds=2)  # wall time; a nudge is lost when Redis is


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one pass did: slices looked at, and whether the books could be read."""

    watched: int
    books_read: bool


def reconcile(*, account_id: int, day: date, ports: Ports, watched: tuple[int, ...] | None = None) -> Reconciled:
    """Look at every slice of the day that may still change. A failed read infers nothing and changes nothing.

    Slices of the broker's own kind only, on paper or real: those of the other are in another book, and block nothing here.
    `watched` are the ids of those slices where the caller knows them. No read is made while there are none, and none
    after the day itself: the books are about another one then.
    """
    if watched is None:
        watched = watched_orders(account_id=account_id, day=day, mode=_mode_of(ports), now=ports.clock.now())
    if not watched:
        return Reconciled(watched=0, books_read=True)
    now = ports.clock.now()
    whole = HedgeOrder.objects.filter(pk__in=watched).select_related("transaction__session", "transaction__decision")
    rows = list(whole.order_by("id"))
    _give_up_on_dead_senders(rows, ports)
    if trading_day_of(now) != day:
        # A server's books hold today's orders only: that ours of another day is not in them says nothing of its fills.
        log.warning("%s orders of %s were not settled on their day: look at the broker's statement", len(rows), day)
        _sweep(account_id=account_id, day=day, ports=ports)  # what was never sent has lapsed, whatever the books say
        return Reconciled(watched=len(rows), books_read=False)
    waiting = [row for row in rows if _books_tell_of(row)]
    books_read = True
    if waiting:
        read_at = ports.clock.now()
        try:
            orders, trades = ports.broker.order_book(), ports.broker.trade_book()
        except BrokerError as error:
            log.warning("the books could not be read: %s", error)
            books_read = False
            _cancel_what_is_halted(waiting, ports)
        else:
            hours = acting_hours(day)
            day_over = hours is not None and now > hours.closes + timedelta(minutes=1)
            halted = halted_everywhere()
            for row in waiting:
                try:
                    evidence = evidence_for(row, orders, trades, read_at=read_at)
                    _bring_up_to_date(row, evidence, ports, day_over=day_over, halted=halted)
                except IllegalTransition:  # of one order: the others are brought up to date all the same
                    log.exception("order %s: the books say what the protocol forbids", row.pk)
    _sweep(account_id=account_id, day=day, ports=ports)
    return Reconciled(watched=len(rows), books_read=books_read)


def end_earlier_days(*, account_id: int, day: date, now: datetime, wall_now: datetime) -> None:
    """Let what is live from days before `day`, in either mode, end as far as it surely has: no order outlives its day.

    The books of those days are gone, so what filled meanwhile is not known: an alert says so for each. Orders of which
    nobody knows whether they came stay for a person.
    """
    for row in HedgeOrder.objects.live().filter(account_id=account_id, trading_day__lt=day).order_by("id"):
        event = SenderGone() if _is_given_up(row, wall_now) else DayEnded(books_read=False)
        with suppress(IllegalTransition):  # somebody else has just settled it
            apply_event(order_id=row.pk, event=event, now=now, wall_now=wall_now, actor="reconcile")


class ResolutionRefused(Exception):
    """What a person said of an order cannot be so; nothing was changed. The message says why."""


def resolve(*, order_id: int, broker_order_id: str | None, actor: str, reason: str, ports: Ports) -> OrderStatus:
    """Settle an order whose fate nobody knows by what a person saw at the broker: its id there, or that it never came.

    An id must be in today's order book, with the contract, side and quantity of ours, and belong to no other order of
    ours. Raises `ResolutionRefused`, and `BrokerError` when the book cannot be read.
    """
    row = HedgeOrder.objects.select_related("transaction__session", "transaction__decision").get(pk=order_id)
    if broker_order_id is not None:
        _refuse_unlike(row, broker_order_id, ports)
    try:
        with transaction.atomic():
            status, effects = apply_event(
                order_id=order_id,
                event=Resolved(broker_order_id, reason),
                now=ports.clock.now(),
                wall_now=ports.wall(),
                actor=actor,
            )
    except IllegalTransition as error:
        raise ResolutionRefused(f"Order {order_id} is {row.status}, and that is not for a person to settle.") from error
    except IntegrityError as error:
        raise ResolutionRefused(f"{broker_order_id} belongs to another order of ours.") from error
    perform(order_id=order_id, effects=effects, ports=ports)
    return status


def resolve_by_statement(
    *, order_id: int, broker_order_id: str, filled: Trade, actor: str, reason: str, ports: Ports
) -> OrderStatus:
    """Settle an order of an earlier day, whose books are gone, by what the broker's statement says that it filled.

    `filled` has its units and their average price in rupees; what is missing to the order's quantity has ended with its day.
    Of an order whose id was known, its last books were not read. Raises `ResolutionRefused`.
    """
    row = HedgeOrder.objects.get(pk=order_id)
    now, wall_now = ports.clock.now(), ports.wall()
    if row.trading_day >= trading_day_of(now):
        raise ResolutionRefused(
            f"Order {order_id} is of today: say which one it is, its fills are read from the books."
        )
    if not 0 < filled.quantity <= row.quantity or filled.price <= 0:
        raise ResolutionRefused(
            f"Order {order_id} is of {row.quantity} units: it filled 1 to {row.quantity}, above ₹0."
        )
    if row.broker_order_id not in {None, broker_order_id}:
        raise ResolutionRefused(f"Order {order_id} is {row.broker_order_id} at the broker, not {broker_order_id}.")
    if filled.quantity < sum(row.fills.values_list("quantity", flat=True)):
        raise ResolutionRefused(
            f"Order {order_id} has more fills than these {filled.quantity} units: they were in the trade book."
        )
    told: list[Event] = [] if row.broker_order_id else [Resolved(broker_order_id, reason)]
    told.append(BooksRead(trades=(filled,), read_at=now))
    if filled.quantity < row.quantity:
        told.append(DayEnded())
    status = OrderStatus(row.status)
    try:
        with transaction.atomic():
            for event in told:
                status, _ = apply_event(order_id=order_id, event=event, now=now, wall_now=wall_now, actor=actor)
    except IllegalTransition as error:
        raise ResolutionRefused(f"Order {order_id} is {row.status}, and that is not for a person to settle.") from error
    except IntegrityError as error:
        raise ResolutionRefused(f"{broker_order_id} belongs to another order of ours.") from error
    return status


def _refuse_unlike(row: HedgeOrder, broker_order_id: str, ports: Ports) -> None:
    if trading_day_of(ports.clock.now()) != row.trading_day:
        raise ResolutionRefused(
            f"Order {row.pk} is of {row.trading_day}: its broker's book is gone. By the statement: --filled 130 --price 4.05."
        )
    found = next((one for one in ports.broker.order_book().rows if one.order_id == broker_order_id), None)
    if found is None:
        raise ResolutionRefused(f"{broker_order_id} is not in today's order book.")
    tx = row.transaction
    if found.paper != (row.mode == Mode.DRY_RUN):
        raise ResolutionRefused(f"{broker_order_id} is {'on paper' if found.paper else 'a live order'}, ours is not.")
    theirs = (found.contract, found.side.value, found.quantity, found.product)
    if theirs != (tx.contract, tx.side, row.quantity, tx.product):
        raise ResolutionRefused(
            f"{broker_order_id} is a {found.side} of {found.quantity} {found.symbol} {found.product}, "
            f"ours a {tx.side} of {row.quantity} {tx.symbol} {tx.product}."
        )


def _mode_of(ports: Ports) -> Mode:
    return Mode.DRY_RUN if ports.broker.paper else Mode.LIVE


def _books_tell_of(row: HedgeOrder) -> bool:
    """Return whether a book read from now on says anything: not of what is on its way, nor of what was never sent."""
    return row.status != OrderStatus.NEW and (row.status != OrderStatus.SENDING or row.refused_by_reply)


def _bring_up_to_date(row: HedgeOrder, evidence: BooksRead, ports: Ports, *, day_over: bool, halted: bool) -> None:
    ended = row.status not in LIVE and row.status != OrderStatus.LOST
    if ended and not evidence.lookalikes and _units(evidence) == sum(row.fills.values_list("quantity", flat=True)):
        return  # nothing new about an order that is over; a row may have grown, so that their number says nothing
    _advance(row, evidence, ports)
    row.refresh_from_db(fields=["status", "touched_wall"])
    if _cancel_was_lost(row, evidence, ports.wall()):
        _advance(row, CancelRefused(), ports)
        row.refresh_from_db(fields=["status"])
    if day_over:
        _advance(row, DayEnded(), ports)
    elif _wants_cancel(row, ports.clock.now(), halted=halted):
        _advance(row, CancelRequested(), ports)


def _units(evidence: BooksRead) -> int:
    return sum(trade.quantity for trade in evidence.trades)


def _cancel_what_is_halted(rows: list[HedgeOrder], ports: Ports) -> None:
    """Ask for the cancels of a halt although the books cannot be read: their ids are known, and a cancel needs no more."""
    halted = halted_everywhere()
    for row in rows:
        if halted or row.transaction.session.trading_state == TradingState.HALTED:
            with suppress(IllegalTransition):  # it has just ended
                _advance(row, CancelRequested(), ports)


def _cancel_was_lost(row: HedgeOrder, evidence: BooksRead, wall_now: datetime) -> bool:
    """Return whether an order works on although its cancel was asked for long ago: asked again, a cancel does no harm."""
    works = evidence.own is not None and evidence.own.terminal is None
    return row.status == OrderStatus.CANCEL_PENDING and works and _was_left(row, CANCEL_AGAIN_AFTER, wall_now)


def _give_up_on_dead_senders(rows: list[HedgeOrder], ports: Ports) -> None:
    """Declare unknown what a sender left behind in SENDING when it died."""
    wall_now = ports.wall()
    for row in rows:
        if _is_given_up(row, wall_now):
            _advance(row, SenderGone(), ports)
            row.refresh_from_db()


def _is_given_up(row: HedgeOrder, wall_now: datetime) -> bool:
    return row.status == OrderStatus.SENDING and _was_left(row, SENDER_DEADLINE, wall_now)


def _was_left(row: HedgeOrder, too_long: timedelta, wall_now: datetime) -> bool:
    """Return whether nothing touched an order for too long, or nobody can say since the clock was set back."""
    return wall_now - row.touched_wall > too_long or is_ahead(row.touched_wall, wall_now)


def _sweep(*, account_id: int, day: date, ports: Ports) -> None:
    """Nudge what was committed and not sent yet: a lost nudge, another attempt of a slice, a sale that waited for its buy."""
    now, wall_now = ports.clock.now(), ports.wall()
    rows = HedgeOrder.objects.filter(
        account_id=account_id, trading_day=day, mode=_mode_of(ports), status=OrderStatus.NEW.value
    ).select_related("transaction__session", "transaction__decision")
    for row in rows.order_by("id"):
        followed = row.attempt > 1 or row.transaction.reason == Reason.UNWIND_REPLACED
        if now > row.transaction.valid_until:
            with suppress(IllegalTransition):  # a worker has just taken it
                _advance(row, PreflightFailed(Reason.DENY_EXPIRED_INTENT), ports)
        elif followed or _was_left(row, NUDGE_AGAIN_AFTER, wall_now):
            ports.nudge_send(row.pk)


def _wants_cancel(row: HedgeOrder, now: datetime, *, halted: bool) -> bool:
    if row.status not in {OrderStatus.ACKED, OrderStatus.PARTIAL} or row.sent_at is None:
        return False
    if halted or row.transaction.session.trading_state == TradingState.HALTED:
        return True
    if row.attempt > 1 and _is_overtaken(row):
        return True
    patience = timedelta(seconds=int(row.transaction.decision.policy.get("chase_after_seconds", 10)))
    return now - row.sent_at > patience or is_ahead(row.sent_at, now)


def _is_overtaken(row: HedgeOrder) -> bool:
    """Return whether earlier attempts at this slice have filled so late that this one would buy (or sell) too much."""
    attempts = HedgeOrder.objects.filter(transaction_id=row.transaction_id, slice=row.slice, attempt__lt=row.attempt)
    known = attempts.order_by("attempt").values_list("quantity", Sum("fills__quantity"))
    (wanted, _), *_rest = known
    late: int = sum(filled or 0 for _, filled in known)
    return bool(late + row.quantity > wanted)


def _advance(row: HedgeOrder, event: Event, ports: Ports) -> None:
    timing = Timing(lost_after=int(row.transaction.decision.policy.get("lost_after_seconds", Timing().lost_after)))
    _, effects = apply_event(
        order_id=row.pk, event=event, now=ports.clock.now(), wall_now=ports.wall(), timing=timing, actor="reconcile"
    )
    perform(order_id=row.pk, effects=effects, ports=ports)
