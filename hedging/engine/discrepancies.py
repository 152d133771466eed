"""Discrepancies: hold our ledger against the broker's books, tell of what differs, and take off what is no longer ours.

The books are read without a lock; what follows is written under the session's row lock, so that no sale is claimed
meanwhile. A read that fails changes nothing: a book that could not be read is not flat.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, Sum

from hedging.brokers.base import BrokerError, BrokerStatus, OrderBook, TradeBook
from hedging.brokers.openalgo.symbols import format_symbol, parse_symbol
from hedging.domain.facts import SETTLES_WITHIN, CycleFacts
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.lifecycle import LIVE, OrderStatus
from hedging.domain.reconciliation import (
    ACTED_ON,
    BLOCKS_BUYS,
    FOREIGN,
    KIND_TEXT,
    REMOVES,
    Books,
    BrokerOrder,
    BrokerTrade,
    Discrepancy,
    Held,
    Kind,
    Moment,
    OwnOrder,
    compare,
    settle,
)
from hedging.domain.snapshot import Position
from hedging.engine import audit
from hedging.engine.books import evidence_for
from hedging.engine.hours import acting_hours, trading_day_of
from hedging.engine.orders import apply_event
from hedging.engine.ports import Ports
from hedging.engine.pulse import KnownCheck, Pulse
from hedging.models import Adjustment, AdjustmentKind, BookCheck, HedgeOrder, HedgeTransaction
from hedging.selectors import holdings
from hedging.selectors.ledger import holdings_as_of
from notifications.models import Severity, queue_alert
from sessions_app.models import TradingSession

log = logging.getLogger(__name__)

AGAIN_AFTER = timedelta(minutes=15)  # market time between two comparisons while nothing looks different
LOOK_BACK = timedelta(days=10)  # how long ago a hedge may have expired without anybody noticing
SQUARE_OFF_BEFORE_CLOSE = timedelta(minutes=30)  # brokers close intraday products themselves from then on

_SEVERITY = {
    Kind.EXPIRED: Severity.INFO,
    Kind.SQUARED_OFF: Severity.WARNING,
    Kind.SOLD_BY_HAND: Severity.WARNING,
    Kind.BOUGHT_BY_HAND: Severity.WARNING,
    Kind.GONE: Severity.CRITICAL,
    Kind.UNKNOWN_FILL: Severity.CRITICAL,
    Kind.LOST_FOUND: Severity.CRITICAL,
    Kind.OVERFILLED: Severity.WARNING,
    Kind.LOOKALIKE: Severity.CRITICAL,
}


@dataclass(frozen=True, slots=True)
class Examined:
    """One comparison. `read` is false when a book could not be read: then `found` says nothing, and `error` says why.

    `pending` tells that a difference waits for its second reading.
    """

    read: bool
    found: tuple[Discrepancy, ...] = ()
    error: str = ""
    pending: bool = False

    @property
    def ours(self) -> tuple[Discrepancy, ...]:
        """Return what concerns us: everything but what others hold."""
        return tuple(difference for difference in self.found if difference.kind not in FOREIGN)


def examine(
    *, session: TradingSession, now: datetime, ports: Ports, positions: Sequence[Position] | None = None
) -> Examined:
    """Compare the session's ledger with the broker's books now, store what was found, and act on what was seen twice.

    `positions` are read too, unless the caller has just done so.
    """
    if trading_day_of(now) != session.trading_day:
        return _failed(session, f"the books are about {trading_day_of(now)}, the session about {session.trading_day}")
    try:
        positions = ports.broker.positions() if positions is None else positions
        orders, trades = ports.broker.order_book(), ports.broker.trade_book()
    except BrokerError as error:
        log.warning("the books of session %s could not be read: %s", session.pk, error)
        return _failed(session, str(error))
    books = _books(positions, orders, trades, paper=ports.broker.paper)
    rows = _orders_of(session)
    found = compare(
        held=_held(session),
        own=[_own(row) for row in rows],
        books=books,
        moment=_moment(session, now),
        unsettled=_unsettled(rows, now),
        expired=_expired_today(session) if any(row.status == OrderStatus.LOST for row in rows) else {},
        explained=_explained_today(session),
    )
    due, pending = _store(session, found, now=now, ports=ports)
    for difference in due:
        if difference.kind is Kind.UNKNOWN_FILL:
            row = next(row for row in rows if row.pk == difference.order)
            apply_event(
                order_id=row.pk,
                event=evidence_for(row, orders, trades, read_at=now),
                now=now,
                wall_now=ports.wall(),
                actor="reconcile",
            )
    return Examined(read=True, found=found, pending=pending)


def look(*, facts: CycleFacts, session: TradingSession, pulse: Pulse, ports: Ports) -> CycleFacts:
    """Let a cycle know what the books say: not reconciled before the first comparison, no buys where one is blocked.

    The books are read when there was no comparison yet, when a hedge of ours is not what the positions that the cycle has
    just read say, and every quarter of an hour. Mostly they are not, and this costs nothing.
    """
    check = pulse.check
    if facts.positions is not None and _is_due(facts, session, pulse, ports):
        found = examine(session=session, now=facts.now, ports=ports, positions=facts.positions)
        if found.read:
            check = KnownCheck(facts.now, blocked_by(found.found))
    if check is None:
        return replace(facts, reconciled=False)
    if not check.blocked:
        return facts
    quarantine = facts.session.quarantine | {parse_symbol(symbol) for symbol in check.blocked}
    return replace(facts, session=replace(facts.session, quarantine=quarantine))


def follow_up(*, session: TradingSession, ports: Ports) -> bool:
    """Look again where a difference waits for its second reading or a person asked; return whether the books were read."""
    check = BookCheck.objects.filter(session=session).first()
    if check is None:
        return False
    asked = check.requested_wall is not None and (check.read_wall is None or check.requested_wall > check.read_wall)
    if not (asked or check.watched):
        return False
    return examine(session=session, now=ports.clock.now(), ports=ports).read


def forget() -> None:
    """Let nothing be decided before the books have been compared again: for a process that has just started."""
    BookCheck.objects.filter(session__closed_at=None).update(read_wall=None)


def request(*, session: TradingSession, wall_now: datetime) -> None:
    """Ask for a comparison; the worker's next reconcile makes it."""
    BookCheck.objects.update_or_create(session=session, defaults={"requested_wall": wall_now})


def as_card(difference: Discrepancy) -> dict[str, Any]:
    """Return a difference as it is stored and shown."""
    return {
        "key": difference.key,
        "kind": difference.kind.value,
        "symbol": "" if difference.contract is None else format_symbol(difference.contract),
        "product": "" if difference.product is None else difference.product.value,
        "quantity": difference.quantity,
        "ours": difference.ours,
        "broker": difference.broker,
        "order_id": difference.order_id,
        "detail": difference.detail[:300],
        "words": KIND_TEXT[difference.kind],
    }


def blocked_by(found: Sequence[Discrepancy]) -> tuple[str, ...]:
    """Return the symbols that are not to be bought automatically while these differences last."""
    return tuple(sorted({as_card(difference)["symbol"] for difference in found if difference.kind in BLOCKS_BUYS}))


# --- reading ----------------------------------------------------------------------------------------------------------


def _books(positions: Sequence[Position], orders: OrderBook, trades: TradeBook, *, paper: bool) -> Books:
    # A dry run shows the live trades too, and none of them is about what is held on paper.
    kept = {row.order_id for row in orders.rows if row.paper} if paper else None
    return Books(
        positions=tuple(positions),
        orders=tuple(
            BrokerOrder(
                row.order_id,
                row.symbol,
                row.contract,
                row.side,
                row.quantity,
                row.status is BrokerStatus.WORKING,
                row.product,
                row.price,
            )
            for row in orders.rows
        ),
        trades=tuple(
            BrokerTrade(row.order_id, row.contract, row.side, row.quantity)
            for row in trades.rows
            if kept is None or row.order_id in kept
        ),
        paper=paper,
    )


def _orders_of(session: TradingSession) -> list[HedgeOrder]:
    rows = HedgeOrder.objects.filter(
        account_id=session.account_id, trading_day=session.trading_day, mode=session.mode
    ).select_related("transaction")
    return list(rows.annotate(filled=Sum("fills__quantity"), last_fill_at=Max("fills__at")).order_by("id"))


def _own(row: HedgeOrder) -> OwnOrder:
    return OwnOrder(
        number=row.pk,
        order_id=row.broker_order_id,
        contract=row.transaction.contract,
        product=Product(row.transaction.product),
        side=Side(row.transaction.side),
        quantity=row.quantity,
        filled=getattr(row, "filled", None) or 0,
        live=OrderStatus(row.status) in LIVE,
        lost=row.status == OrderStatus.LOST,
        intent=row.transaction_id,
        wanted=row.transaction.quantity,
        price=row.limit_price,
        seen=frozenset(row.seen_order_ids),
    )


def _unsettled(rows: Sequence[HedgeOrder], now: datetime) -> frozenset[Contract]:
    def moves(row: HedgeOrder) -> bool:
        filled_at: datetime | None = getattr(row, "last_fill_at", None)
        return OrderStatus(row.status) in LIVE or (filled_at is not None and now - filled_at < SETTLES_WITHIN)

    return frozenset(row.transaction.contract for row in rows if moves(row))


def _held(session: TradingSession) -> list[Held]:
    since = session.trading_day - LOOK_BACK
    rows = holdings(account_id=session.account_id, mode=session.mode, day=since)
    return [Held(row.contract, row.product, row.quantity) for row in rows]


def _expired_today(session: TradingSession) -> dict[tuple[Contract, Product], int]:
    """Return the units that were taken off because their contract has expired; the broker may show them until tomorrow."""
    units: dict[tuple[Contract, Product], int] = {}
    for row in Adjustment.objects.filter(session=session, kind=AdjustmentKind.EXPIRED.value).order_by("id"):
        contract = Contract(Index(row.index), row.expiry, row.strike.normalize(), Right(row.right))
        key = (contract, Product(row.product))
        units[key] = units.get(key, 0) + row.quantity
    return units


def _explained_today(session: TradingSession) -> dict[Contract, int]:
    """Return the units that were taken off for sales by others, which stand in the trade book for the rest of the day."""
    units: dict[Contract, int] = {}
    kinds = (AdjustmentKind.SOLD_BY_HAND.value, AdjustmentKind.SQUARED_OFF.value)
    for row in Adjustment.objects.filter(session=session, kind__in=kinds).order_by("id"):
        contract = Contract(Index(row.index), row.expiry, row.strike.normalize(), Right(row.right))
        units[contract] = units.get(contract, 0) + row.quantity
    return units


def _moment(session: TradingSession, now: datetime) -> Moment:
    hours = acting_hours(session.trading_day)
    closes = None if hours is None else hours.closes
    return Moment(now, session.trading_day, closes, None if closes is None else closes - SQUARE_OFF_BEFORE_CLOSE)


def _is_due(facts: CycleFacts, session: TradingSession, pulse: Pulse, ports: Ports) -> bool:
    """Return whether the books are to be compared: never yet, not lately, or a hedge of ours is not what we hold.

    On paper nobody else can touch our hedges; what is blocked was told already and waits for its end.
    """
    if pulse.check is None or facts.now - pulse.check.read_at >= AGAIN_AFTER:
        return True
    if ports.broker.paper:
        return False
    net = {(row.contract, row.product): row.quantity for row in facts.positions or ()}
    known = {flight.contract for flight in facts.in_flight} | {parse_symbol(symbol) for symbol in pulse.check.blocked}
    held = holdings_as_of(pulse.ledger, account_id=session.account_id, mode=session.mode, day=session.trading_day)
    return any(net.get((row.contract, row.product), 0) != row.quantity for row in held if row.contract not in known)


# --- writing ----------------------------------------------------------------------------------------------------------


def _failed(session: TradingSession, why: str) -> Examined:
    BookCheck.objects.update_or_create(session=session, defaults={"error": why[:200]})
    return Examined(read=False, error=why)


def _store(
    session: TradingSession, found: tuple[Discrepancy, ...], *, now: datetime, ports: Ports
) -> tuple[tuple[Discrepancy, ...], bool]:
    """Store the comparison; take off and tell what is due. Returns what was due, and whether more waits."""
    with transaction.atomic():
        # In the order in which a late fill takes them.
        BookCheck.objects.get_or_create(session=session)
        check = BookCheck.objects.select_for_update().get(session=session)
        TradingSession.objects.select_for_update(of=("self",)).get(pk=session.pk)
        seen = {key: datetime.fromisoformat(at) for key, at in check.watched.items()}
        due, first = settle(found, seen=seen, now=now)
        removed = [d for d in due if d.kind in REMOVES and _take_off(session, d, now=now, ports=ports)]
        for difference in due:
            if difference in removed or (difference.kind not in REMOVES and difference.key not in check.told):
                _tell(session, difference, now=now, ports=ports)
                check.told.append(difference.key)
        # What was told and asks for no act is known: nobody waits for a second reading of it, as long as it lasts.
        known = {d.key for d in found if d.kind not in ACTED_ON and d.key in check.told}
        done = known | {difference.key for difference in due}
        check.watched = {key: at.isoformat() for key, at in first.items() if key not in done}
        check.found = [as_card(difference) for difference in found]
        check.blocked = list(blocked_by(found))
        check.read_at, check.read_wall, check.error = now, ports.wall(), ""
        check.save()
    return due, bool(check.watched)


def _take_off(session: TradingSession, difference: Discrepancy, *, now: datetime, ports: Ports) -> bool:
    """Take units off our holdings, once; return whether it was done. The session's row is locked."""
    contract, product = difference.contract, difference.product
    if contract is None or product is None:
        return False
    held = {(row.contract, row.product): row.quantity for row in _held(session)}
    moves = HedgeTransaction.objects.live().filter(session=session, symbol=format_symbol(contract)).exists()
    if moves or held.get((contract, product), 0) != difference.ours:
        return False  # the ledger has moved since the books were read: the next comparison judges anew
    row = Adjustment.objects.create(
        session=session,
        account_id=session.account_id,
        mode=session.mode,
        index=Index(contract.index).value,
        expiry=contract.expiry,
        strike=contract.strike,
        right=Right(contract.right).value,
        product=product.value,
        symbol=format_symbol(contract),
        quantity=difference.quantity,
        kind=AdjustmentKind(difference.kind.value).value,
        detail=difference.detail[:300],
        at=now,
    )
    audit.append(
        account_id=session.account_id,
        session_id=session.pk,
        at=now,
        wall_at=ports.wall(),
        actor="reconcile",
        event=f"holding_{difference.kind}",
        subject=row,
        facts={"symbol": row.symbol, "quantity": row.quantity, "detail": row.detail},
    )
    return True


def _tell(session: TradingSession, difference: Discrepancy, *, now: datetime, ports: Ports) -> None:
    card = as_card(difference)
    queue_alert(
        kind="books_differ",
        severity=_SEVERITY[difference.kind],
        title=f"{difference.kind.replace('_', ' ').capitalize()}: {difference.quantity} {card['symbol']}",
        happened_at=now,
        wall_now=ports.wall(),
        facts={
            "mode": session.mode,
            "symbol": card["symbol"],
            "quantity": difference.quantity,
            "ours": difference.ours,
            "broker": difference.broker,
            "detail": difference.detail,
            "words": card["words"],
        },
        subject_kind="tradingsession",
        subject_id=session.pk,
        account_id=session.account_id,
    )
