"""The contract facts that bite, each as a rule."""

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedging.brokers.base import (
    AuthenticationFailed,
    BrokerError,
    BrokerRefused,
    BrokerStatus,
    BrokerUnavailable,
    MarginLeg,
    OrderRequest,
    UnreadableAnswer,
)
from hedging.brokers.openalgo import wire
from hedging.brokers.openalgo.symbols import UnknownSymbol, parse_expiry, parse_symbol
from hedging.brokers.openalgo.wire import market, values
from hedging.brokers.openalgo.wire.answer import parse_object
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from tests.contract.recorded import ASKED_AT, answer, body_of, made, names, recorded

EXPIRY = date(2026, 12, 1)
CE_26500 = Contract(Index.NIFTY, EXPIRY, Decimal(26500), Right.CE)


def success(data, **extra):
    return made(200, {"status": "success", "data": data, **extra})


def funds_with(**changes):
    data = dict(body_of("live/funds__with_positions")["data"])
    data.update(changes)
    return success({key: value for key, value in data.items() if value != "gone"})


def position_with(**changes):
    row = dict(body_of("live/positionbook__mixed")["data"][1])
    row.update(changes)
    return success([row])


def order_with(**changes):
    row = dict(body_of("live/orderbook__mixed")["data"]["orders"][2])
    row.update(changes)
    return success({"orders": [row]})


def trade_with(**changes):
    row = dict(body_of("live/tradebook__mixed")["data"][0])
    row.update(changes)
    return success([row])


def chain_body(name="live/optionchain__strike_count_2"):
    return body_of(name)


def dumped_with(body, price):
    return json.dumps(body | {"underlying_ltp": "@"}).replace('"@"', format(price, "f")).encode()


def outcome(read):
    try:
        return read()
    except BrokerError as error:
        return type(error), str(error)


# Funds


def test_funds_are_exact_decimals_from_strings():
    funds = wire.parse_funds(answer("live/funds__with_positions"))
    assert (funds.available_cash, funds.collateral) == (Decimal("2500000.00"), Decimal("7500000.00"))
    assert (funds.utilised, funds.unrealized_pnl) == (Decimal("660461.69"), Decimal("-4481.75"))
    assert funds.read_at == ASKED_AT


def test_empty_funds_are_unknown_and_never_zero():
    with pytest.raises(UnreadableAnswer, match="unknown"):
        wire.parse_funds(success({}))


def test_funds_of_five_zeros_are_unknown():
    with pytest.raises(UnreadableAnswer, match="unknown"):
        wire.parse_funds(funds_with(availablecash="0.00", collateral="0.00", utiliseddebits="0.00"))


@pytest.mark.parametrize("value", ["gone", None, "", "abc", True, "NaN", "Infinity", 1e300, "1e400", "1_000", [], "-"])
def test_one_unreadable_amount_makes_the_funds_unreadable(value):
    with pytest.raises(UnreadableAnswer, match="utiliseddebits"):
        wire.parse_funds(funds_with(utiliseddebits=value))


@pytest.mark.parametrize(
    ("value", "amount"), [("-12.50", "-12.50"), (5, "5"), (0.1, "0.1"), (" 7 ", "7"), ("1e3", "1e3")]
)
def test_amounts_come_as_strings_or_numbers(value, amount):
    assert wire.parse_funds(funds_with(utiliseddebits=value)).utilised == Decimal(amount)


def test_json_constants_that_are_no_numbers_make_the_body_unreadable():
    with pytest.raises(BrokerUnavailable):
        wire.parse_funds(made(200, b'{"status":"success","data":{"availablecash":NaN}}'))


# Positions


def test_positions_are_open_rows_with_signed_quantities():
    positions = wire.parse_positions(answer("live/positionbook__mixed")).positions
    short = next(p for p in positions if p.contract == CE_26500)
    assert (short.quantity, short.average_price, short.last) == (-130, Decimal("48.10"), Decimal("48.25"))
    assert short.product is Product.NRML
    assert len(wire.parse_positions(answer("live/positionbook__after_closeposition")).positions) == 1


def test_a_foreign_position_is_left_out_and_counted():
    for foreign in (
        "RELIANCE",
        "NIFTY29DEC26FUT",
        "FINNIFTY29DEC2624500CE",
        "NIFTYNXT5029DEC2664000PE",
        "SENSEX5026NOV2628000CE",
    ):
        rows = wire.parse_positions(position_with(symbol=foreign))
        assert (rows.positions, rows.foreign) == ((), 1), foreign


@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": "nifty01dec2626500ce"},
        {"symbol": "NIFTY99ZZZ2626500CE"},
        {"symbol": "NIFTY01DEC26CE"},
        {"symbol": None},
        {"symbol": " "},
        {"symbol": 7.5},
        {"exchange": "BFO"},
        {"exchange": None},
        {"product": "CO"},
        {"product": None},
        {"quantity": None},
        {"quantity": "many"},
        {"quantity": 65.5},
        {"average_price": "-1"},
    ],
)
def test_an_option_row_that_cannot_be_read_fails_the_whole_position_book(changes):
    with pytest.raises(UnreadableAnswer):
        wire.parse_positions(position_with(**changes))


def test_a_nameless_equity_row_is_only_foreign():
    assert wire.parse_positions(position_with(symbol=None, exchange="NSE")).foreign == 1


def test_positions_accept_strings_for_numbers_and_a_missing_last_price():
    row = dict(body_of("live/positionbook__mixed")["data"][1], quantity="-195", average_price=49.65)
    del row["ltp"]
    (position,) = wire.parse_positions(success([row])).positions
    assert (position.quantity, position.average_price, position.last) == (-195, Decimal("49.65"), None)
    (position,) = wire.parse_positions(success([{**row, "last_price": "49.80"}])).positions
    assert position.last == Decimal("49.80")


def test_two_rows_for_one_contract_and_product_are_unreadable_and_two_products_are_not():
    row = body_of("live/positionbook__mixed")["data"][1]
    with pytest.raises(UnreadableAnswer, match="two rows"):
        wire.parse_positions(success([row, row]))
    assert len(wire.parse_positions(success([row, {**row, "product": "MIS"}])).positions) == 2


# Books


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("complete", BrokerStatus.COMPLETE),
        (" COMPLETE ", BrokerStatus.COMPLETE),
        ("rejected", BrokerStatus.REJECTED),
        ("cancelled", BrokerStatus.CANCELLED),
        ("Canceled", BrokerStatus.CANCELLED),
        ("EXPIRED", BrokerStatus.EXPIRED),
        ("open", BrokerStatus.WORKING),
        ("trigger_pending", BrokerStatus.WORKING),
        ("put order req received", BrokerStatus.WORKING),
        ("PartiallyFilled", BrokerStatus.WORKING),
        ("cancel_pending", BrokerStatus.WORKING),
        ("", BrokerStatus.WORKING),
        (None, BrokerStatus.WORKING),
        (7, BrokerStatus.WORKING),
    ],
)
def test_only_words_that_are_surely_terminal_end_an_order(text, status):
    (row,) = wire.parse_order_book(order_with(order_status=text)).rows
    assert row.status is status


def test_order_ids_may_be_integers_and_are_text_here():
    assert wire.parse_order_book(order_with(orderid=1101)).rows[0].order_id == "1101"
    assert wire.parse_trade_book(trade_with(orderid=1101)).rows[0].order_id == "1101"


def test_an_order_without_a_symbol_stays_in_the_book_without_a_contract():
    (row,) = wire.parse_order_book(order_with(symbol=None)).rows
    assert (row.contract, row.symbol) == (None, "")


@pytest.mark.parametrize(
    "changes",
    [
        {"orderid": None},
        {"orderid": ""},
        {"orderid": True},
        {"action": "HOLD"},
        {"quantity": -65},
        {"quantity": None},
        {"price": "x"},
        {"price": None, "pricetype": "LIMIT"},
        {"product": None},
    ],
)
def test_one_unreadable_order_makes_the_book_unreadable(changes):
    with pytest.raises(UnreadableAnswer):
        wire.parse_order_book(order_with(**changes))


def test_a_market_order_needs_no_price_in_the_book():
    assert wire.parse_order_book(order_with(price=None, pricetype="MARKET")).rows[0].price == 0


def test_two_orders_with_one_id_are_unreadable():
    row = body_of("live/orderbook__mixed")["data"]["orders"][0]
    with pytest.raises(UnreadableAnswer, match="one id"):
        wire.parse_order_book(success({"orders": [row, row]}))


def test_an_order_in_transit_may_show_the_status_of_the_row_before_so_only_trades_prove_a_fill():
    rows = wire.parse_order_book(answer("errors/orderbook__later_order_in_flight")).rows
    assert rows[-1].status is BrokerStatus.COMPLETE
    assert rows[-1].order_id not in {
        row.order_id for row in wire.parse_trade_book(answer("live/tradebook__mixed")).rows
    }


def test_the_average_price_of_an_order_is_the_sum_over_its_trades_and_not_the_first_of_them():
    trades = [
        {**body_of("live/tradebook__mixed")["data"][0], "orderid": "12", "quantity": quantity, "average_price": price}
        for quantity, price in ((325, 182.2), (195, 182.7), (520, 183.2))
    ]
    rows = wire.parse_trade_book(success(trades)).rows
    assert sum(row.quantity for row in rows) == 1040
    assert sum(row.quantity * row.price for row in rows) / 1040 == Decimal("182.79375")


@pytest.mark.parametrize(
    "changes", [{"quantity": 0}, {"quantity": "0.0"}, {"average_price": 0}, {"average_price": None}, {"orderid": None}]
)
def test_a_trade_of_nothing_or_for_nothing_is_an_error(changes):
    with pytest.raises(UnreadableAnswer):
        wire.parse_trade_book(trade_with(**changes))


# Market


def test_a_chain_holds_prices_and_unknown_quantities():
    chain = wire.parse_chain(answer("live/optionchain__strike_count_2"), Index.NIFTY, EXPIRY)
    quote = chain.quotes[parse_symbol("NIFTY01DEC2626000CE")]
    assert (quote.bid, quote.ask, quote.last) == (Decimal("236.0"), Decimal("237.4"), Decimal("236.7"))
    assert (quote.bid_quantity, quote.ask_quantity) == (None, None)
    assert (chain.spot, chain.previous_close, len(chain.quotes)) == (Decimal("26012.35"), Decimal("25948.2"), 10)


def test_one_leg_without_a_quote_has_no_prices_and_spoils_nothing():
    chain = wire.parse_chain(answer("live/optionchain__broker_has_no_quote_for_one_leg"), Index.NIFTY, EXPIRY)
    quote = chain.quotes[parse_symbol("NIFTY01DEC2626000PE")]
    assert (quote.bid, quote.ask, quote.last) == (None, None, None)
    assert chain.quotes[parse_symbol("NIFTY01DEC2626000CE")].bid is not None


def test_a_chain_of_zeros_is_an_error():
    with pytest.raises(UnreadableAnswer, match="no price at all"):
        wire.parse_chain(answer("errors/optionchain__leg_quotes_fail"), Index.NIFTY, EXPIRY)


def test_a_chain_of_another_expiry_or_underlying_is_an_error():
    for index, expiry in ((Index.NIFTY, date(2026, 12, 8)), (Index.SENSEX, EXPIRY)):
        with pytest.raises(UnreadableAnswer, match="not the chain"):
            wire.parse_chain(answer("live/optionchain__strike_count_2"), index, expiry)


def test_a_leg_of_another_contract_in_the_chain_is_an_error():
    for symbol in ("NIFTY01DEC2626050CE", "NIFTY08DEC2626000CE", "NIFTY01DEC2626000PE", "nifty01dec2626000ce", None):
        body = chain_body()
        body["chain"][2]["ce"]["symbol"] = symbol
        with pytest.raises(UnreadableAnswer):
            wire.parse_chain(made(200, body), Index.NIFTY, EXPIRY)


def test_a_chain_without_a_price_of_its_underlying_is_an_error():
    body = chain_body()
    body["underlying_ltp"] = 0
    with pytest.raises(UnreadableAnswer, match="underlying_ltp"):
        wire.parse_chain(made(200, body), Index.NIFTY, EXPIRY)


def test_a_chain_may_lack_a_leg_and_not_hold_one_twice():
    body = chain_body()
    body["chain"][0]["ce"] = None
    assert len(wire.parse_chain(made(200, body), Index.NIFTY, EXPIRY).quotes) == 9
    body["chain"].append(body["chain"][1])
    with pytest.raises(UnreadableAnswer, match="twice"):
        wire.parse_chain(made(200, body), Index.NIFTY, EXPIRY)


@pytest.mark.parametrize("name", [name for name in names("*/*") if "/optionchain" in name])
def test_the_faster_reader_finds_the_chain_that_the_exact_one_finds(name, monkeypatch):
    def found():
        body = answer(name)
        expiry = parse_expiry((json.loads(body.body) or {}).get("expiry_date") or "01DEC26")
        return outcome(lambda: wire.parse_chain(body, Index.NIFTY, expiry))

    fast = found()
    monkeypatch.setattr(market, "parse_market", parse_object)
    assert fast == found()


@given(st.decimals(min_value="0.01", max_value="999999999999.99", places=2))
def test_a_price_read_as_a_float_is_the_decimal_that_was_written(price):
    body = chain_body()
    exact = dumped_with(body, price)
    chain = wire.parse_chain(made(200, exact), Index.NIFTY, EXPIRY)
    assert chain.spot == price
    assert str(chain.spot.normalize()) == str(price.normalize())


@pytest.mark.parametrize("written", ["1e400", "-1e400", "NaN", "Infinity", "1e13", "-5.0", "true", '"x"', "[]"])
def test_what_is_no_price_is_none_for_the_faster_reader_too(written):
    body = json.dumps(chain_body()).replace('"underlying_ltp": 26012.35', f'"underlying_ltp": {written}')
    with pytest.raises((UnreadableAnswer, BrokerUnavailable)):
        wire.parse_chain(made(200, body.encode()), Index.NIFTY, EXPIRY)


def test_an_index_without_a_price_is_unreadable():
    with pytest.raises(UnreadableAnswer):
        wire.parse_spot(success({"ltp": 0}))


def test_expiries_come_in_two_spellings_and_leave_in_order():
    assert wire.parse_expiries(success(["08DEC26", "01-DEC-26"])) == (EXPIRY, date(2026, 12, 8))
    for bad in ("01-dec-26", "2026-12-01", None, "31-FEB-26"):
        with pytest.raises(UnreadableAnswer):
            wire.parse_expiries(success([bad]))


def test_depth_is_best_first_and_drops_empty_levels():
    depth = wire.parse_depth(answer("live/depth__option"), parse_symbol("NIFTY01DEC2626000CE"))
    assert (depth.bids[0].price, depth.bids[0].quantity, depth.asks[0].price) == (
        Decimal("236.0"),
        650,
        Decimal("237.4"),
    )
    assert [level.price for level in depth.asks] == sorted(level.price for level in depth.asks)
    empty = wire.parse_depth(success({"bids": [{"price": 0, "quantity": 0}], "asks": [], "ltp": 1.5}), CE_26500)
    assert (empty.bids, empty.asks) == ((), ())


def test_a_depth_of_zeros_or_of_prices_without_quantities_is_unknown():
    for data in (
        {"bids": [{"price": 0, "quantity": 0}], "asks": [], "ltp": 0},
        {"bids": [{"price": 2.5, "quantity": 0}], "asks": [], "ltp": 2.5},
    ):
        with pytest.raises(UnreadableAnswer):
            wire.parse_depth(success(data), CE_26500)


# Margin


def leg(side=Side.SELL):
    return MarginLeg(CE_26500, Product.NRML, side, 65, Decimal("2.50"))


def test_margin_asks_with_strings_and_answers_with_a_total():
    body = wire.margin_request([leg()])
    assert body == {
        "positions": [
            {
                "symbol": "NIFTY01DEC2626500CE",
                "exchange": "NFO",
                "action": "SELL",
                "quantity": "65",
                "product": "NRML",
                "pricetype": "LIMIT",
                "price": "2.50",
                "trigger_price": "0",
            }
        ]
    }
    assert wire.parse_margin(answer("live/margin__iron_condor_4"), [leg()]).total == Decimal("77386.38")


@pytest.mark.parametrize("count", [0, 51])
def test_a_basket_of_no_leg_or_of_too_many_is_never_sent(count):
    with pytest.raises(ValueError, match="1 to 50"):
        wire.margin_request([leg()] * count)


def test_margin_with_200_and_an_error_inside_is_a_refusal():
    with pytest.raises(BrokerRefused, match="odd leg"):
        wire.parse_margin(made(200, {"status": "error", "message": "odd leg"}), [leg()])
    with pytest.raises(AuthenticationFailed):
        wire.parse_margin(made(200, {"status": "error", "message": "TokenException: bad token"}), [leg()])


def test_margin_of_zero_is_unknown_for_a_basket_that_sells_and_possible_for_one_that_buys():
    zero = success({"total_margin_required": 0, "span_margin": 0, "exposure_margin": 0})
    with pytest.raises(UnreadableAnswer, match="counted no leg"):
        wire.parse_margin(zero, [leg(), leg(Side.BUY)])
    assert wire.parse_margin(zero, [leg(Side.BUY)]).total == 0


def test_margin_needs_only_its_total():
    assert wire.parse_margin(success({"total_margin_required": "-1500.5"}), [leg()]).total == Decimal("-1500.5")
    with pytest.raises(UnreadableAnswer, match="total_margin_required"):
        wire.parse_margin(success({"span_margin": 1}), [leg()])


def test_a_broker_without_a_margin_call_is_a_refusal():
    with pytest.raises(BrokerRefused, match="offers no such call"):
        wire.parse_margin(made(501, {"status": "error", "message": "X does not support margin"}), [leg()])


# Envelope


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"", BrokerUnavailable),
        (200, b"<html>Bad Gateway</html>", BrokerUnavailable),
        (200, b"[]", BrokerUnavailable),
        (200, b"\xff\xfe{}", BrokerUnavailable),
        (200, b"[" * 200_000, BrokerUnavailable),
        (200, b'{"a":' + b"9" * 5000 + b"}", BrokerUnavailable),
        (200, b'{"data":{}}', UnreadableAnswer),
        (200, b'{"status":"partial"}', UnreadableAnswer),
        (200, b'{"status":"success"}', UnreadableAnswer),
        (204, b"", BrokerUnavailable),
        (302, b"", BrokerUnavailable),
        (403, b"Access Denied: Your IP has been banned", BrokerRefused),
        (401, b'{"message":"Invalid or missing API key"}', AuthenticationFailed),
        (408, b"", BrokerUnavailable),
        (500, b'{"message":"Session Expired"}', AuthenticationFailed),
        (502, b"<html>", BrokerUnavailable),
    ],
)
def test_an_odd_envelope_is_the_error_that_says_what_to_do(status, body, error):
    with pytest.raises(error) as caught:
        wire.parse_funds(made(status, body))
    assert type(caught.value) is error


def test_messages_may_be_text_or_an_object_and_are_one_line():
    with pytest.raises(BrokerRefused, match="apikey"):
        wire.parse_funds(made(400, {"status": "error", "message": {"apikey": ["too\nlong"]}}))
    with pytest.raises(BrokerRefused) as caught:
        wire.parse_funds(made(400, {"message": "two\nlines\x00\x1b[31m"}))
    assert "\n" not in str(caught.value)
    assert "\x00" not in str(caught.value)


# Requests


def test_an_order_is_a_limit_order_with_known_fields_only():
    request = OrderRequest(CE_26500, Product.NRML, Side.BUY, 1755, Decimal("2.35"))
    assert wire.place_request(request) == {
        "strategy": "auto-hedge",
        "symbol": "NIFTY01DEC2626500CE",
        "exchange": "NFO",
        "action": "BUY",
        "quantity": "1755",
        "pricetype": "LIMIT",
        "product": "NRML",
        "price": "2.35",
        "trigger_price": "0",
        "disclosed_quantity": "0",
    }
    accepted = recorded("live/placeorder__limit_resting")["request"]["json"]
    assert set(wire.place_request(request)) == set(accepted) - {"apikey"}


def test_the_chain_is_asked_with_the_spelling_that_it_wants_and_within_its_bounds():
    assert wire.chain_request(Index.SENSEX, date(2026, 12, 3), 100) == {
        "underlying": "SENSEX",
        "exchange": "BSE_INDEX",
        "expiry_date": "03DEC26",
        "strike_count": 100,
    }
    for count in (0, 101):
        with pytest.raises(ValueError, match="1 to 100"):
            wire.chain_request(Index.NIFTY, EXPIRY, count)


@pytest.mark.parametrize(
    ("text", "read", "refusal"),
    [
        ("9" * 100_000, lambda text: values.as_amount(text, "cash"), UnreadableAnswer),
        (f"NIFTY01DEC26{'9' * 100_000}CE", parse_symbol, UnknownSymbol),
        (f"NIFTY01DEC26{'9' * 41}CE", parse_symbol, UnknownSymbol),
    ],
)
def test_a_number_without_end_is_refused_and_not_kept(text, read, refusal):
    kept = [values._amount_or_none.cache_info().currsize, parse_symbol.cache_info().currsize]
    with pytest.raises(refusal):
        read(text)
    assert [values._amount_or_none.cache_info().currsize, parse_symbol.cache_info().currsize] == kept


UNTRANSLATED = (
    "NIFTY2610526000CE",  # Zerodha, Fyers: weekly options of January to September
    "NIFTY 26000 CE 05 JAN 26",  # Upstox
    "NIFTY-Jan2026-26000-CE",  # Dhan
    "NIFTY05JAN26C26000",  # Shoonya, Flattrade
    "NSE:NIFTY2610526000CE",
)


@pytest.mark.parametrize("symbol", UNTRANSLATED)
@pytest.mark.parametrize("product", ["NRML", "D", "MARGIN"])
def test_a_position_in_the_brokers_own_spelling_is_not_overlooked(symbol, product):
    with pytest.raises(UnreadableAnswer, match="master contract"):
        wire.parse_positions(position_with(symbol=symbol, product=product))


@pytest.mark.parametrize("symbol", UNTRANSLATED)
@pytest.mark.parametrize("exchange", ["NSE_FO", "nse_fo", "NFO-OPT", None])
def test_nor_is_it_where_the_exchange_is_the_brokers_own_too(symbol, exchange):
    with pytest.raises(UnreadableAnswer, match="master contract"):
        wire.parse_positions(position_with(symbol=symbol, exchange=exchange))


@pytest.mark.parametrize(("symbol", "exchange"), [("NIFTYBEES", "NSE"), ("NIFTY 50", "NSE"), ("RELIANCE", "nse_eq")])
def test_what_can_be_no_option_of_ours_is_a_stranger(symbol, exchange):
    assert wire.parse_positions(position_with(symbol=symbol, exchange=exchange)).positions == ()


@pytest.mark.parametrize("symbol", UNTRANSLATED)
def test_an_order_in_the_brokers_own_spelling_is_not_taken_for_another_contract(symbol):
    body = body_of("live/orderbook__mixed")
    body["data"]["orders"][0] |= {"symbol": symbol, "exchange": "NFO"}
    with pytest.raises(UnreadableAnswer, match="master contract"):
        wire.parse_order_book(success(body["data"]))


MONTHLY = (  # Zerodha, Fyers: year, month, strike; without the day
    ("NIFTY26NOV26000CE", "NFO"),
    ("NIFTY26NOV24500PE", "NFO"),
    ("NIFTY27JAN26050CE", "NFO"),
    ("BANKNIFTY26DEC55000PE", "NFO"),
    ("SENSEX26DEC84500CE", "BFO"),
    ("SENSEX26DEC105500CE", "BFO"),
)


@pytest.mark.parametrize(("symbol", "exchange"), MONTHLY)
def test_a_monthly_option_in_the_brokers_own_spelling_is_no_option_of_another_year(symbol, exchange):
    with pytest.raises(UnreadableAnswer, match="master contract"):
        wire.parse_positions(position_with(symbol=symbol, exchange=exchange))
