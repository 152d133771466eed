"""What every broker keeps, whatever stands behind it: the same cases over recordings, the simulator, and dry runs of both."""

from decimal import Decimal

import pytest

from hedging.brokers.base import TERMINAL_BROKER_STATUSES, BrokerStatus, MarginLeg, OrderRequest, ReplyClass
from hedging.domain.instruments import Index, Product, Right, Side, nearest_strike
from tests.contract.worlds import EXPIRY, MOVING, WORLDS, option

WRITES = {"placeorder", "cancelorder"}


@pytest.fixture(params=WORLDS)
def world(request):
    return WORLDS[request.param]()


def straddle(spot):
    strike = int(nearest_strike(spot, Decimal(50)))
    return [MarginLeg(option(strike, right), Product.NRML, Side.SELL, 65, Decimal(200)) for right in Right]


def wings(spot):
    strike = int(nearest_strike(spot, Decimal(50)))
    return [
        MarginLeg(option(strike + away, right), Product.NRML, Side.BUY, 65, Decimal(3))
        for away, right in ((500, Right.CE), (-500, Right.PE))
    ]


def test_the_server_names_its_broker_and_sends_orders_to_it(world):
    status = world.broker.server_status()
    assert status.broker
    assert status.analyze_mode is False


def test_funds_are_exact_and_dated(world):
    funds = world.broker.funds()
    assert funds.available_cash > 0
    assert all(isinstance(x, Decimal) for x in (funds.available_cash, funds.collateral, funds.utilised))
    assert funds.read_at.utcoffset() is not None


def test_positions_are_open_and_one_for_each_contract_and_product(world):
    positions = world.broker.positions()
    assert all(position.quantity for position in positions)
    assert len({(p.contract, p.product) for p in positions}) == len(positions)


def test_the_chain_is_of_the_expiry_that_was_asked_for_and_lies_around_the_spot(world):
    spot = world.broker.spot(Index.NIFTY)
    assert EXPIRY in world.broker.expiries(Index.NIFTY)
    chain = world.broker.chain(Index.NIFTY, EXPIRY, 2)
    assert len(chain.quotes) == 10
    assert {(c.index, c.expiry) for c in chain.quotes} == {(Index.NIFTY, EXPIRY)}
    strikes = [contract.strike for contract in chain.quotes]
    assert min(strikes) < spot < max(strikes)
    assert chain.spot == spot
    assert not any(quote.crossed for quote in chain.quotes.values())


def test_expiries_are_ascending(world):
    expiries = world.broker.expiries(Index.NIFTY)
    assert list(expiries) == sorted(set(expiries))


def test_depth_is_best_first_and_not_crossed(world):
    depth = world.broker.depth(world.marketable.contract)
    assert [level.price for level in depth.bids] == sorted((level.price for level in depth.bids), reverse=True)
    assert [level.price for level in depth.asks] == sorted(level.price for level in depth.asks)
    assert depth.bids[0].price < depth.asks[0].price
    assert all(level.quantity > 0 for level in (*depth.bids, *depth.asks))


def test_wings_make_a_straddle_need_less(world):
    spot = world.broker.spot(Index.NIFTY)
    naked = world.broker.basket_margin(straddle(spot))
    hedged = world.broker.basket_margin([*wings(spot), *straddle(spot)])
    assert 0 < hedged.span + hedged.exposure < naked.span + naked.exposure
    assert hedged.total < naked.total


def test_what_cannot_be_asked_is_refused_before_anything_is_sent(world):
    before = len(world.endpoints())
    for call in (
        lambda: world.broker.chain(Index.NIFTY, EXPIRY, 0),
        lambda: world.broker.chain(Index.NIFTY, EXPIRY, 101),
        lambda: world.broker.basket_margin([]),
    ):
        with pytest.raises(ValueError, match="1 to"):
            call()
    assert len(world.endpoints()) == before


def test_what_is_no_order_is_not_sent(world):
    for quantity, price in ((0, Decimal(1)), (-65, Decimal(1)), (65, Decimal(0))):
        bad = OrderRequest(world.marketable.contract, Product.NRML, Side.BUY, quantity, price)
        assert world.broker.place(bad).outcome is ReplyClass.NOT_SENT
    assert WRITES.isdisjoint(world.endpoints())


def test_an_order_is_acknowledged_once_and_then_in_the_order_book(world):
    reply = world.broker.place(world.resting)
    assert reply.outcome is ReplyClass.ACKED
    world.wait()
    rows = [row for row in world.broker.order_book().rows if row.order_id == reply.order_id]
    assert len(rows) == 1
    assert (rows[0].contract, rows[0].side) == (world.resting.contract, world.resting.side)
    assert rows[0].product == world.resting.product


def test_a_marketable_order_fills_whole_and_never_beyond_its_limit(world):
    order = world.marketable
    reply = world.broker.place(order)
    world.wait()
    fills = [row for row in world.broker.trade_book().rows if row.order_id == reply.order_id]
    assert sum(fill.quantity for fill in fills) == order.quantity
    assert all((fill.price - order.limit_price) * order.side.sign <= 0 for fill in fills)
    (row,) = [row for row in world.broker.order_book().rows if row.order_id == reply.order_id]
    assert row.status is BrokerStatus.COMPLETE


@pytest.mark.parametrize("name", MOVING)
def test_a_fill_moves_the_position_and_the_premium_what_is_used(name):
    world = WORLDS[name]()
    before = world.broker.funds()
    reply = world.broker.place(world.marketable)
    world.wait()
    (position,) = world.broker.positions()
    assert (position.contract, position.quantity) == (world.marketable.contract, world.marketable.quantity)
    paid = sum(r.quantity * r.price for r in world.broker.trade_book().rows if r.order_id == reply.order_id)
    # A long alone is covered by its premium: no margin moves.
    assert world.broker.funds().utilised - before.utilised == paid


def test_a_cancelled_order_stays_in_the_book_and_is_over(world):
    reply = world.broker.place(world.resting)
    world.wait()
    assert world.broker.cancel(reply.order_id).accepted is True
    world.wait()
    (row,) = [row for row in world.broker.order_book().rows if row.order_id == reply.order_id]
    assert row.status is BrokerStatus.CANCELLED
    assert row.status in TERMINAL_BROKER_STATUSES


def test_paper_reaches_no_order_endpoint_and_live_reaches_each_once(world):
    reply = world.broker.place(world.resting)
    world.broker.cancel(reply.order_id)
    sent = [endpoint for endpoint in world.endpoints() if endpoint in WRITES]
    assert sent == ([] if world.broker.paper else ["placeorder", "cancelorder"])
    assert str(reply.order_id).startswith("PAPER-") is world.broker.paper
