"""The order protocol as a table: every legal edge can be walked, every other pair of state and event changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from hedging.domain.lifecycle import (
    AT_BROKER,
    EDGES,
    LIVE,
    TERMINAL,
    UNCERTAIN,
    BooksRead,
    CancelRefused,
    CancelRequested,
    DayEnded,
    Event,
    FenceClosed,
    IllegalTransition,
    OrderStatus,
    Post,
    PreflightFailed,
    PreflightPassed,
    RecordFills,
    Replied,
    Resolved,
    SenderGone,
    Slice,
    Trade,
    step,
)
from hedging.domain.reasons import Reason
from tests.unit.order_slices import HALF, ID, PRICE, T0, WHOLE, S, at, order, row

REPLY_OUTCOMES = (S.ACKED, S.REJECTED, S.NOT_SENT, S.UNKNOWN, S.QUEUED_UPSTREAM)
EVENTS: dict[str, Event] = {
    "pre-flight passed": PreflightPassed(PRICE, frozenset({"before"})),
    "pre-flight failed": PreflightFailed(Reason.DENY_READS_FAILED),
    "fence closed": FenceClosed(Reason.DENY_TRADING_STATE),
    **{f"replied {outcome}": Replied(outcome, ID if outcome is S.ACKED else None) for outcome in REPLY_OUTCOMES},
    "replied acked as another order": Replied(S.ACKED, "another"),
    "replied acked without an id": Replied(S.ACKED, None),
    "refused, to be confirmed": Replied(S.REJECTED, wants_clean_book=True),
    "mode mismatch": Replied(S.UNKNOWN, mode_mismatch=True),
    "sender gone": SenderGone(),
    "clean books": BooksRead(),
    "one lookalike": BooksRead(lookalikes=(ID,)),
    "two lookalikes": BooksRead(lookalikes=(ID, "other")),
    "books: working": BooksRead(own=row(None)),
    **{f"books: {end}": BooksRead(own=row(end)) for end in (S.FILLED, S.REJECTED, S.CANCELLED, S.EXPIRED)},
    "half filled": BooksRead(own=row(None), trades=HALF),
    "whole filled": BooksRead(own=row(S.FILLED), trades=WHOLE),
    "cancel requested": CancelRequested(),
    "cancel refused": CancelRefused(),
    "day ended": DayEnded(),
    "resolved as ours": Resolved(ID),
    "resolved as never there": Resolved(None),
}


def variants(status: OrderStatus) -> list[Slice]:
    """The same state with the memories that change what an event means: a refusal to confirm, a claim to look at again."""
    plain = order(status)
    several = [plain]
    if status is S.SENDING:
        several.append(replace(plain, refused_by_reply=True))
    if status is S.UNKNOWN:
        several.append(replace(plain, clean_reads=2))
    if status in AT_BROKER:
        several += [replace(plain, claimed_end=end, claimed_end_at=T0) for end in (S.REJECTED, S.CANCELLED, S.EXPIRED)]
    if status is S.CANCEL_PENDING:
        several.append(replace(plain, trades=HALF))
    return several


ALL = [(status, name) for status in OrderStatus for name in EVENTS]


def reached(status: OrderStatus, name: str) -> set[OrderStatus]:
    found = set()
    for before in variants(status):
        try:
            after, _ = step(before, EVENTS[name], at(200))
        except IllegalTransition:
            continue
        found.add(after.status)
    return found


@pytest.mark.parametrize(("status", "name"), ALL)
def test_an_event_moves_along_an_edge_or_tells_nothing_or_raises(status, name):
    for before in variants(status):
        try:
            after, effects = step(before, EVENTS[name], at(200))
        except IllegalTransition:
            continue
        if after.status is not before.status:
            assert after.status in EDGES[status]
        assert before.order_id in {None, after.order_id}  # an order never changes into another one
        assert not any(isinstance(effect, Post) for effect in effects) or status is S.NEW


@pytest.mark.parametrize(
    ("source", "target"), [(source, target) for source, targets in EDGES.items() for target in sorted(targets)]
)
def test_every_legal_edge_is_reachable_by_an_event(source, target):
    if source is target:  # a further part of a part: the one edge that stays where it is
        after, effects = step(order(S.PARTIAL, quantity=195), BooksRead(trades=HALF * 2), at(1))
        assert (after.status, after.filled_quantity, effects) == (S.PARTIAL, 130, (RecordFills(HALF),))
        return
    events = [name for name in EVENTS if target in reached(source, name)]
    assert events, f"nothing leads from {source} to {target}"


def test_the_named_sets_divide_the_states():
    assert frozenset(EDGES) == frozenset(OrderStatus)
    assert not LIVE & TERMINAL
    assert frozenset(OrderStatus) == LIVE | TERMINAL
    assert UNCERTAIN < LIVE
    assert AT_BROKER < LIVE
    assert not UNCERTAIN & AT_BROKER
    assert frozenset(
        {"new", "sending", "unknown", "acked", "partial", "cancel_pending", "queued_upstream", "review"}
    ) == {status.value for status in LIVE}


@pytest.mark.parametrize("status", [status for status in OrderStatus if status is not S.NEW])
def test_only_a_new_slice_is_ever_posted(status):
    """Two senders may both have read a NEW slice; the second finds it SENDING, and must not get another Post."""
    with pytest.raises(IllegalTransition):
        step(order(status), EVENTS["pre-flight passed"], at(1))


@pytest.mark.parametrize("status", [S.DENIED, S.LAPSED, S.NOT_SENT])
@pytest.mark.parametrize("name", EVENTS)
def test_what_surely_never_left_stays_ended(status, name):
    assert reached(status, name) <= {status}


def test_a_filled_order_stays_filled():
    for name in EVENTS:
        assert reached(S.FILLED, name) <= {S.FILLED}


# --- random histories -------------------------------------------------------------------------------------------------

trade_rows = st.lists(st.builds(Trade, st.sampled_from([1, 65, 130]), st.just(PRICE)), max_size=4).map(tuple)
events = st.one_of(
    st.sampled_from([EVENTS["pre-flight passed"], EVENTS["replied acked"], EVENTS["replied unknown"]]),
    st.sampled_from(list(EVENTS.values())),
    st.builds(
        BooksRead,
        own=st.sampled_from([None, *(row(end) for end in (None, S.FILLED, S.REJECTED, S.CANCELLED, S.EXPIRED))]),
        lookalikes=st.sampled_from([(), (ID,), (ID, "other")]),
        doubtful=st.sampled_from([(), ("no name",)]),
        trades=trade_rows,
    ),
)


@settings(max_examples=300)
@given(st.lists(st.tuples(events, st.integers(0, 120)), max_size=25))
def test_no_history_leaves_the_edges_loses_a_fill_or_posts_twice(history):
    now, known, posts, recorded = T0, order(), 0, 0
    for event, wait in history:
        now += timedelta(seconds=wait)
        try:
            after, effects = step(known, event, now)
        except IllegalTransition:
            continue
        assert after.status is known.status or after.status in EDGES[known.status]
        assert after.trades[: len(known.trades)] == known.trades
        assert after.filled_quantity == sum(trade.quantity for trade in after.trades)
        assert known.order_id in {None, after.order_id}
        posts += sum(isinstance(effect, Post) for effect in effects)
        recorded += sum(trade.quantity for e in effects if isinstance(e, RecordFills) for trade in e.fills)
        assert recorded == after.filled_quantity
        known = after
    assert posts <= 1
    assert (posts == 1) == (known.sent_at is not None)


@given(trade_rows, trade_rows)
def test_a_fill_is_recorded_once_however_often_the_trade_book_is_read(first, more):
    known = order(S.ACKED, quantity=10_000)
    for read in (first, first, first + more, first + more, first, first + more):
        known, _ = step(known, BooksRead(trades=read), at(1))
    assert known.filled_quantity == sum(trade.quantity for trade in first + more)
