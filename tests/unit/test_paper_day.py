"""A day of the paper exchange: what is carried in, what lapses, is squared off or settled, and what margin is laid over."""

from __future__ import annotations

import inspect
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, get_type_hints

import pytest

from hedging.brokers import base
from hedging.brokers.base import (
    AuthenticationFailed,
    BasketScope,
    BrokerRefused,
    BrokerStatus,
    BrokerUnavailable,
    OrderRequest,
    ReplyClass,
)
from hedging.brokers.dry_run import SQUARE_OFF, DryRunBroker
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.brokers.paper import InMemoryPaperBook, PaperHolding
from hedging.brokers.paper_margin import PaperMargin, PaperMeaning
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.margin import MarginLine, MarginMarket, requirement
from hedging.domain.risk import MarginParameters
from tests.contract.fake_reader import EXPIRY, NOW, FakeReader, option

CALL, PUT = option(26500, Right.CE), option(25500, Right.PE)
IN_THE_MONEY = option(25900, Right.CE)  # the index stands at 26000
NEXT_WEEK = Contract(Index.NIFTY, EXPIRY + timedelta(days=7), Decimal(26500), Right.CE)
CLOSE = datetime.fromisoformat("2026-12-01T10:00:00+00:00")


class Day:
    """A dry run over the fake broker, with a clock that the test moves."""

    def __init__(self, *, carried: tuple[PaperHolding, ...] = (), **meaning: Any) -> None:
        self.now = NOW
        self.reader = FakeReader()
        self.book = InMemoryPaperBook(carried=carried, closes_at=CLOSE)
        self.broker = self.again(**meaning)

    def again(self, **meaning: Any) -> DryRunBroker:
        """Another process over the same book."""
        return DryRunBroker(
            self.reader,
            self.book,
            clock=lambda: self.now,
            symbol_of=format_symbol,
            meaning=PaperMeaning(**meaning),
        )

    def quote(self, contract: Contract, bid: str | None, ask: str | None, units: int = 650) -> None:
        bids, asks = ([] if price is None else [(price, units)] for price in (bid, ask))
        self.reader.ladders[contract] = (bids, asks)

    def buy(self, contract: Contract = CALL, units: int = 130, *, limit: str = "9", product=Product.NRML) -> None:
        if contract not in self.reader.ladders:
            self.quote(contract, "2.40", "2.50")
        self.broker.place(OrderRequest(contract, product, Side.BUY, units, Decimal(limit)))

    def held(self) -> dict[Contract, int]:
        return {row.contract: row.quantity for row in self.broker.positions()}

    def paper_rows(self) -> list[tuple[Side, int, BrokerStatus]]:
        return [(row.side, row.quantity, row.status) for row in self.broker.order_book().rows if row.paper]


# What earlier days left


def carried(contract: Contract = NEXT_WEEK, units: int = 130, price: str = "4.00") -> PaperHolding:
    return PaperHolding(contract, Product.NRML, units, Decimal(price))


def test_a_wing_of_yesterday_is_in_todays_book_and_in_no_order_book():
    day = Day(carried=(carried(),))
    assert day.held() == {NEXT_WEEK: 130}
    assert day.broker.order_book().rows == ()
    assert day.broker.trade_book().rows == ()


def test_what_yesterdays_wing_cost_left_the_cash_and_is_no_used_margin_of_today():
    day = Day(carried=(carried(),))
    live, seen = day.reader.funds(), day.broker.funds()
    assert seen.utilised == live.utilised
    assert seen.available_cash == live.available_cash - 130 * 4


def test_yesterdays_wing_releases_margin_today():
    day = Day(carried=(carried(),))
    day.reader.trade(option(26000, Right.CE), Side.SELL, 130, "100")
    assert day.reader.funds().utilised - day.broker.funds().utilised == 600 * 130


def test_a_sale_of_yesterdays_wing_brings_premium_and_ends_it():
    day = Day(carried=(carried(),))
    day.quote(NEXT_WEEK, "3.00", "3.10")
    day.broker.place(OrderRequest(NEXT_WEEK, Product.NRML, Side.SELL, 130, Decimal("2.90")))
    assert day.held() == {}
    assert day.broker.funds().utilised == day.reader.funds().utilised - 130 * 3


def test_a_wing_bought_on_top_of_yesterdays_is_averaged_with_it():
    day = Day(carried=(carried(),))
    day.quote(NEXT_WEEK, "4.90", "5.00")
    day.buy(NEXT_WEEK)
    (row,) = day.broker.positions()
    assert (row.quantity, row.average_price) == (260, Decimal("4.5"))


# The clock


@pytest.mark.parametrize(
    ("at", "squared"),
    [
        (CLOSE - SQUARE_OFF - timedelta(seconds=1), False),
        (CLOSE - SQUARE_OFF, True),
        (CLOSE - timedelta(seconds=1), True),
    ],
    ids=["before", "at", "after"],
)
def test_intraday_wings_are_squared_off_at_the_bid_five_minutes_before_the_close(at, squared):
    day = Day()
    day.buy(NEXT_WEEK, product=Product.MIS)
    day.buy(CALL)
    day.now = at
    assert day.held() == ({CALL: 130} if squared else {NEXT_WEEK: 130, CALL: 130})
    sold = [row for row in day.broker.trade_book().rows if row.side is Side.SELL]
    assert [(row.contract, row.quantity, row.price) for row in sold] == (
        [(NEXT_WEEK, 130, Decimal("2.40"))] if squared else []
    )


def test_a_square_off_takes_what_the_bid_holds_and_goes_on_with_the_rest():
    day = Day()
    day.buy(NEXT_WEEK, product=Product.MIS)
    day.now = CLOSE - SQUARE_OFF
    day.quote(NEXT_WEEK, None, "2.50")
    assert day.held() == {NEXT_WEEK: 130}
    day.quote(NEXT_WEEK, "2.00", "2.50", units=65)
    assert day.held() == {NEXT_WEEK: 65}
    day.quote(NEXT_WEEK, "1.50", "2.50")
    assert day.held() == {}
    sold = [(row.quantity, row.price) for row in day.broker.trade_book().rows if row.side is Side.SELL]
    assert sold == [(65, Decimal("2.00")), (65, Decimal("1.50"))]


def test_two_processes_square_off_and_settle_once():
    day = Day()
    day.buy(NEXT_WEEK, product=Product.MIS)
    day.buy(IN_THE_MONEY)
    other = day.again()
    for moment in (CLOSE - SQUARE_OFF, CLOSE):
        day.now = moment
        assert day.broker.positions() == other.positions()
    assert day.held() == {}
    assert len(day.book.orders()) == 4


def test_intraday_orders_lapse_at_the_square_off_and_all_others_at_the_close():
    day = Day()
    day.quote(CALL, "2.40", "12.00")
    day.quote(NEXT_WEEK, "2.40", "12.00")
    day.buy(CALL)
    day.buy(NEXT_WEEK, product=Product.MIS)
    day.now = CLOSE - SQUARE_OFF
    assert [status for _, _, status in day.paper_rows()] == [BrokerStatus.WORKING, BrokerStatus.CANCELLED]
    day.quote(CALL, "2.40", "2.50")
    day.now = CLOSE
    assert [status for _, _, status in day.paper_rows()] == [BrokerStatus.CANCELLED, BrokerStatus.CANCELLED]
    assert day.held() == {}


def test_what_works_until_the_close_still_fills_in_the_last_minutes():
    day = Day()
    day.quote(CALL, "2.40", "12.00")
    day.buy(CALL)
    day.now = CLOSE - timedelta(seconds=1)
    day.quote(CALL, "2.40", "2.50")
    assert day.held() == {CALL: 130}


@pytest.mark.parametrize(("contract", "worth"), [(IN_THE_MONEY, 100), (CALL, 0), (PUT, 0)])
def test_an_expired_wing_is_paid_its_intrinsic_value_and_is_no_order(contract, worth):
    day = Day()
    day.buy(contract)
    used = day.broker.funds().utilised
    rows = day.paper_rows()
    day.now = CLOSE
    assert day.held() == {}
    assert day.broker.funds().utilised == used - 130 * worth
    assert day.paper_rows() == rows


def test_a_wing_of_another_expiry_outlives_the_close():
    day = Day()
    day.buy(NEXT_WEEK)
    day.now = CLOSE + timedelta(hours=1)
    assert day.held() == {NEXT_WEEK: 130}


def test_a_settlement_waits_for_the_index():
    day = Day()
    day.buy(IN_THE_MONEY)
    day.now = CLOSE
    day.reader.failing["spot"] = BrokerUnavailable("down")
    assert day.held() == {IN_THE_MONEY: 130}
    del day.reader.failing["spot"]
    assert day.held() == {}


def test_without_known_hours_nothing_happens_by_the_clock():
    day = Day()
    day.book = InMemoryPaperBook()
    day.broker = day.again()
    day.buy(CALL, product=Product.MIS)
    day.now = CLOSE + timedelta(hours=1)
    assert day.held() == {CALL: 130}


# The margin that is laid over


def test_a_resting_buy_blocks_its_premium():
    day = Day()
    day.quote(CALL, "2.40", "12.00")
    day.buy(CALL, limit="3.00")
    assert day.broker.funds().utilised == day.reader.funds().utilised + 130 * 3


def test_where_used_margin_holds_no_premium_the_cash_pays_it():
    day = Day(premium_in_used=False)
    day.buy(CALL)
    live, seen = day.reader.funds(), day.broker.funds()
    assert seen.utilised == live.utilised
    assert seen.available_cash == live.available_cash - 130 * Decimal("2.50")


def short_straddle(day: Day, units: int = 650) -> None:
    for right, mark in ((Right.CE, "52"), (Right.PE, "48")):
        day.reader.trade(option(26000, right), Side.SELL, units, mark)
        day.reader.touches[option(26000, right)] = (mark, mark)
    day.reader.touches |= {CALL: ("2.40", "2.60"), PUT: ("2.40", "2.60")}
    for wing in (CALL, PUT):
        day.buy(wing, units)


def engine_change(units: int = 650) -> Decimal:
    """By our own engine: the straddle with the wings less the straddle, at the chain's middle prices."""
    market = MarginMarket(spots={Index.NIFTY: Decimal(26000)}, now=NOW)
    shorts = [
        MarginLine(option(26000, right), -units, Decimal(mark), Product.NRML)
        for right, mark in ((Right.CE, "52"), (Right.PE, "48"))
    ]
    wings = [MarginLine(wing, units, Decimal("2.50"), Product.NRML) for wing in (CALL, PUT)]
    rates = MarginParameters()
    with_wings = requirement(lines=[*shorts, *wings], market=market, parameters=rates).total
    return with_wings - requirement(lines=shorts, market=market, parameters=rates).total


@pytest.mark.parametrize(
    ("meaning", "refusal"),
    [
        ({"usable": False}, None),
        ({"scope": None}, None),
        ({}, BrokerRefused("501: no margin calculator")),
        ({"scope": BasketScope.LEGS_ONLY}, BrokerRefused("too many legs")),
    ],
    ids=["no call that nets", "scope not settled", "not offered", "refused"],
)
def test_where_the_broker_cannot_be_asked_our_engine_says_what_the_wings_release(meaning, refusal):
    day = Day(**meaning)
    short_straddle(day)
    if refusal is not None:
        day.reader.failing["basket_margin"] = refusal
    premium = 2 * 650 * Decimal("2.50")
    moved = day.broker.funds().utilised - day.reader.funds().utilised
    assert moved == engine_change() + premium
    assert moved < -500_000


def test_the_engine_counts_by_the_accounts_own_scale():
    day = Day(usable=False, scale=Decimal("1.05"))
    short_straddle(day)
    moved = day.broker.funds().utilised - day.reader.funds().utilised
    assert abs(moved - (engine_change() * Decimal("1.05") + 2 * 650 * Decimal("2.50"))) < 1


def test_an_unsettled_scope_does_not_matter_beside_an_empty_book():
    day = Day(scope=None)
    day.buy(CALL)
    day.reader.calls.clear()
    assert day.broker.funds().utilised == day.reader.funds().utilised + 130 * Decimal("2.50")
    assert "basket_margin" in day.reader.calls


@pytest.mark.parametrize("error", [BrokerUnavailable("down"), AuthenticationFailed("no session")])
def test_a_release_that_cannot_be_read_makes_the_funds_unknown_and_is_not_computed(error):
    day = Day()
    short_straddle(day)
    day.reader.failing["basket_margin"] = error
    with pytest.raises(type(error)):
        day.broker.funds()


def test_a_wing_outside_of_any_chain_has_its_last_price_from_its_own_ladder():
    day = Day()
    day.buy(CALL)
    day.reader.lasts[CALL] = Decimal("2.45")
    assert day.broker.positions()[0].last == Decimal("2.45")
    day.reader.failing["depth"] = BrokerUnavailable("down")
    assert day.broker.positions()[0].last is None  # unknown, and not made up


def test_an_id_that_the_paper_book_has_is_not_sent_again():
    day = Day()
    twice = DryRunBroker(
        day.reader,
        day.book,
        clock=lambda: NOW,
        symbol_of=format_symbol,
        meaning=PaperMeaning(),
        new_id=lambda: "1",
    )
    request = OrderRequest(CALL, Product.NRML, Side.BUY, 65, Decimal(3))
    assert [twice.place(request).outcome for _ in range(2)] == [ReplyClass.ACKED, ReplyClass.NOT_SENT]
    assert len(day.book.orders()) == 1


# By its type


def test_a_dry_run_is_given_a_reader_and_a_reader_has_nothing_that_writes():
    for taker in (DryRunBroker, PaperMargin):
        assert get_type_hints(taker.__init__)["reader"] is base.MarketReader
    readable = {name for name, _ in inspect.getmembers(base.MarketReader, inspect.isfunction) if name[0] != "_"}
    broker = {name for name in dir(base.Broker) if name[0] != "_"}
    assert broker - readable == {"paper", "place", "cancel"}
    assert readable == {
        "basket_margin", "chain", "depth", "expiries", "funds", "order_book", "positions", "server_status", "spot",
        "trade_book",
    }  # fmt: skip


def test_two_processes_at_once_square_off_each_wing_once():
    day = Day()
    day.buy(NEXT_WEEK, product=Product.MIS)
    day.buy(Contract(Index.NIFTY, NEXT_WEEK.expiry, Decimal(25000), Right.PE), product=Product.MIS)
    day.now = CLOSE - SQUARE_OFF
    other, append = day.again(), day.book.append
    seen: list[Any] = []

    def slow(order):
        done = append(order)
        if not seen:
            seen.append(order)
            other.positions()  # another worker looks after the first of two was written
        return done

    setattr(day.book, "append", slow)  # noqa: B010 - its own type does not know that it can be replaced
    day.broker.positions()
    assert day.held() == {}
    assert sum(row.quantity for row in day.broker.trade_book().rows if row.side is Side.SELL) == 260
