"""The order protocol as a pure state machine: `step(slice, event, now) -> slice, effects` (orders.md §2-§4).

The engine only loads a slice, applies an event and performs the effects, so the same code runs live, on paper, in a
simulated day and in simulated disasters. Creed: observe, never resend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from hedging.domain.instruments import Side
from hedging.domain.reasons import Reason


class OrderStatus(StrEnum):
    """Where one slice stands between us and the broker."""

    NEW = "new"
    SENDING = "sending"
    DENIED = "denied"
    LAPSED = "lapsed"
    ACKED = "acked"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    QUEUED_UPSTREAM = "queued_upstream"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCEL_PENDING = "cancel_pending"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    LOST = "lost"
    REVIEW = "review"


_S = OrderStatus
PAISA = Decimal("0.01")

EDGES: dict[OrderStatus, frozenset[OrderStatus]] = {
    _S.NEW: frozenset({_S.SENDING, _S.DENIED, _S.LAPSED}),
    _S.SENDING: frozenset({_S.ACKED, _S.REJECTED, _S.NOT_SENT, _S.UNKNOWN, _S.QUEUED_UPSTREAM}),
    _S.ACKED: frozenset({_S.PARTIAL, _S.FILLED, _S.CANCEL_PENDING, _S.CANCELLED, _S.REJECTED, _S.EXPIRED}),
    _S.PARTIAL: frozenset({_S.PARTIAL, _S.FILLED, _S.CANCEL_PENDING, _S.CANCELLED, _S.EXPIRED}),
    _S.CANCEL_PENDING: frozenset({_S.ACKED, _S.PARTIAL, _S.FILLED, _S.CANCELLED, _S.REJECTED, _S.EXPIRED}),
    _S.UNKNOWN: frozenset({_S.ACKED, _S.LOST, _S.REVIEW}),
    _S.QUEUED_UPSTREAM: frozenset({_S.ACKED, _S.LOST, _S.REVIEW}),
    _S.REVIEW: frozenset({_S.ACKED, _S.LOST}),
    _S.LOST: frozenset({_S.ACKED}),  # surfaced late
    _S.CANCELLED: frozenset({_S.PARTIAL, _S.FILLED}),  # late news: a fill that raced the cancel
    _S.REJECTED: frozenset({_S.PARTIAL, _S.FILLED}),  # late news: adapters leak a neighbour's status
    _S.EXPIRED: frozenset({_S.PARTIAL, _S.FILLED}),  # late news
    _S.DENIED: frozenset(),
    _S.LAPSED: frozenset(),
    _S.NOT_SENT: frozenset(),
    _S.FILLED: frozenset(),
}

LIVE = frozenset(
    {_S.NEW, _S.SENDING, _S.UNKNOWN, _S.ACKED, _S.PARTIAL, _S.CANCEL_PENDING, _S.QUEUED_UPSTREAM, _S.REVIEW}
)
TERMINAL = frozenset(_S) - LIVE
UNCERTAIN = frozenset({_S.SENDING, _S.UNKNOWN, _S.QUEUED_UPSTREAM, _S.REVIEW})
OUTCOME_UNKNOWN = UNCERTAIN - {_S.SENDING}
"""States in which nobody is at work on the order: what became of it, the books or a person will tell."""
AT_BROKER = frozenset({_S.ACKED, _S.PARTIAL, _S.CANCEL_PENDING})
"""States in which the broker has given us an order id and the order may still fill."""


def outcome_words(*, live: bool, quantity: int, filled: int) -> str:
    """Return what became of an intent of so many units: `working`, `filled`, `partly filled` or `nothing filled`."""
    if live:
        return "working"
    if filled >= quantity:
        return "filled"
    return "partly filled" if filled else "nothing filled"


class IllegalTransition(Exception):
    """An event asked for an edge that is not in `EDGES`. A bug, or a lying gateway: stop and look."""


@dataclass(frozen=True, slots=True)
class BookRow:
    """What the order book says of one order: `terminal` is None while it works, else the state that it claims."""

    order_id: str
    quantity: int
    price: Decimal
    terminal: OrderStatus | None


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade-book row of an order: units and rupees a unit."""

    quantity: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class Slice:
    """One freeze-sized order of an intent, as far as we know it. Quantities in units, prices in rupees.

    `clean_reads` counts order books, successfully read since the outcome became unknown, without a trace of it; of an order
    with an id, those without its row long after it was sent. `cancel_asked`: we wanted the rest of it back.
    `claimed_end` is a terminal status that the book showed once, at `claimed_end_at`: it wants a second look.
    `refused_by_reply` marks a SENDING slice whose POST was answered with a refusal that one clean book must confirm.
    """

    status: OrderStatus
    side: Side
    quantity: int
    created_at: datetime
    valid_until: datetime
    limit_price: Decimal | None = None
    order_id: str | None = None
    seen_order_ids: frozenset[str] = frozenset()
    sent_at: datetime | None = None
    trades: tuple[Trade, ...] = ()
    clean_reads: int = 0
    claimed_end: OrderStatus | None = None
    claimed_end_at: datetime | None = None
    refused_by_reply: bool = False
    cancel_asked: bool = False

    @property
    def filled_quantity(self) -> int:
        """Return the units filled: the sum of the trade book, never a status word."""
        return sum(trade.quantity for trade in self.trades)

    @property
    def remaining_quantity(self) -> int:
        """Return the units not filled."""
        return max(0, self.quantity - self.filled_quantity)


# --- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PreflightPassed:
    """Books and quote were read cleanly: send at `limit_price`, remembering the order ids seen before."""

    limit_price: Decimal
    seen_order_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class PreflightFailed:
    """A read before sending failed, or its answer forbids the order; nothing was sent. `message` has the figures."""

    reason: Reason
    message: str = ""


@dataclass(frozen=True, slots=True)
class FenceClosed:
    """The last check before the socket said no. The slice was SENDING, and surely was not sent."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Replied:
    """The POST was answered, or surely was not. `outcome` is one of the states that follow SENDING.

    `unread`: the server refused before it looked at the order (too many requests, the key), so nothing is wrong with it.
    """

    outcome: OrderStatus
    order_id: str | None = None
    wants_clean_book: bool = False
    message: str = ""
    mode_mismatch: bool = False
    unread: bool = False


@dataclass(frozen=True, slots=True)
class SenderGone:
    """A SENDING slice outlived every deadline of its sender: nobody knows whether the POST went out."""


@dataclass(frozen=True, slots=True)
class BooksRead:
    """Order book and trade book were both read successfully.

    `own` is the row of our order id (None when absent or not known yet); `lookalikes` are ids of rows with the same
    contract, product, side, quantity and price that were not there before and belong to nobody else, `doubtful` ids of
    rows that are alike but for a symbol that the broker has not written yet, or a price that may be their average;
    `trades` are the trade rows of our order id. `superseded`: a later attempt at this slice has been made. `read_at` is the
    market time at which the reading began, `None` for now: it may be applied seconds later.
    """

    own: BookRow | None = None
    lookalikes: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    trades: tuple[Trade, ...] = ()
    superseded: bool = False
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """We want the rest back: it rested too long, or the session is halted."""


@dataclass(frozen=True, slots=True)
class CancelRefused:
    """The broker refused the cancel; the order still works, or has just ended."""


@dataclass(frozen=True, slots=True)
class DayEnded:
    """The market is closed: what still works has lapsed. `books_read`: the final books were, else fills may be missing."""

    books_read: bool = True


@dataclass(frozen=True, slots=True)
class Resolved:
    """A person looked at the broker's screen: the order is `order_id`, or it never existed. `reason` is how they know."""

    order_id: str | None
    reason: str = ""


Event = (
    PreflightPassed
    | PreflightFailed
    | FenceClosed
    | Replied
    | SenderGone
    | BooksRead
    | CancelRequested
    | CancelRefused
    | DayEnded
    | Resolved
)

# --- effects --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Post:
    """Send the order, once, after one more look at the fence."""


@dataclass(frozen=True, slots=True)
class SendCancel:
    """Ask the broker to cancel `order_id`."""

    order_id: str


@dataclass(frozen=True, slots=True)
class RecordFills:
    """Store these fills; they were not known before."""

    fills: tuple[Trade, ...]


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell the operator; `kind` names the message."""

    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StopBuying:
    """Let nothing new be bought until a person has looked."""

    detail: str


@dataclass(frozen=True, slots=True)
class StopTrading:
    """Let nothing new be sent at all, not even a sale: the server is not in the mode that we believed it to be in."""

    detail: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The broker refused this contract: leave it alone for the day."""

    detail: str


Effect = Post | SendCancel | RecordFills | Notify | StopBuying | StopTrading | Quarantine


@dataclass(frozen=True, slots=True)
class Timing:
    """Patience of the protocol, in seconds of market time (`sender_deadline` in wall time)."""

    lost_after: int = 150
    lost_reads: int = 3
    second_look_after: int = 5


Outcome = tuple[Slice, tuple[Effect, ...]]


def step(order: Slice, event: Event, now: datetime, timing: Timing = Timing()) -> Outcome:
    """Apply one event to a slice at market time `now`.

    Returns the new slice and the effects that the engine must perform after committing it. An event that tells nothing
    new returns the slice unchanged. Raises `IllegalTransition` for an edge outside `EDGES`.
    """
    return _HANDLERS[type(event)](order, event, now, timing)


def _move(order: Slice, status: OrderStatus, **changes: object) -> Slice:
    # Staying where one is wants an edge too: a second sender must not find SENDING → SENDING and post again.
    if status not in EDGES[order.status]:
        raise IllegalTransition(f"{order.status} may not become {status}")
    return replace(order, status=status, **changes)  # type: ignore[arg-type]


def _preflight_passed(order: Slice, event: PreflightPassed, now: datetime, _: Timing) -> Outcome:
    if now > order.valid_until:
        return _move(order, _S.LAPSED), (Notify("intent_lapsed", Reason.DENY_EXPIRED_INTENT),)
    sending = _move(order, _S.SENDING, limit_price=event.limit_price, seen_order_ids=event.seen_order_ids, sent_at=now)
    return sending, (Post(),)


def _preflight_failed(order: Slice, event: PreflightFailed, _now: datetime, _: Timing) -> Outcome:
    why = f"{event.reason}: {event.message}" if event.message else event.reason
    return _move(order, _S.LAPSED), (Notify("intent_lapsed", why),)


def _fence_closed(order: Slice, event: FenceClosed, _now: datetime, _: Timing) -> Outcome:
    if order.status is _S.UNKNOWN:
        return order, ()  # its sender was given up while it slept: the books will show no trace of it
    status = _S.DENIED if order.status is _S.NEW else _S.NOT_SENT
    return _move(order, status), (Notify("order_denied", event.reason),)


def _replied(order: Slice, event: Replied, _now: datetime, _: Timing) -> Outcome:
    outcome = event.outcome
    if outcome is _S.ACKED and event.order_id is None:
        outcome = _S.UNKNOWN  # "placed" without an id is no proof of anything
    if order.status is not _S.SENDING:
        return _replied_late(order, event, outcome)
    if outcome is _S.REJECTED and event.wants_clean_book:
        return replace(order, refused_by_reply=True), ()
    effects: tuple[Effect, ...] = ()
    if outcome is _S.REJECTED:
        quarantine = () if event.unread else (Quarantine(event.message),)
        effects = (Notify("order_rejected", event.message), *quarantine)
    elif _is_of_another_mode(event):
        effects = _stopped(event)
    elif outcome is _S.UNKNOWN:
        effects = (Notify("order_unknown", event.message),)
    return _move(order, outcome, order_id=event.order_id), effects


def _is_of_another_mode(event: Replied) -> bool:
    return event.outcome is _S.QUEUED_UPSTREAM or event.mode_mismatch


def _stopped(event: Replied) -> tuple[Effect, ...]:
    return Notify("mode_mismatch", event.message), StopTrading("MODE_MISMATCH")


def _replied_late(order: Slice, event: Replied, outcome: OrderStatus) -> Outcome:
    """Take a reply that came after its sender had been given up: an order id and the server's mode are news, no more."""
    if order.status is _S.NEW:
        raise IllegalTransition("a reply to an order that was never sent")
    if _is_of_another_mode(event):
        if event.outcome is _S.QUEUED_UPSTREAM and order.status is _S.UNKNOWN:
            # Somebody may approve it hours later: no number of clean books may make it lost.
            reviewed, effects = _to_review(order, "it waits in OpenAlgo for an approval")
            return reviewed, (*_stopped(event), *effects)
        return order, _stopped(event)
    if outcome is not _S.ACKED or event.order_id == order.order_id:
        return order, ()
    if order.order_id is not None:
        # One of the two is another's. Which one, a person sees at the broker; what we follow, we go on following.
        return order, (Notify("order_mistaken", f"the reply names {event.order_id}, we follow {order.order_id}"),)
    return _adopt(order, event.order_id or "")


def _adopt(order: Slice, order_id: str) -> Outcome:
    if order.order_id is not None:
        raise IllegalTransition(f"order {order.order_id} may not become order {order_id}")
    adopted = _move(order, _S.ACKED, order_id=order_id, refused_by_reply=False, clean_reads=0)
    effects: tuple[Effect, ...] = (Notify("order_adopted", order_id),)
    if order.status is _S.LOST:
        effects = (*effects, StopBuying("an order believed lost has surfaced"))
    return adopted, effects


def _sender_gone(order: Slice, _event: SenderGone, _now: datetime, _: Timing) -> Outcome:
    if order.status is not _S.SENDING:
        return order, ()
    return _move(order, _S.UNKNOWN), (Notify("order_unknown", "the sender died while sending"),)


def _books_read(order: Slice, event: BooksRead, now: datetime, timing: Timing) -> Outcome:
    if order.order_id is None:
        return _look_for_it(order, event, now, timing)
    return _follow(order, event, now, timing)


def _look_for_it(order: Slice, event: BooksRead, now: datetime, timing: Timing) -> Outcome:
    awaiting = {_S.UNKNOWN, _S.QUEUED_UPSTREAM, _S.LOST}
    if order.status not in awaiting and not order.refused_by_reply:
        return order, ()
    if len(event.lookalikes) > 1:
        why = f"several orders look like ours: {', '.join(event.lookalikes)}"
        if order.status is _S.LOST:
            return _told_of_lost(order, why)
        if order.status is _S.SENDING:  # the refusal proves nothing beside them, and the next reading is for a person
            return _move(order, _S.UNKNOWN, refused_by_reply=False), (Notify("order_unknown", why),)
        return _to_review(order, why)
    long_ago = _is_long_ago(order, now, timing)
    if event.doubtful:
        return _wait_for_certainty(order, event, long_ago=long_ago)
    if event.lookalikes:
        return _adopt(order, event.lookalikes[0])
    if order.refused_by_reply and order.status is _S.SENDING:
        return _move(order, _S.REJECTED, refused_by_reply=False), (
            Notify("order_rejected"),
            Quarantine("refused by the broker"),
        )
    if order.status is not _S.UNKNOWN:
        return order, ()
    counted = replace(order, clean_reads=order.clean_reads + 1)
    if counted.clean_reads >= timing.lost_reads and long_ago:
        return _move(counted, _S.LOST), (Notify("order_lost"),)
    return counted, ()


def _wait_for_certainty(order: Slice, event: BooksRead, *, long_ago: bool) -> Outcome:
    """Neither follow nor count a reading with rows that may be ours and may be another's, even beside our fingerprint."""
    why = f"like ours but for symbol or price: {', '.join((*event.lookalikes, *event.doubtful))}"
    if order.status in {_S.UNKNOWN, _S.QUEUED_UPSTREAM} and long_ago:
        return _to_review(order, why)
    return _told_of_lost(order, why) if order.status is _S.LOST else (order, ())


def _told_of_lost(order: Slice, why: str) -> Outcome:
    """Tell once, and no reading counts as clean from here on: whoever resumes afterwards has looked."""
    if not order.clean_reads:
        return order, ()
    return replace(order, clean_reads=0), (Notify("order_review", why), StopBuying("a lost order may be there"))


def _to_review(order: Slice, why: str) -> Outcome:
    return _move(order, _S.REVIEW), (Notify("order_review", why), StopBuying("an order needs review"))


def _follow(order: Slice, event: BooksRead, now: datetime, timing: Timing) -> Outcome:
    fresh = _new_trades(order.trades, event.trades)
    effects: list[Effect] = [RecordFills(fresh)] if fresh else []
    known = replace(order, trades=order.trades + fresh)
    if fresh and order.status in TERMINAL:
        effects.append(Notify("late_fill", f"{sum(t.quantity for t in fresh)} after {order.status}"))
    if known.filled_quantity >= order.quantity:
        if known.filled_quantity > order.quantity:
            effects.append(StopBuying("the broker filled more than was ordered"))
        if order.status is _S.FILLED:
            return known, tuple(effects)
        effects.append(Notify("order_filled"))
        return _move(known, _S.FILLED, claimed_end=None, claimed_end_at=None), tuple(effects)
    if fresh:
        # A claimed end is void when trades still arrive: the second look starts over.
        known = replace(known, claimed_end=None, claimed_end_at=None)
        # A cancel in the air stays in the air; and with a later attempt on its way this one may not live again.
        if order.status is _S.CANCEL_PENDING or (order.status in TERMINAL and event.superseded):
            return known, tuple(effects)
        return _move(known, _S.PARTIAL), tuple(effects)
    if order.status not in AT_BROKER:
        return known, tuple(effects)
    if event.own is None and order.clean_reads < timing.lost_reads and _is_long_ago(order, now, timing):
        # The broker gave it an id and never showed it: nothing here will move until a person has looked.
        known = replace(known, clean_reads=order.clean_reads + 1)
        if known.clean_reads == timing.lost_reads:
            effects.append(Notify("order_invisible", f"no order {order.order_id} in the order book"))
    return _second_look(known, event.own, event.read_at or now, timing, effects)


def _is_long_ago(order: Slice, now: datetime, timing: Timing) -> bool:
    return now - (order.sent_at or order.created_at) > timedelta(seconds=timing.lost_after)


def _second_look(order: Slice, row: BookRow | None, now: datetime, timing: Timing, effects: list[Effect]) -> Outcome:
    """Believe an end that two readings tell, `now` being when the later one began."""
    end = row.terminal if row is not None else None
    if end is None or end is _S.FILLED:  # "complete" without the trades proves nothing
        return replace(order, claimed_end=None, claimed_end_at=None), tuple(effects)
    if order.claimed_end is not end or order.claimed_end_at is None:
        return replace(order, claimed_end=end, claimed_end_at=now), tuple(effects)
    if now - order.claimed_end_at < timedelta(seconds=timing.second_look_after):
        return order, tuple(effects)
    if end is _S.REJECTED and order.filled_quantity:
        end = _S.CANCELLED  # a part was filled, so the rest was withdrawn, whatever the word
    if end is _S.REJECTED:
        effects += [Notify("order_rejected"), Quarantine("rejected after acceptance")]
    return _move(order, end), tuple(effects)


def _new_trades(known: tuple[Trade, ...], read: tuple[Trade, ...]) -> tuple[Trade, ...]:
    """Return the rows of `read` beyond `known`, as a multiset: trade rows carry no id, and most books only add to them.

    Where known rows are gone and others there, the book has corrected or joined them, or is not whole. Then what it holds in
    all beyond what was known is one row, if it is more: a later, whole reading brings what is missing, and nothing is
    counted twice.
    """
    rest = list(known)
    fresh = []
    for trade in read:
        if trade in rest:
            rest.remove(trade)
        else:
            fresh.append(trade)
    if not rest:
        return tuple(fresh)
    more = _units(read) - _units(known)
    if not fresh or more <= 0:
        return ()
    price = ((_money(read) - _money(known)) / more).quantize(PAISA)
    return (Trade(more, price if price > 0 else fresh[-1].price),)


def _units(trades: tuple[Trade, ...]) -> int:
    return sum(trade.quantity for trade in trades)


def _money(trades: tuple[Trade, ...]) -> Decimal:
    return sum((trade.quantity * trade.price for trade in trades), Decimal(0))


def _cancel_requested(order: Slice, _event: CancelRequested, _now: datetime, _: Timing) -> Outcome:
    if order.status not in {_S.ACKED, _S.PARTIAL} or order.order_id is None:
        return order, ()
    return _move(order, _S.CANCEL_PENDING, cancel_asked=True), (SendCancel(order.order_id),)


def _cancel_refused(order: Slice, _event: CancelRefused, _now: datetime, _: Timing) -> Outcome:
    if order.status is not _S.CANCEL_PENDING:
        return order, ()
    return _move(order, _S.PARTIAL if order.filled_quantity else _S.ACKED), ()


def _day_ended(order: Slice, event: DayEnded, _now: datetime, _: Timing) -> Outcome:
    if order.status in AT_BROKER:
        unseen = () if event.books_read else (Notify("order_unseen", f"order {order.order_id} at the broker"),)
        return _move(order, _S.EXPIRED), unseen
    if order.status is _S.QUEUED_UPSTREAM:
        return _move(order, _S.LOST), (Notify("order_lost", "never approved"),)
    if order.status is _S.NEW:
        return _move(order, _S.LAPSED), ()
    return order, ()


def _resolved(order: Slice, event: Resolved, _now: datetime, _: Timing) -> Outcome:
    if order.status is _S.SENDING:
        raise IllegalTransition("an order that is being sent is not to be resolved yet")
    if event.order_id is None:
        return _move(order, _S.LOST), ()
    return _adopt(order, event.order_id)


_HANDLERS: dict[type, Callable[..., Outcome]] = {
    PreflightPassed: _preflight_passed,
    PreflightFailed: _preflight_failed,
    FenceClosed: _fence_closed,
    Replied: _replied,
    SenderGone: _sender_gone,
    BooksRead: _books_read,
    CancelRequested: _cancel_requested,
    CancelRefused: _cancel_refused,
    DayEnded: _day_ended,
    Resolved: _resolved,
}


def fingerprint_price(
    *, side: Side, touch: Decimal, tick: Decimal, worst: Decimal, taken: frozenset[Decimal]
) -> Decimal | None:
    """Choose a limit price through the touch that no order of today's book carries: our only correlation id.

    `touch` is the ask for a buy and the bid for a sell; `worst` the price that may not be passed; `taken` the prices of
    today's orders of the same contract, side and quantity. Offsets of one to five ticks are tried first. Prices that a
    person would naturally choose (multiples of 0.25) are never taken: in 100,000 schedules with such prices as a last
    resort, four took a person's order for ours. Returns `None` when the buffer holds no free price.
    """
    limits = [touch + side.sign * tick * offset for offset in (3, 2, 4, 1, 5, 6, 7, 8, 9, 10, 0)]
    allowed = [p for p in limits if p >= tick and (worst - p) * side.sign >= 0 and p not in taken]
    return next((p for p in allowed if p % Decimal("0.25")), None)
