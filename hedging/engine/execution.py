"""Send one committed slice: reads, fingerprint, SENDING committed, fence, exactly one POST, classify (orders.md §3)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import IntegrityError
from django.db.models import F, QuerySet

from hedging.brokers.base import (
    BrokerError,
    BrokerUnavailable,
    OrderBook,
    OrderRequest,
    PlaceReply,
    ReplyClass,
    TradeBook,
)
from hedging.domain.instruments import Product, Side
from hedging.domain.lifecycle import (
    OUTCOME_UNKNOWN,
    BooksRead,
    CancelRefused,
    FenceClosed,
    IllegalTransition,
    OrderStatus,
    Post,
    PreflightFailed,
    PreflightPassed,
    Replied,
    SendCancel,
    fingerprint_price,
)
from hedging.domain.policy import HedgePolicy
from hedging.domain.reasons import Reason
from hedging.domain.sanity import absurdity
from hedging.domain.snapshot import Depth, Position
from hedging.engine import breaker
from hedging.engine.books import looked_for
from hedging.engine.one_row import OneRow
from hedging.engine.orders import apply_event
from hedging.engine.path_rows import AtTheFence, at_the_fence, tick_and_own_prices
from hedging.engine.ports import Ports
from hedging.engine.preflight import gate
from hedging.engine.shared_limits import OrderTurn
from hedging.models import HedgeOrder, HedgeTransaction, Origin, values_of
from sessions_app.models import Mode, TradingSession

log = logging.getLogger(__name__)

_AFTER_REPLY = {
    ReplyClass.ACKED: OrderStatus.ACKED,
    ReplyClass.REJECTED: OrderStatus.REJECTED,
    ReplyClass.NOT_SENT: OrderStatus.NOT_SENT,
    ReplyClass.UNKNOWN: OrderStatus.UNKNOWN,
    ReplyClass.QUEUED_UPSTREAM: OrderStatus.QUEUED_UPSTREAM,
    # An order that filled in the other mode is not ours to count; what it did there, a person must see.
    ReplyClass.MODE_MISMATCH: OrderStatus.UNKNOWN,
}

_ORDER = OneRow(
    HedgeOrder,
    joined={"transaction": (), "transaction.decision": ("id", "policy")},
)


def send_order(*, order_id: int, ports: Ports) -> OrderStatus:
    """Take one NEW slice through the send protocol; a slice in any other state is left alone.

    Safe to call twice at once: both may read, but the compare-and-set to SENDING lets one of them post.
    """
    order = _ORDER.get(order_id)
    if order.status != OrderStatus.NEW:
        return OrderStatus(order.status)
    if _waits_for_buys(order.transaction) or _waits_for_slices(order):
        return OrderStatus.NEW
    status = _send(order, ports)
    if order.quantity < order.transaction.quantity:
        _nudge_waiting_slices(order, ports)
    return status


def _send(order: HedgeOrder, ports: Ports) -> OrderStatus:
    event, quoted_at = _preflight(order, ports)
    wall_now = ports.wall()
    turn = OrderTurn(order.account_id, wall_now)
    try:
        status, effects = apply_event(
            order_id=order.pk, event=event, now=ports.clock.now(), wall_now=wall_now, known=order, turn=turn
        )
    except IllegalTransition:  # another worker took it first: the row is the truth
        return OrderStatus(HedgeOrder.objects.values_list("status", flat=True).get(pk=order.pk))
    if not any(isinstance(effect, Post) for effect in effects) or not isinstance(event, PreflightPassed):
        return status
    return _post(order, event.limit_price, quoted_at, turn, ports)


def _waits_for_buys(tx: HedgeTransaction) -> bool:
    """Return whether the buys that are to replace this wing may still fill; the next reconcile nudges again."""
    if tx.reason != Reason.UNWIND_REPLACED:
        return False
    live = _buys_of(tx).filter(is_live=True)
    # A buy of which nobody knows counts as not filled: the wing stays, and the sale keeps no other purchase from the entry.
    return live.exists() and not live.filter(orders__status__in=values_of(OUTCOME_UNKNOWN)).exists()


def _waits_for_slices(order: HedgeOrder) -> bool:
    """Return whether an earlier slice of the same intent has no price yet, which this one may not have too.

    One of a sale waits until the earlier one is answered: what is left to sell is known after it.
    """
    if order.slice == 1:
        return False
    sale = order.transaction.side == Side.SELL
    on_its_way = [OrderStatus.NEW.value, OrderStatus.SENDING.value] if sale else [OrderStatus.NEW.value]
    earlier = HedgeOrder.objects.filter(transaction_id=order.transaction_id, slice__lt=order.slice)
    return earlier.filter(status__in=on_its_way).exists()


def _nudge_waiting_slices(order: HedgeOrder, ports: Ports) -> None:
    later = HedgeOrder.objects.filter(transaction_id=order.transaction_id, slice__gt=order.slice)
    for waiting in later.filter(status=OrderStatus.NEW.value).order_by("slice").values_list("pk", flat=True)[:1]:
        ports.nudge_send(waiting)


def _buys_of(tx: HedgeTransaction) -> QuerySet[HedgeTransaction]:
    return HedgeTransaction.objects.filter(decision_id=tx.decision_id, side=Side.BUY.value)


def _preflight(order: HedgeOrder, ports: Ports) -> tuple[PreflightPassed | PreflightFailed, datetime]:
    """Return whether the order may go, and the wall time of the quote that its price is made from."""
    tx = order.transaction
    if ports.clock.now() > tx.valid_until:
        return PreflightFailed(Reason.DENY_EXPIRED_INTENT), ports.wall()
    if tx.reason == Reason.UNWIND_REPLACED and _buys_of(tx).filter(filled_quantity__lt=F("quantity")).exists():
        return PreflightFailed(Reason.DENY_REPLACEMENT_UNFILLED), ports.wall()
    try:
        books = ports.broker.order_book()
        trades = ports.broker.trade_book()
        positions = ports.broker.positions()
        depth = ports.broker.depth(tx.contract)
    except BrokerError as error:
        log.warning("pre-flight reads failed: %s", error)
        if isinstance(error, BrokerUnavailable):
            _note_for_breaker(order, ports, failed=True)
        return PreflightFailed(Reason.DENY_READS_FAILED, str(error)[:200]), ports.wall()
    denied = _position_forbids(order, positions, trades)
    if denied is None and _is_stale(tx, depth.read_at, ports.wall()):
        age = (ports.wall() - depth.read_at).total_seconds()
        denied = PreflightFailed(Reason.DENY_STALE_QUOTE, f"{age:.0f} s old")
    if denied is not None:
        return denied, depth.read_at
    price = _limit_price(order, books, depth)
    if isinstance(price, PreflightFailed):
        return price, depth.read_at
    seen = frozenset(row.order_id for row in books.rows) | frozenset(row.order_id for row in trades.rows)
    return PreflightPassed(limit_price=price, seen_order_ids=seen), depth.read_at


def _is_stale(tx: HedgeTransaction, quoted_at: datetime, wall_now: datetime) -> bool:
    oldest = int(tx.decision.policy.get("max_quote_age_seconds", HedgePolicy().max_quote_age_seconds))
    return wall_now - quoted_at > timedelta(seconds=oldest)


def _position_forbids(order: HedgeOrder, positions: tuple[Position, ...], trades: TradeBook) -> PreflightFailed | None:
    tx = order.transaction
    contract, product = tx.contract, Product(tx.product)
    net = sum(p.quantity for p in positions if p.contract == contract and p.product == product)
    if tx.side == Side.BUY and net < 0:
        return PreflightFailed(Reason.DENY_SHORT_CONTRACT, f"the account is short {-net} of it")
    if tx.side == Side.BUY and _shorts_have_another_product(tx, positions):
        return PreflightFailed(Reason.DENY_OTHER_PRODUCT, f"ours is {tx.product}, the shorts are not")
    if tx.side == Side.SELL:
        pending = _still_selling(order, trades)
        if net < order.quantity + pending:
            told = f"{order.quantity} to sell, {net} at the broker, {pending} being sold"
            return PreflightFailed(Reason.DENY_BEYOND_HELD, told)
    return None


def _shorts_have_another_product(tx: HedgeTransaction, positions: tuple[Position, ...]) -> bool:
    """Return whether all shorts that this wing could cover have another product; before the day's first, there are none."""
    bought = tx.contract
    covered = {
        p.product
        for p in positions
        if p.quantity < 0
        and (p.contract.index, p.contract.expiry, p.contract.right) == (bought.index, bought.expiry, bought.right)
    }
    return bool(covered) and Product(tx.product) not in covered


def _still_selling(order: HedgeOrder, trades: TradeBook) -> int:
    """Return the units that other orders of ours may still take out of the position: of this sale, or of one believed over."""
    tx = order.transaction
    sales = HedgeOrder.objects.live().filter(
        account_id=order.account_id,
        trading_day=order.trading_day,
        mode=order.mode,
        transaction__symbol=tx.symbol,
        transaction__product=tx.product,
        transaction__side=Side.SELL.value,
    )
    others = sales.exclude(pk=order.pk)
    pending = 0
    for other in others.exclude(status=OrderStatus.NEW.value):
        sold = sum(row.quantity for row in trades.rows if row.order_id == other.broker_order_id)
        pending += max(0, other.quantity - sold)
    return pending


def _limit_price(order: HedgeOrder, books: OrderBook, depth: Depth) -> Decimal | PreflightFailed:
    tx, quantity = order.transaction, order.quantity
    side = Side(tx.side)
    ladder = depth.asks if side is Side.BUY else depth.bids
    if not ladder:
        return PreflightFailed(Reason.DENY_STALE_QUOTE, "nobody offers" if side is Side.BUY else "nobody bids")
    if depth.bids and depth.asks and depth.bids[0].price > depth.asks[0].price:
        told = f"₹{depth.bids[0].price} is bid, ₹{depth.asks[0].price} is asked"
        return PreflightFailed(Reason.DENY_CROSSED_QUOTE, told)
    touch = ladder[0].price
    if absurd := absurdity(side=side, depth=depth, reference=tx.reference_price):
        return PreflightFailed(Reason.DENY_ABSURD_QUOTE, absurd)
    moved = PreflightFailed(Reason.DENY_PRICE_MOVED, f"₹{touch} now, at worst ₹{tx.worst_price}")
    if (tx.worst_price - touch) * side.sign < 0:
        return moved
    contract = tx.contract
    taken = {
        row.price for row in books.rows if row.contract == contract and row.side is side and row.quantity == quantity
    }
    # One of our own that is on its way is in no book yet.
    tick, own = tick_and_own_prices(order)
    taken |= own
    price = fingerprint_price(
        side=side, touch=touch, tick=tick or Decimal("0.05"), worst=tx.worst_price, taken=frozenset(taken)
    )
    return moved if price is None else price


def _post(order: HedgeOrder, limit_price: Decimal, quoted_at: datetime, turn: OrderTurn, ports: Ports) -> OrderStatus:
    tx = order.transaction
    _wait_for(turn, ports)
    may_go_live = _may_go_live(tx)
    now = ports.clock.now()  # may be a question to a server
    # What a halt changes is read last: nothing that takes time may come between these rows and the socket.
    seen = at_the_fence(order)
    if seen.status != OrderStatus.SENDING:  # given up while we slept: what reconcile watches, we may not send
        return OrderStatus(seen.status)
    stale = _is_stale(tx, quoted_at, ports.wall())
    closed = _fence(tx, now, seen, may_go_live=may_go_live, stale=stale)
    if closed is None and seen.filled + order.quantity > seen.wanted:  # an earlier attempt has filled after all
        closed = Reason.DENY_FILLED_MEANWHILE
    if closed is not None:
        return _apply(order.pk, FenceClosed(closed), ports)
    reply = ports.broker.place(
        OrderRequest(
            contract=tx.contract,
            product=Product(tx.product),
            side=Side(tx.side),
            quantity=order.quantity,
            limit_price=limit_price,
        )
    )
    status = _take_reply(order, _replied(reply), ports)
    _note_for_breaker(order, ports, failed=reply.infrastructure)
    if reply.outcome is ReplyClass.REJECTED and reply.needs_book_check:
        status = _confirm_refusal(order, ports)
    return status


def _take_reply(order: HedgeOrder, event: Replied, ports: Ports) -> OrderStatus:
    try:
        return _apply(order.pk, event, ports)
    except IntegrityError:
        # The id is one that we follow for another order of ours already: no proof of anything, and the books go on deciding.
        taken = f"the reply names {event.order_id}, which is another order of ours"
        return _apply(order.pk, Replied(OrderStatus.UNKNOWN, message=taken), ports)


def _replied(reply: PlaceReply) -> Replied:
    return Replied(
        outcome=_AFTER_REPLY[reply.outcome],
        order_id=reply.order_id,
        wants_clean_book=reply.needs_book_check,
        message=reply.message,
        unread=reply.unread,
        mode_mismatch=reply.outcome is ReplyClass.MODE_MISMATCH,
    )


def _confirm_refusal(order: HedgeOrder, ports: Ports) -> OrderStatus:
    """Read the books once: a refusal is believed only when no order like ours is in them. Otherwise reconcile looks on."""
    order.refresh_from_db()
    try:
        orders, trades = ports.broker.order_book(), ports.broker.trade_book()
    except BrokerError:
        return OrderStatus(order.status)
    return _apply(order.pk, looked_for(order, orders, trades), ports)


def _apply(order_id: int, event: FenceClosed | Replied | BooksRead, ports: Ports) -> OrderStatus:
    return apply_event(order_id=order_id, event=event, now=ports.clock.now(), wall_now=ports.wall())[0]


def _wait_for(turn: OrderTurn, ports: Ports) -> None:
    """Wait until one more order request keeps all processes together under the server's rate."""
    seconds = turn.wait_seconds()
    if seconds > 0:
        ports.pause(seconds)


def _note_for_breaker(order: HedgeOrder, ports: Ports, *, failed: bool) -> None:
    breaker.note_order(
        account_id=order.account_id,
        side=Side(order.transaction.side),
        failed=failed,
        now=ports.clock.now(),
        wall_now=ports.wall(),
    )


def _may_go_live(tx: HedgeTransaction) -> bool:
    """Return whether the pre-flight of the session lets a live order of this side go; one on paper needs none."""
    if tx.mode != Mode.LIVE or not gate.is_asked_for():
        return True
    return gate.may_go_live(TradingSession.objects.get(pk=tx.session_id), Side(tx.side))


def _fence(tx: HedgeTransaction, now: datetime, seen: AtTheFence, *, may_go_live: bool, stale: bool) -> Reason | None:
    """Look once more, after SENDING is committed and before the socket is touched."""
    if tx.mode == Mode.LIVE and settings.AUTO_HEDGE_DRY_RUN:
        return Reason.DENY_LIVE_NOT_ALLOWED
    if not may_go_live:
        return Reason.DENY_PREFLIGHT
    if not seen.standing.allows(Side(tx.side)):
        return Reason.DENY_TRADING_STATE
    automatic = seen.standing.automation and settings.AUTO_HEDGE_ENABLED
    if tx.origin == Origin.AUTO and not tx.due_by_clock and not automatic:
        return Reason.DENY_AUTOMATION_OFF
    if now > tx.valid_until:
        return Reason.DENY_EXPIRED_INTENT
    if seen.hours is None or not seen.hours.act_from <= now < seen.hours.act_until:
        return Reason.DENY_OUT_OF_HOURS
    return Reason.DENY_STALE_QUOTE if stale else None


def cancel_order(*, order_id: int, broker_order_id: str, ports: Ports) -> None:
    """Ask the broker to cancel. Whatever it answers, the books decide; a refusal puts the slice back to work."""
    account_id = HedgeOrder.objects.values_list("account_id", flat=True).get(pk=order_id)
    _wait_for(OrderTurn(account_id, ports.wall()), ports)
    reply = ports.broker.cancel(broker_order_id)
    if reply.accepted is False:
        apply_event(order_id=order_id, event=CancelRefused(), now=ports.clock.now(), wall_now=ports.wall())


def perform(*, order_id: int, effects: tuple[Post | SendCancel, ...], ports: Ports) -> None:
    """Perform the network effects that a reconcile step returned; a Post never comes from there."""
    for effect in effects:
        if isinstance(effect, SendCancel):
            cancel_order(order_id=order_id, broker_order_id=effect.order_id, ports=ports)
