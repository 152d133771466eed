"""Books that are behind: order book and trade book show a fill at once, positions and funds later, and nothing else waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time, timedelta
from decimal import Decimal

import pytest

from hedging.domain.instruments import Contract, Product, Right, Side
from hedging.simulator.account import Account
from hedging.simulator.exchange import Exchange
from hedging.simulator.orders import Order, OrderRefused, Origin, Status
from hedging.simulator.rules import LONGEST_BEHIND, AccountRules
from hedging.simulator.views_account import AccountViews
from hedging.simulator.views_orders import OrderViews
from tests.unit.simulator_days import contract, entries, ticket, tuesday, wait

MOST = 20
MOMENT = 0.05


def late(
    *, seed: int = 1, at: str = "10:00:00", cash: int = 5_000_000, behind: float = MOST, first: int = 0
) -> Exchange:
    """An exchange of which the books are behind, with so many entries of the timetable."""
    made = Exchange(
        day=tuesday(entries=entries()[:first]),
        seed=seed,
        cash=Decimal(cash),
        rules=AccountRules(books_behind_seconds=behind),
    )
    made.advance_to(made.day.moment(time.fromisoformat(at)))
    return made


def filled(market: Exchange, what: Contract, side: Side, lots: int = 1) -> Order:
    order = market.place(ticket(market, what, side, lots=lots), origin=Origin.HUMAN)
    while order.status is not Status.COMPLETE:
        wait(market, MOMENT)
    return order


def shown(market: Exchange, what: Contract) -> int:
    """What the position book says of a contract, by both of its calls."""
    views = AccountViews(exchange=market, broker="zerodha")
    rows = views.positionbook({})[1]["data"]
    quantity = sum(row["quantity"] for row in rows if row["symbol"] == _symbol(what))
    asked = {"symbol": _symbol(what), "exchange": what.exchange.value, "product": Product.NRML.value}
    assert views.openposition(asked)[1]["quantity"] == quantity
    return int(quantity)


def _symbol(what: Contract) -> str:
    return f"NIFTY01DEC26{int(what.strike)}{what.right.value}"


def used(market: Exchange) -> float:
    return float(AccountViews(exchange=market, broker="zerodha").funds({})[1]["data"]["utiliseddebits"])


def seconds_until(market: Exchange, seen: Callable[[], bool]) -> float:
    """Return after how many seconds something is seen; half a minute is too long."""
    began = market.now
    while not seen():
        wait(market, MOMENT)
        assert market.now - began < timedelta(seconds=30)
    return (market.now - began).total_seconds()


def test_a_fill_shows_in_order_book_and_trade_book_at_once_and_in_positions_and_funds_later():
    market = late()
    what = contract(market, 0, Right.CE)
    filled(market, what, Side.SELL)
    books = OrderViews(exchange=market, record=lambda *_: None)
    assert [row["order_status"] for row in books.orderbook({})[1]["data"]["orders"]] == ["complete"]
    assert [row["quantity"] for row in books.tradebook({})[1]["data"]] == [65]
    assert (shown(market, what), used(market)) == (0, 0)
    positions = seconds_until(market, lambda: shown(market, what) == -65)
    assert used(market) == 0, "on this seed positions are first, and funds have a lag of their own"
    funds = positions + seconds_until(market, lambda: used(market) > 50_000)
    assert 1 < positions < funds - 1 < MOST


def test_on_another_seed_funds_are_first():
    market = late(seed=9)
    what = contract(market, 0, Right.CE)
    filled(market, what, Side.SELL)
    seconds_until(market, lambda: used(market) > 50_000)
    assert shown(market, what) == 0


def test_with_no_lag_both_show_it_with_the_fill():
    market = late(behind=0)
    what = contract(market, 0, Right.CE)
    filled(market, what, Side.SELL)
    assert shown(market, what) == -65
    assert used(market) == pytest.approx(market.truth.utilised(), abs=0.01)


@pytest.mark.parametrize("seed", range(1, 9))
def test_after_the_longest_lag_both_books_are_the_account_whatever_was_traded(seed):
    market = late(seed=seed)
    money, wing = contract(market, 0, Right.PE), contract(market, 5, Right.PE)
    for what, side, lots in ((money, Side.SELL, 3), (money, Side.BUY, 1), (wing, Side.BUY, 2), (money, Side.SELL, 1)):
        filled(market, what, side, lots)
    assert _lines(market.shown.positions) != _lines(market.account)
    wait(market, MOST)
    for book in (market.shown.positions, market.shown.funds):
        assert _lines(book) == _lines(market.account)
        assert (book.premium_paid, book.charges) == (market.account.premium_paid, market.account.charges)


def _lines(account: Account) -> list[tuple[str, int, Decimal, Decimal]]:
    lines = account.positions.values()
    return sorted((line.symbol, line.quantity, line.average, line.realized) for line in lines)


def test_the_entries_of_the_strategist_are_late_too():
    market = late(at="09:15:59", first=1)
    while not market.strategist.entries_made:
        wait(market, MOMENT)
    assert len(market.account.positions) == 2
    assert len(market.shown.positions.positions) < 2
    assert market.funds().utilised < 50_000 < market.truth.utilised()
    wait(market, MOST)
    assert len(market.shown.positions.positions) == 2
    assert float(market.funds().utilised) == pytest.approx(market.truth.utilised(), abs=0.01)


def test_the_broker_takes_and_refuses_orders_by_what_is_true():
    market = late(cash=300_000)
    filled(market, contract(market, 0, Right.CE), Side.SELL)
    assert market.funds().free > 290_000
    with pytest.raises(OrderRefused, match="Insufficient funds"):
        market.place(ticket(market, contract(market, 1, Right.CE), Side.SELL))


def test_the_margin_of_a_basket_counts_what_is_true():
    baskets = []
    for behind in (0, MOST):
        market = late(behind=behind)
        filled(market, contract(market, 0, Right.CE), Side.SELL)
        legs = [(contract(market, n, Right.CE), Product.NRML, 65, Decimal(3)) for n in (4, 5)]
        baskets.append(market.margin_of_basket(legs, alone=False))
    assert baskets[0] == baskets[1]
    assert baskets[0][1] < 0, "a short is there that they cover"


def test_how_often_the_clock_is_asked_changes_nothing():
    seen = []
    for step in (0.7, 9.5):
        market = late(first=3, at="09:15:59")
        while market.now < market.day.moment(time(9, 29, 12)):
            market.advance_to(min(market.now + timedelta(seconds=step), market.day.moment(time(9, 29, 12))))
        seen.append((_lines(market.shown.positions), _lines(market.shown.funds)))
        assert seen[-1][0] != _lines(market.account), "something is late at that moment"
    assert seen[0] == seen[1]


def test_the_settlement_reaches_the_books_before_the_day_ends():
    market = late(at="15:39:00", behind=LONGEST_BEHIND)
    filled(market, contract(market, -8, Right.CE), Side.BUY)
    market.advance_to(market.day.end_at)
    for book in (market.shown.positions, market.shown.funds):
        assert [line.quantity for line in book.positions.values()] == [0]
        assert book.premium_paid == market.account.premium_paid != 0
