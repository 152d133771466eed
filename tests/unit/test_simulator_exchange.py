"""The simulated exchange: orders fill later, at the touch, in parts; the broker refuses on the gross requirement."""

from datetime import time, timedelta
from decimal import Decimal

import pytest

from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.simulator import matching
from hedging.simulator.exchange import Exchange
from hedging.simulator.orders import OrderRefused, PriceType, Status
from tests.unit.simulator_days import TUESDAY, contract, entries, exchange, ticket, tuesday, wait


def bought(market, what, lots=1, **how):
    order = market.place(ticket(market, what, Side.BUY, lots=lots, **how))
    wait(market, 1)
    return order


def sold(market, what, lots=1, **how):
    order = market.place(ticket(market, what, Side.SELL, lots=lots, **how))
    wait(market, 1)
    return order


# -- matching ----------------------------------------------------------------------------------------------------------

LADDER = [(100, 65), (101, 130), (105, 65)]


@pytest.mark.parametrize(
    ("limit", "wanted", "fills"),
    [
        (0, 65, [(100, 65)]),
        (0, 195, [(100, 65), (101, 130)]),
        (101, 260, [(100, 65), (101, 130)]),
        (99, 65, []),
        (105, 999, [(100, 65), (101, 130), (105, 65)]),
    ],
)
def test_a_buy_takes_the_ladder_level_by_level_up_to_its_limit(limit, wanted, fills):
    assert matching.take(ladder=LADDER, used={}, side=Side.BUY, limit=limit, wanted=wanted) == fills


def test_units_taken_in_a_second_are_gone_for_the_next_order_of_that_second():
    used: dict[int, int] = {}
    matching.take(ladder=LADDER, used=used, side=Side.BUY, limit=0, wanted=130)
    assert matching.take(ladder=LADDER, used=used, side=Side.BUY, limit=0, wanted=65) == [(101, 65)]


# -- orders ------------------------------------------------------------------------------------------------------------


def test_an_acknowledged_order_fills_only_after_its_latency():
    market = exchange(at="10:00:00")
    order = market.place(ticket(market, contract(market, 6, Right.CE), Side.BUY))
    wait(market, 0.19)
    assert (order.status, order.filled) == (Status.OPEN, 0)
    wait(market, 0.75)
    assert (order.status, order.filled) == (Status.COMPLETE, 65)


def test_a_large_order_fills_in_several_trades_at_worsening_prices():
    market = exchange(cash=100_000_000, at="10:00:00")
    what = contract(market, 0, Right.CE)
    low = int(market.market.ticks(what, market.t)[0] * 0.7)
    order = sold(market, what, lots=25, price=low)
    wait(market, 30)
    prices = [trade.price for trade in order.trades]
    assert order.status is Status.COMPLETE
    assert sum(trade.units for trade in order.trades) == 25 * 65
    assert len(prices) > 1
    at_first = [t.price for t in order.trades if t.at_us == order.trades[0].at_us]
    assert at_first == sorted(at_first, reverse=True)


def test_a_resting_limit_fills_when_the_market_comes_to_it_and_not_before():
    market = exchange(at="09:20:00")
    what = contract(market, 2, Right.CE)
    asks = market.market.whole_day(what).ask
    limit = int(asks[market.t + 60 : market.t + 9000].min()) + 1
    due = market.t + 2 + int((asks[market.t + 2 :] <= limit).argmax())
    order = market.place(ticket(market, what, Side.BUY, price=limit))
    market.advance_to(market.market.moment(due - 1))
    assert order.filled == 0
    market.advance_to(market.market.moment(due))
    assert order.filled == 65
    assert order.trades[0].price <= limit


def test_a_stop_order_waits_for_its_trigger():
    market = exchange(at="09:20:00")
    what = contract(market, 0, Right.CE)
    last = market.market.whole_day(what).last
    trigger = int(last[market.t + 30 :].max()) - 2
    resting = market.place(ticket(market, what, Side.BUY, kind=PriceType.SL, price=trigger + 200, trigger=trigger))
    wait(market, 5)
    before = resting.status
    market.advance_to(market.day.moment(time(15, 31)))
    assert (before, resting.status) == (Status.TRIGGER_PENDING, Status.COMPLETE)
    at = resting.trades[0].at_us // 1_000_000
    assert last[at] >= trigger


def test_an_order_above_the_freeze_quantity_is_acknowledged_and_then_rejected():
    market = exchange(cash=100_000_000, at="10:00:00")
    order = market.place(ticket(market, contract(market, 6, Right.CE), Side.BUY, lots=28))
    wait(market, 1)
    assert (order.status, order.filled) == (Status.REJECTED, 0)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"quantity": 70}, "multiple of lot size 65"),
        ({"price": 0}, "Price cannot be zero"),
        ({"contract": Contract(Index.NIFTY, TUESDAY, Decimal(99_999), Right.CE)}, "does not exist"),
    ],
)
def test_the_broker_refuses_what_is_malformed(changes, text):
    market = exchange(at="10:00:00")
    good = ticket(market, contract(market, 6, Right.CE), Side.BUY)
    fields = {name: getattr(good, name) for name in good.__slots__}
    with pytest.raises(OrderRefused, match=text):
        market.place(type(good)(**{**fields, **changes}))
    assert not market.orders


@pytest.mark.parametrize(
    ("at", "taken"), [("09:14:59", False), ("09:15:00", True), ("15:39:59", True), ("15:40:00", False)]
)
def test_orders_are_taken_in_market_hours_only(at, taken):
    market = exchange(at="09:15:30")
    good = ticket(market, contract(market, 6, Right.CE), Side.BUY)
    other = exchange(at=at)
    if taken:
        assert other.place(good).order_id
    else:
        with pytest.raises(OrderRefused, match="closed"):
            other.place(good)


def test_a_cancelled_order_never_fills_and_cannot_be_cancelled_twice():
    market = exchange(at="10:00:00")
    order = market.place(ticket(market, contract(market, 6, Right.CE), Side.BUY))
    market.cancel(order.order_id)
    wait(market, 60)
    assert (order.status, order.filled) == (Status.CANCELLED, 0)
    with pytest.raises(OrderRefused, match="already cancelled"):
        market.cancel(order.order_id)


def test_a_modified_price_makes_a_resting_order_fill():
    market = exchange(at="10:00:00")
    what = contract(market, 4, Right.CE)
    order = bought(market, what, price=1)
    assert order.filled == 0
    market.modify(order.order_id, quantity=65, price=market.market.ticks(what, market.t)[2] + 5, trigger=0)
    wait(market, 1)
    assert order.status is Status.COMPLETE


# -- money -------------------------------------------------------------------------------------------------------------


def test_a_short_is_refused_on_its_gross_requirement_though_its_premium_would_cover_the_rest():
    market = exchange(at="10:00:00")
    what = contract(market, 0, Right.CE)
    needed = market.risk.need({(what, Product.NRML): -65}, market.t).total
    assert exchange(cash=int(needed) + 2, at="10:00:00").place(ticket(market, what, Side.SELL)).order_id
    with pytest.raises(
        OrderRefused, match=r"Insufficient funds\. Required margin is .* but available margin is"
    ) as refused:
        exchange(cash=int(needed) - 500, at="10:00:00").place(ticket(market, what, Side.SELL))
    assert refused.value.margin


def test_an_unfilled_sell_blocks_margin_and_an_unfilled_buy_releases_none():
    market = exchange(cash=400_000, at="10:00:00")
    market.place(ticket(market, contract(market, 0, Right.CE), Side.SELL))
    blocked = market.funds().utilised
    assert blocked > 150_000
    market.place(ticket(market, contract(market, 3, Right.CE), Side.BUY))
    assert market.funds().utilised > blocked


def test_wings_on_both_sides_release_margin_and_one_alone_does_not():
    market = exchange(at="10:00:00")
    for right in Right:
        sold(market, contract(market, 0, right))
    naked = market.funds().utilised
    bought(market, contract(market, 6, Right.CE))
    one = market.funds().utilised
    bought(market, contract(market, 6, Right.PE))
    both = market.funds().utilised
    assert abs(one - naked) < 12_000
    assert naked - both > 90_000


def test_a_wing_that_still_carries_a_short_cannot_be_sold_without_the_margin():
    market = exchange(cash=210_000, at="10:00:00")
    wings = {right: contract(market, 4, right) for right in Right}
    for right in Right:
        bought(market, wings[right])
    for right in Right:
        sold(market, contract(market, 0, right))
    with pytest.raises(OrderRefused, match="Insufficient funds"):
        sold(market, wings[Right.CE])


def test_funds_equal_cash_less_margin_less_net_premium_whatever_was_traded():
    market = exchange(at="10:00:00")
    atm = contract(market, 0, Right.CE)
    sold(market, atm)
    bought(market, contract(market, 5, Right.CE), lots=2)
    bought(market, atm)
    flow = sum(
        market.market.price(t.ticket.contract.index, t.price) * t.units * t.ticket.side.sign for t in market.trades
    )
    book = {key: p.quantity for key, p in market.account.positions.items() if p.quantity}
    need = Decimal(repr(market.risk.need(book, market.t).total)).quantize(Decimal("0.01"))
    assert market.funds().utilised == need + flow
    assert market.funds().free == 1_000_000 - need - flow


def test_realized_and_unrealized_results_add_up_to_the_cash_flow_and_the_book_s_value():
    market = exchange(at="10:00:00")
    atm = contract(market, 0, Right.PE)
    sold(market, atm, lots=2)
    wait(market, 600)
    bought(market, atm)
    view = market.funds()
    worth = -65 * market.market.price(Index.NIFTY, market.market.ticks(atm, market.t)[0])
    assert view.realized + view.unrealized == -market.account.premium_paid + worth


def test_one_leg_is_quoted_alone_and_two_as_the_increment_over_the_book():
    market = exchange(at="10:00:00")
    for right in Right:
        sold(market, contract(market, 0, right))
    wing = [(contract(market, 6, right), Product.NRML, 65, Decimal(3)) for right in Right]
    alone, *_ = market.margin_of_basket(wing[:1], alone=True)
    total, span, elm = market.margin_of_basket(wing, alone=False)
    assert alone == Decimal("195.00")
    assert span < -90_000
    assert elm == 0
    assert total == span + elm + 390


def test_expired_positions_settle_at_the_index_s_close():
    market = exchange(at="15:00:00")
    inside, outside = contract(market, -8, Right.CE), contract(market, 8, Right.CE)
    bought(market, inside)
    bought(market, outside)
    paid, charged = market.account.premium_paid, market.account.charges
    market.advance_to(market.day.end_at)
    spot = Decimal(str(round(float(market.market.paths[Index.NIFTY].spot[-1]), 2)))
    worth = max(Decimal(0), spot - inside.strike) * 65 + max(Decimal(0), spot - outside.strike) * 65
    assert worth > 0
    assert market.account.premium_paid == paid - worth
    assert market.account.charges - charged == worth * Decimal("0.0015")
    assert not any(p.quantity for p in market.account.positions.values())
    assert market.funds().utilised == market.account.premium_paid


def test_intraday_positions_are_squared_off_before_the_close():
    market = exchange(at="15:00:00")
    what = contract(market, -2, Right.CE)
    bought(market, what, product=Product.MIS)
    market.advance_to(market.day.moment(time(15, 25, 3)))
    assert market.account.quantity(what, Product.MIS) == 0


def test_charges_of_the_published_example():
    """10 lots of NIFTY at 3.00 cost 24.5 rupees to buy."""
    market = exchange(at="10:00:00")
    charge = market.account.trade(
        contract=contract(market, 6, Right.CE),
        product=Product.NRML,
        symbol="",
        side=Side.BUY,
        units=650,
        price=Decimal(3),
        first_of_order=True,
    )
    assert charge == pytest.approx(Decimal("24.5"), abs=Decimal("0.1"))


# -- determinism -------------------------------------------------------------------------------------------------------


def digest(market):
    trades = [(t.order_id, t.ticket.symbol, t.price, t.units, t.at_us) for t in market.trades]
    return trades, market.report()


@pytest.mark.parametrize("step_seconds", [7.3, 600])
def test_what_happens_does_not_depend_on_how_often_the_clock_is_asked(step_seconds):
    def run(step):
        market = exchange(day=tuesday(entries=entries()), seed=7)
        moment = market.day.start_at
        hedge_at = market.day.moment(time(10, 10))
        while moment < market.day.end_at:
            following = min(moment + timedelta(seconds=step), market.day.end_at)
            if moment < hedge_at <= following:
                market.advance_to(hedge_at)
                for right in Right:
                    market.place(ticket(market, contract(market, 5, right), Side.BUY, lots=2))
            market.advance_to(following)
            moment = following
        return digest(market)

    assert run(step_seconds) == run(86_400)


def test_another_seed_is_another_day():
    days = []
    for seed in (7, 9):
        market = Exchange(day=tuesday(entries=entries()), seed=seed, cash=Decimal(1_000_000))
        market.advance_to(market.day.end_at)
        days.append(digest(market)[0])
    assert days[0] != days[1]
