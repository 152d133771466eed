"""The dry-run broker: paper fills at the live bid and ask, and a book that reads as if they were real."""

import itertools
from decimal import Decimal

import pytest

from hedging.brokers.base import (
    BasketScope,
    Broker,
    BrokerRefused,
    BrokerStatus,
    BrokerUnavailable,
    MarginLeg,
    OrderRequest,
    RateLimited,
    ReplyClass,
)
from hedging.brokers.dry_run import DryRunBroker
from hedging.brokers.factory import build_broker
from hedging.brokers.openalgo.broker import OpenAlgoBroker
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.brokers.paper import InMemoryPaperBook, PaperFill, PaperOrder
from hedging.brokers.paper_margin import PaperMeaning
from hedging.domain.instruments import Product, Right, Side
from tests.contract.fake_reader import NOW, FakeReader, option

CALL, PUT = option(26500, Right.CE), option(25500, Right.PE)
SHORT_CALL, SHORT_PUT = option(26000, Right.CE), option(26000, Right.PE)


def meaning_of(reader):
    """What a calibration would find out about the fake broker."""
    return PaperMeaning(
        scope=reader.scope,
        paid_in_answer=reader.premium_in_basket,
        credit_from_legs=1 if reader.premium_in_basket else None,
        cash_is_net=reader.net_cash,
    )


def dry_over(reader, book=None):
    numbers = itertools.count(1)
    return DryRunBroker(
        reader,
        book or InMemoryPaperBook(),
        clock=lambda: NOW,
        symbol_of=format_symbol,
        meaning=meaning_of(reader),
        new_id=lambda: str(next(numbers)),
    )


def order(contract=CALL, side=Side.BUY, quantity=130, limit="2.60", product=Product.NRML):
    return OrderRequest(contract, product, side, quantity, Decimal(limit))


def fills_of(broker, order_id="PAPER-1"):
    return [(row.quantity, row.price) for row in broker.trade_book().rows if row.order_id == order_id]


def status_of(broker, order_id="PAPER-1"):
    return next(row.status for row in broker.order_book().rows if row.order_id == order_id)


def market(reader, *, bids=(("2.40", 650),), asks=(("2.50", 650),), contract=CALL):
    reader.ladders[contract] = (list(bids), list(asks))


# Fills


def test_a_buy_fills_at_the_ask_and_a_sell_at_the_bid():
    reader = FakeReader()
    market(reader)
    broker = dry_over(reader)
    reply = broker.place(order(limit="2.60"))
    assert (reply.outcome, reply.order_id) == (ReplyClass.ACKED, "PAPER-1")
    broker.place(order(side=Side.SELL, limit="2.00"))
    assert fills_of(broker, "PAPER-1") == [(130, Decimal("2.50"))]
    assert fills_of(broker, "PAPER-2") == [(130, Decimal("2.40"))]
    assert status_of(broker) is BrokerStatus.COMPLETE


def test_a_fill_goes_through_the_levels_only_as_far_as_the_limit():
    reader = FakeReader()
    market(reader, asks=(("2.50", 65), ("2.55", 65), ("2.65", 650)))
    broker = dry_over(reader)
    broker.place(order(quantity=260, limit="2.60"))
    assert fills_of(broker) == [(65, Decimal("2.50")), (65, Decimal("2.55"))]


def test_a_level_gives_one_order_no_more_than_it_shows_however_often_it_is_read():
    reader = FakeReader()
    market(reader, asks=(("2.50", 65),))
    broker = dry_over(reader)
    broker.place(order(quantity=260))
    assert fills_of(broker) == fills_of(broker) == [(65, Decimal("2.50"))]
    market(reader, asks=(("2.50", 130),))
    assert fills_of(broker) == [(65, Decimal("2.50"))] * 2


def test_what_is_left_rests_and_fills_when_the_market_crosses():
    reader = FakeReader()
    market(reader, asks=(("2.70", 650),))
    broker = dry_over(reader)
    broker.place(order(limit="2.60"))
    assert (fills_of(broker), status_of(broker)) == ([], BrokerStatus.WORKING)
    market(reader, asks=(("2.60", 65),))
    assert fills_of(broker) == [(65, Decimal("2.60"))]
    market(reader, bids=(("2.20", 650),), asks=(("2.30", 650),))
    assert sum(quantity for quantity, _ in fills_of(broker)) == 130
    assert status_of(broker) is BrokerStatus.COMPLETE


def test_two_orders_share_what_one_level_holds_and_the_older_comes_first():
    reader = FakeReader()
    market(reader, asks=(("2.70", 650),))
    broker = dry_over(reader)
    broker.place(order(quantity=130))
    broker.place(order(quantity=130))
    market(reader, asks=(("2.50", 195),))
    broker.order_book()
    market(reader, asks=())
    assert (fills_of(broker, "PAPER-1"), fills_of(broker, "PAPER-2")) == (
        [(130, Decimal("2.50"))],
        [(65, Decimal("2.50"))],
    )


def test_an_unknown_quantity_fills_whole_at_the_touch():
    reader = FakeReader()
    reader.touches[CALL] = ("2.40", "2.50")
    broker = dry_over(reader)
    broker.place(order(quantity=1755))
    assert fills_of(broker) == [(1755, Decimal("2.50"))]


@pytest.mark.parametrize(
    ("bids", "asks"),
    [((), ()), ((("2.40", 65),), ()), ((("2.60", 65),), (("2.50", 65),))],
    ids=["empty", "no asks", "crossed"],
)
def test_nothing_fills_where_nobody_sells_or_the_book_is_crossed(bids, asks):
    reader = FakeReader()
    market(reader, bids=bids, asks=asks)
    broker = dry_over(reader)
    broker.place(order())
    assert fills_of(broker) == []


@pytest.mark.parametrize("error", [BrokerUnavailable("down"), RateLimited("429")])
def test_an_order_placed_while_the_market_cannot_be_read_rests(error):
    reader = FakeReader()
    market(reader)
    reader.failing["depth"] = error
    broker = dry_over(reader)
    assert broker.place(order()).outcome is ReplyClass.ACKED
    assert fills_of(broker) == []
    del reader.failing["depth"]
    assert fills_of(broker) == [(130, Decimal("2.50"))]


@pytest.mark.parametrize(("quantity", "limit"), [(0, "2.60"), (-65, "2.60"), (65, "0"), (65, "NaN")])
def test_what_is_no_order_is_not_taken(quantity, limit):
    broker = dry_over(FakeReader())
    assert broker.place(order(quantity=quantity, limit=limit)).outcome is ReplyClass.NOT_SENT
    assert broker.order_book().rows == ()


def test_a_cancelled_rest_fills_no_more_and_keeps_its_fills():
    reader = FakeReader()
    market(reader, asks=(("2.50", 65),))
    broker = dry_over(reader)
    broker.place(order())
    market(reader, asks=())
    assert broker.cancel("PAPER-1").accepted is True
    assert broker.cancel("PAPER-1").accepted is False
    market(reader)
    assert (fills_of(broker), status_of(broker)) == ([(65, Decimal("2.50"))], BrokerStatus.CANCELLED)


def test_a_live_order_cannot_be_cancelled_from_a_dry_run():
    reader = FakeReader()
    assert dry_over(reader).cancel("261122190000003").accepted is False


def test_two_processes_cannot_fill_one_rest_twice():
    book = InMemoryPaperBook()
    book.append(PaperOrder("P", CALL, Product.NRML, Side.BUY, 65, Decimal("2.60"), NOW))
    fill = [PaperFill(65, Decimal("2.50"))]
    assert book.fill("P", fill, filled_before=0)
    assert not book.fill("P", fill, filled_before=0)
    assert not book.fill("P", fill, filled_before=65)
    assert not book.append(book.orders()[0])
    assert len(book.orders()) == 1


def test_the_books_of_another_broker_object_over_the_same_paper_book_are_the_same():
    reader, book = FakeReader(), InMemoryPaperBook()
    market(reader)
    dry_over(reader, book).place(order())
    assert dry_over(reader, book).order_book() == dry_over(reader, book).order_book()
    assert dry_over(reader, book).positions()[0].quantity == 130


def test_paper_rows_look_like_the_rows_of_the_live_books():
    reader = FakeReader()
    market(reader)
    broker = dry_over(reader)
    broker.place(order())
    (row,) = broker.order_book().rows
    assert (row.symbol, row.product, row.contract) == ("NIFTY01DEC2626500CE", "NRML", CALL)
    assert (row.timestamp_text, row.status_text) == ("2026-12-01 10:00:00", "complete")


# The book with the paper holdings in it


def test_positions_are_the_net_of_live_and_paper():
    reader = FakeReader()
    market(reader, asks=(("3.00", 650),))
    reader.trade(CALL, Side.BUY, 130, "5")
    reader.trade(SHORT_CALL, Side.SELL, 130, "100")
    broker = dry_over(reader)
    broker.place(order(quantity=130, limit="3.00"))
    net = {row.contract: (row.quantity, row.average_price) for row in broker.positions()}
    assert net == {CALL: (260, Decimal(4)), SHORT_CALL: (-130, Decimal(5))}
    broker.place(order(side=Side.SELL, quantity=260, limit="2.00"))
    assert {row.contract for row in broker.positions()} == {SHORT_CALL}


def test_products_are_not_netted_against_each_other():
    reader = FakeReader()
    market(reader)
    reader.trade(CALL, Side.SELL, 130, "5", Product.MIS)
    broker = dry_over(reader)
    broker.place(order())
    assert sorted((row.product, row.quantity) for row in broker.positions()) == [
        (Product.MIS, -130),
        (Product.NRML, 130),
    ]


SCOPES = [(scope, premium, cash) for scope in BasketScope for premium in (True, False) for cash in (True, False)]
HEDGES = {
    "one wing": [(CALL, Side.BUY, 130, "2.50")],
    "two wings": [(CALL, Side.BUY, 130, "2.50"), (PUT, Side.BUY, 130, "3.50")],
    "bought and sold at a loss": [(CALL, Side.BUY, 130, "2.50"), (CALL, Side.SELL, 130, "2.40")],
    "half sold again": [(PUT, Side.BUY, 130, "3.50"), (CALL, Side.BUY, 130, "2.50"), (CALL, Side.SELL, 65, "2.40")],
}
LEGS = [
    MarginLeg(SHORT_CALL, Product.NRML, Side.SELL, 65, Decimal(100)),
    MarginLeg(SHORT_PUT, Product.NRML, Side.SELL, 65, Decimal(90)),
]


def two_worlds(scope, premium, cash, trades):
    """The same hedges, on paper in the first world and for real in the second."""
    dry, real = (FakeReader(scope=scope, premium_in_basket=premium, net_cash=cash) for _ in range(2))
    for reader in (dry, real):
        reader.trade(SHORT_CALL, Side.SELL, 130, "100")
        reader.trade(SHORT_PUT, Side.SELL, 130, "90")
        market(reader, bids=(("2.40", 650),), asks=(("2.50", 650),))
        market(reader, bids=(("3.40", 650),), asks=(("3.50", 650),), contract=PUT)
    broker = dry_over(dry)
    for contract, side, quantity, price in trades:
        broker.place(order(contract, side, quantity, price))
        real.trade(contract, side, quantity, price)
    return broker, real


@pytest.mark.parametrize(("scope", "premium", "cash"), SCOPES)
@pytest.mark.parametrize("hedge", HEDGES)
def test_funds_read_as_if_the_hedges_were_real(scope, premium, cash, hedge):
    broker, real = two_worlds(scope, premium, cash, HEDGES[hedge])
    assert broker.funds() == real.funds()


@pytest.mark.parametrize(("scope", "premium", "cash"), SCOPES)
@pytest.mark.parametrize("hedge", HEDGES)
def test_a_basket_is_answered_as_if_the_hedges_were_real(scope, premium, cash, hedge):
    broker, real = two_worlds(scope, premium, cash, HEDGES[hedge])
    assert broker.basket_margin(LEGS).total == real.basket_margin(LEGS).total


def test_a_single_leg_is_answered_as_the_broker_does_without_the_book():
    broker, real = two_worlds(BasketScope.INCREMENT, True, False, HEDGES["two wings"])
    assert broker.basket_margin(LEGS[:1]) == real.basket_margin(LEGS[:1])


def test_without_paper_holdings_live_readings_pass_untouched():
    reader = FakeReader()
    reader.trade(SHORT_CALL, Side.SELL, 130, "100")
    broker = dry_over(reader)
    assert broker.funds() == reader.funds()
    assert broker.basket_margin(LEGS) == reader.basket_margin(LEGS)
    assert broker.positions() == reader.positions()


@pytest.mark.parametrize("call", ["funds", "positions", "order_book", "trade_book"])
def test_a_failed_live_read_is_never_filled_up_with_paper(call):
    reader = FakeReader()
    market(reader)
    broker = dry_over(reader)
    broker.place(order())
    reader.failing[call] = BrokerUnavailable("down")
    with pytest.raises(BrokerUnavailable):
        getattr(broker, call)()


def test_funds_are_unknown_while_the_release_of_paper_holdings_cannot_be_asked():
    broker, _ = two_worlds(BasketScope.INCREMENT, True, False, HEDGES["two wings"])
    broker._reader.failing["basket_margin"] = BrokerUnavailable("down")
    with pytest.raises(BrokerUnavailable):
        broker.funds()


def test_a_basket_too_large_with_the_paper_holdings_is_refused():
    broker, _ = two_worlds(BasketScope.INCREMENT, True, False, HEDGES["two wings"])
    with pytest.raises(BrokerRefused, match="51 legs"):
        broker.basket_margin([LEGS[0]] * 49)


# The one place of decision


def test_live_is_the_broker_that_sends():
    broker: Broker = build_broker(live=True, base_url="http://127.0.0.1:5001", api_key="k" * 64)
    assert isinstance(broker, OpenAlgoBroker)
    assert broker.paper is False


def test_a_dry_run_holds_no_object_that_can_send_an_order():
    broker = build_broker(
        live=False,
        base_url="http://127.0.0.1:5000",
        api_key="k" * 64,
        paper_book=InMemoryPaperBook(),
    )
    assert broker.paper is True
    seen, waiting = set(), [broker]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or not type(one).__module__.startswith("hedging"):
            continue
        seen.add(id(one))
        assert not hasattr(one, "place_order")
        assert not hasattr(one, "_post_order")
        waiting += vars(one).values() if hasattr(one, "__dict__") else []
    assert len(seen) >= 4


def test_a_dry_run_needs_a_paper_book():
    with pytest.raises(ValueError, match="paper book"):
        build_broker(live=False, base_url="http://127.0.0.1:5000", api_key="k" * 64)
