"""Our ledger against the broker's books: every kind of difference, and when it may be acted on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.reconciliation import (
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

TUESDAY = date(2026, 12, 1)
NEXT = date(2026, 12, 8)
CALL = Contract(Index.NIFTY, NEXT, Decimal(26500), Right.CE)
PUT = Contract(Index.NIFTY, NEXT, Decimal(25500), Right.PE)
EXPIRING = replace(CALL, expiry=TUESDAY)
CLOSE = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
NOON = Moment(
    now=CLOSE - timedelta(hours=3), day=TUESDAY, closes_at=CLOSE, squares_off_at=CLOSE - timedelta(minutes=15)
)
OURS = "B1"


def own(quantity: int = 130, **fields: Any) -> OwnOrder:
    known: dict[str, Any] = {
        "number": 7,
        "order_id": OURS,
        "contract": CALL,
        "product": Product.NRML,
        "side": Side.BUY,
        "quantity": quantity,
        "filled": quantity,
        "live": False,
        "lost": False,
    }
    return OwnOrder(**(known | fields))


def books(
    net: int | None = None, *, trades: Any = (), orders: Any = (), contract: Contract = CALL, **fields: Any
) -> Books:
    product = fields.pop("product", Product.NRML)
    rows = () if net is None else (Position(contract, product, net, Decimal(4)),)
    return Books(rows, tuple(orders), tuple(trades), **fields)


def trade(quantity: int, side: Side = Side.SELL, order_id: str = "H1", contract: Contract = CALL) -> BrokerTrade:
    return BrokerTrade(order_id, contract, side, quantity)


FINGERPRINT: dict[str, Any] = {"price": Decimal("4.15"), "intent": 3, "wanted": 130}


def row(order_id: str = "H1", *, working: bool = True, price: str = "4.15", **fields: Any) -> BrokerOrder:
    known: dict[str, Any] = {"contract": CALL, "side": Side.BUY, "quantity": 130, "product": "NRML"} | fields
    return BrokerOrder(order_id, "NIFTY", working=working, price=Decimal(price), **known)


@pytest.mark.parametrize(
    ("other", "mine", "kind"),
    [
        (row(), own(**FINGERPRINT), Kind.LOOKALIKE),
        (row(working=False), own(**FINGERPRINT), None),  # it did nothing and does nothing
        (row(price="4.20"), own(**FINGERPRINT), Kind.FOREIGN_ORDER),
        (row(product="MIS"), own(**FINGERPRINT), Kind.FOREIGN_ORDER),
        (row(side=Side.SELL), own(**FINGERPRINT), Kind.FOREIGN_ORDER),
        (row(quantity=65), own(**FINGERPRINT), Kind.FOREIGN_ORDER),
        (row(contract=PUT), own(**FINGERPRINT), Kind.FOREIGN_ORDER),
        (row(), own(**FINGERPRINT, seen=frozenset({"H1"})), Kind.FOREIGN_ORDER),  # it was there before ours
        (row(), own(**FINGERPRINT, order_id=None), Kind.FOREIGN_ORDER),  # that is for the adoption to judge
        (row(OURS), own(**FINGERPRINT), None),
    ],
)
def test_an_order_with_our_fingerprint_beside_the_one_we_follow_is_ours_to_worry_about(other, mine, kind):
    assert [found for found, _ in judged(130, books(130, orders=[other]), orders=[mine])] == ([kind] if kind else [])


def test_an_order_with_our_fingerprint_that_has_traded_is_told_of_although_it_is_over():
    read = books(260, orders=[row(working=False)], trades=[trade(130, Side.BUY)])
    assert (Kind.LOOKALIKE, 130) in judged(130, read, orders=[own(**FINGERPRINT)])


def test_on_paper_an_order_of_the_live_book_is_never_taken_for_one_of_ours():
    read = books(130, orders=[row()], paper=True)
    assert judged(130, read, orders=[own(**FINGERPRINT)]) == [(Kind.FOREIGN_ORDER, 130)]


@pytest.mark.parametrize(
    ("held", "filled", "surplus"),
    [(195, (65, 130), 65), (130, (65, 65), 0), (65, (0, 65), 0), (30, (65, 130), 30), (0, (65, 130), 0)],
)
def test_what_was_filled_beyond_an_intent_is_told_as_long_as_it_is_held(held, filled, surplus):
    attempts = [
        own(order_id=f"B{number}", number=number, filled=units, intent=3, wanted=130)
        for number, units in enumerate(filled)
    ]
    assert judged(held, books(held or None), orders=attempts) == ([(Kind.OVERFILLED, surplus)] if surplus else [])


@pytest.mark.parametrize(
    ("held", "net", "expired", "found"),
    [
        (0, 130, 0, [(Kind.LOST_FOUND, 130)]),
        (0, None, 0, []),
        (65, 195, 0, [(Kind.LOST_FOUND, 130), (Kind.EXPIRED, 65)]),
        (65, 65, 0, [(Kind.EXPIRED, 65)]),
        (0, 65, 65, []),  # what we held was taken off, and the broker shows it until tomorrow
        (0, 195, 65, [(Kind.LOST_FOUND, 130)]),
    ],
)
def test_an_order_believed_lost_is_looked_for_after_its_contract_has_expired_too(held, net, expired, found):
    moment = replace(NOON, now=CLOSE + timedelta(minutes=3))
    lost = own(order_id=None, filled=0, lost=True, contract=EXPIRING)
    known = {(EXPIRING, Product.NRML): expired} if expired else {}
    read = books(net, contract=EXPIRING)
    assert judged(held, read, orders=[lost], moment=moment, contract=EXPIRING, expired=known) == found


def judged(held: int, read: Books, *, orders: Any = (), moment: Moment = NOON, **fields: Any) -> list[tuple[Kind, int]]:
    rows = [Held(fields.pop("contract", CALL), fields.pop("product", Product.NRML), held)] if held else []
    found = compare(
        held=rows,
        own=orders,
        books=read,
        moment=moment,
        unsettled=frozenset(fields.pop("unsettled", ())),
        expired=fields.pop("expired", {}),
    )
    return [(difference.kind, difference.quantity) for difference in found]


@pytest.mark.parametrize(
    ("held", "read", "orders", "expected"),
    [
        (0, books(), (), []),
        (130, books(130), [own()], []),
        # others
        (0, books(-650), (), [(Kind.FOREIGN_POSITION, -650)]),
        (0, books(650), (), [(Kind.FOREIGN_POSITION, 650)]),
        (0, books(orders=[BrokerOrder("H1", "X", None, Side.SELL, 65, working=True)]), (), [(Kind.FOREIGN_ORDER, 65)]),
        (0, books(orders=[BrokerOrder("H1", "X", CALL, Side.SELL, 65, working=False)]), (), []),
        (0, books(orders=[BrokerOrder(OURS, "X", CALL, Side.BUY, 65, working=True)]), [own(live=True, filled=0)], []),
        # sold by somebody else: explained by the trade book, wholly, partly, or beyond what we hold
        (130, books(0, trades=[trade(130)]), [own()], [(Kind.SOLD_BY_HAND, 130)]),
        (130, books(65, trades=[trade(65)]), [own()], [(Kind.SOLD_BY_HAND, 65)]),
        (130, books(trades=[trade(65), trade(65, order_id="H2")]), [own()], [(Kind.SOLD_BY_HAND, 130)]),
        (130, books(-65, trades=[trade(195)]), [own()], [(Kind.SOLD_BY_HAND, 130), (Kind.FOREIGN_POSITION, -65)]),
        # not explained: by nothing, by too little, by a purchase, by our own sale, by another contract
        (130, books(), [own()], [(Kind.GONE, 130)]),
        (130, books(0, trades=[trade(65)]), [own()], [(Kind.GONE, 130)]),
        (130, books(0, trades=[trade(130, Side.BUY)]), [own()], [(Kind.GONE, 130)]),
        (130, books(0, trades=[trade(130, order_id=OURS)]), [own()], [(Kind.GONE, 130)]),
        (130, books(0, trades=[trade(130, contract=PUT)]), [own()], [(Kind.GONE, 130)]),
        # more than we bought
        (130, books(195), [own()], [(Kind.BOUGHT_BY_HAND, 65)]),
        (0, books(65), [own()], [(Kind.BOUGHT_BY_HAND, 65)]),
        (0, books(-65), [own()], [(Kind.FOREIGN_POSITION, -65)]),
        # fills that we do not know, of an order that is over; of one that lives the order's own reconciliation takes care
        (65, books(130, trades=[trade(130, Side.BUY, OURS)]), [own(filled=65)], [(Kind.UNKNOWN_FILL, 65)]),
        (65, books(130, trades=[trade(130, Side.BUY, OURS)]), [own(filled=65, live=True)], [(Kind.BOUGHT_BY_HAND, 65)]),
        # given up as lost, and there it is: bought, or sold
        (0, books(130), [own(order_id=None, filled=0, lost=True)], [(Kind.LOST_FOUND, 130)]),
        (130, books(0), [own(), own(65, order_id=None, filled=0, side=Side.SELL, lost=True)], [(Kind.LOST_FOUND, 65)]),
        (130, books(0), [own(), own(order_id=None, filled=0, lost=True)], [(Kind.GONE, 130)]),
    ],
)
def test_a_difference_is_named_for_what_it_is(held, read, orders, expected):
    assert judged(held, read, orders=orders) == expected


def test_nothing_is_said_of_a_contract_in_which_something_of_ours_moves():
    assert judged(130, books(), orders=[own()], unsettled=[CALL]) == []
    assert judged(130, books(), orders=[own()], unsettled=[PUT]) == [(Kind.GONE, 130)]


def test_on_paper_nobody_can_sell_our_hedge_so_a_difference_is_the_accounts_own_book():
    assert judged(130, books(65, paper=True)) == [(Kind.FOREIGN_POSITION, -65)]
    assert judged(130, books(paper=True)) == [(Kind.FOREIGN_POSITION, -130)]
    assert judged(130, books(130, paper=True)) == []


@pytest.mark.parametrize(
    ("net", "expected"),
    [(65, [(Kind.SQUARED_OFF, 65)]), (None, [(Kind.SQUARED_OFF, 130)]), (-65, [(Kind.FOREIGN_POSITION, -195)])],
)
def test_an_intraday_hedge_that_the_paper_exchange_sold_is_taken_off(net, expected):
    assert judged(130, books(net, paper=True, product=Product.MIS), product=Product.MIS) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (CLOSE - timedelta(seconds=1), []),
        (CLOSE, [(Kind.EXPIRED, 130)]),
        (CLOSE + timedelta(days=1), [(Kind.EXPIRED, 130)]),
    ],
)
def test_a_hedge_expires_with_the_close_of_its_last_day_whatever_the_broker_still_shows(now, expected):
    moment = replace(NOON, now=now, day=now.date())
    assert judged(130, books(130, contract=EXPIRING), contract=EXPIRING, moment=moment) == expected


def test_an_expired_position_of_others_is_no_news():
    assert judged(0, books(-650, contract=EXPIRING), moment=replace(NOON, now=CLOSE)) == []


@pytest.mark.parametrize(
    ("product", "late", "kind"),
    [
        (Product.MIS, True, Kind.SQUARED_OFF),
        (Product.MIS, False, Kind.SOLD_BY_HAND),
        (Product.NRML, True, Kind.SOLD_BY_HAND),
    ],
)
def test_the_broker_squares_off_intraday_products_late_in_the_day(product, late, kind):
    moment = replace(NOON, now=CLOSE - timedelta(minutes=15 if late else 16))
    read = books(trades=[trade(130)], product=product)
    assert judged(130, read, orders=[own(product=product)], product=product, moment=moment) == [(kind, 130)]


def difference(kind: Kind, quantity: int = 130) -> Discrepancy:
    return Discrepancy(kind, CALL, Product.NRML, quantity)


@pytest.mark.parametrize(
    ("kind", "seconds"), [(Kind.EXPIRED, 0), (Kind.SOLD_BY_HAND, 5), (Kind.BOUGHT_BY_HAND, 5), (Kind.GONE, 60)]
)
def test_a_difference_is_acted_on_when_it_has_been_seen_long_enough(kind, seconds):
    first = NOON.now
    _, seen = settle([difference(kind)], seen={}, now=first)
    at = first + timedelta(seconds=seconds)
    if seconds:
        too_early, _ = settle([difference(kind)], seen=seen, now=at - timedelta(seconds=1))
        assert too_early == ()
    due, _ = settle([difference(kind)], seen=seen, now=at)
    assert due == (difference(kind),)


def test_another_quantity_or_a_reading_without_it_starts_the_wait_over():
    first = NOON.now
    _, seen = settle([difference(Kind.SOLD_BY_HAND)], seen={}, now=first)
    due, changed = settle([difference(Kind.SOLD_BY_HAND, 65)], seen=seen, now=first + timedelta(seconds=6))
    assert (due, len(changed)) == ((), 1)
    due, gone = settle([], seen=seen, now=first + timedelta(seconds=6))
    assert (due, gone) == ((), {})
    due, _ = settle([difference(Kind.SOLD_BY_HAND)], seen=gone, now=first + timedelta(seconds=12))
    assert due == ()


def test_what_others_hold_is_never_acted_on():
    for kind in FOREIGN:
        due, seen = settle([difference(kind)], seen={}, now=NOON.now)
        assert (due, seen) == ((), {})


def test_every_kind_has_its_words_and_at_most_one_consequence():
    assert set(KIND_TEXT) == set(Kind)
    assert not (FOREIGN & REMOVES) | (FOREIGN & BLOCKS_BUYS) | (REMOVES & BLOCKS_BUYS)
