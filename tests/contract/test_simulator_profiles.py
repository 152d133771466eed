"""Each profile tells the same account in its broker's words: money, margin, statuses, types, market protection."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hedging.domain.instruments import Right
from hedging.simulator.profiles import PROFILES, UnknownProfile, profile_named
from tests.contract.simulated import Server

NETTING = ("zerodha", "dhan", "fyers")
SUMMING = ("upstox", "kotak")


def server_of(name, **options):
    return Server(profile=PROFILES[name], **options)


def leg(symbol, action, price="10", quantity="65"):
    return {
        "symbol": symbol,
        "exchange": "NFO",
        "action": action,
        "product": "NRML",
        "pricetype": "LIMIT",
        "quantity": quantity,
        "price": price,
    }


def straddle_and_wings(server):
    shorts = [leg(server.wing(0, right)[0], "SELL") for right in Right]
    wings = [leg(server.wing(10, right)[0], "BUY") for right in Right]
    return shorts, wings


def margin(server, legs):
    return server.ok("margin", positions=legs)["data"]["total_margin_required"]


@pytest.mark.parametrize("name", PROFILES)
def test_the_free_formula_of_each_profile_gives_the_same_free_margin(name):
    server = server_of(name)
    server.exchange.account.collateral = Decimal(200_000)
    told = {key: Decimal(value) for key, value in server.ok("funds")["data"].items()}
    free = PROFILES[name].funds.free(
        available=told["availablecash"], collateral=told["collateral"], utilised=told["utiliseddebits"]
    )
    assert free == server.exchange.funds().free.quantize(Decimal("0.01"))


def test_cash_means_something_else_at_each_broker():
    told = {}
    for name in ("zerodha", "dhan", "upstox", "kotak"):
        server = server_of(name)
        server.exchange.account.collateral = Decimal(200_000)
        told[name] = Decimal(server.ok("funds")["data"]["availablecash"])
    used = server.exchange.funds().utilised.quantize(Decimal("0.01"))
    assert told == {
        "zerodha": Decimal(1_000_000),
        "dhan": 1_000_000 - used,
        "upstox": 1_200_000 - used,
        "kotak": Decimal(1_200_000),
    }


@pytest.mark.parametrize("name", NETTING)
def test_wings_beside_shorts_lower_the_figure_where_the_broker_nets(name):
    server = server_of(name, with_entries=False)
    shorts, wings = straddle_and_wings(server)
    assert margin(server, shorts + wings) < 0.7 * margin(server, shorts)


@pytest.mark.parametrize("name", [*SUMMING, "shoonya", "flattrade"])
def test_wings_only_cost_where_the_figure_is_before_the_hedge_benefit(name):
    server = server_of(name, with_entries=False)
    shorts, wings = straddle_and_wings(server)
    assert margin(server, shorts + wings) == pytest.approx(margin(server, shorts) + 2 * 65 * 10, abs=0.05)


@pytest.mark.parametrize(("name", "counts"), [("dhan", True), ("fyers", True), ("upstox", False), ("kotak", False)])
def test_two_legs_count_the_book_or_not(name, counts):
    busy, flat = server_of(name), server_of(name, with_entries=False)
    shorts, _ = straddle_and_wings(busy)
    assert (margin(busy, shorts) > 2 * margin(flat, shorts)) is counts


@pytest.mark.parametrize(("name", "counts"), [("dhan", False), ("fyers", True), ("shoonya", True), ("zerodha", False)])
def test_one_leg_counts_the_book_only_where_every_call_does(name, counts):
    busy, flat = server_of(name), server_of(name, with_entries=False)
    short = [leg(busy.wing(0)[0], "SELL")]
    assert (margin(busy, short) > 1.5 * margin(flat, short)) is counts


def test_two_legs_at_zerodha_are_the_increment_and_at_dhan_the_total():
    zerodha, dhan = server_of("zerodha"), server_of("dhan")
    shorts, wings = straddle_and_wings(zerodha)
    assert margin(zerodha, wings) < 0 < margin(dhan, wings)
    assert margin(dhan, shorts) > margin(zerodha, shorts)


@pytest.mark.parametrize("name", ["fyers", "shoonya", "flattrade", "kotak"])
def test_span_and_exposure_are_zero_where_the_broker_does_not_tell_them(name):
    server = server_of(name)
    data = server.ok("margin", positions=[leg(server.wing(0)[0], "SELL")])["data"]
    assert (data["span_margin"], data["exposure_margin"]) == (0, 0)
    assert data["total_margin_required"] > 100_000


@pytest.mark.parametrize("name", ["pocketful", "xts"])
def test_a_broker_without_a_margin_call_answers_501(name):
    server = server_of(name)
    status, answer = server.post("margin", positions=[leg(server.wing(0)[0], "SELL")])
    assert (status, answer["status"]) == (501, "error")
    assert "does not support margin calculator" in answer["message"]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("zerodha", "open"),
        ("dhan", "TRANSIT"),
        ("fyers", "unknown"),
        ("upstox", "put order req received"),
        ("kotak", "put order req received"),
        ("shoonya", "open"),
        ("xts", "PendingNew"),
    ],
)
def test_an_order_on_its_way_has_the_broker_s_word(name, word):
    server = server_of(name)
    symbol, quote = server.wing()
    _, answer = server.buy(symbol, round(quote["ask"] + 1, 2))
    status = {"strategy": "x", "orderid": str(answer["orderid"])}
    assert server.ok("orderstatus", **status)["data"]["order_status"] == word
    server.wait(1)
    assert server.ok("orderstatus", **status)["data"]["order_status"] == "complete"


@pytest.mark.parametrize(("name", "word"), [("dhan", "PART_TRADED"), ("xts", "PartiallyFilled"), ("kotak", "open")])
def test_a_partly_filled_order_has_the_broker_s_word(name, word):
    server = server_of(name)
    symbol, quote = server.wing(steps=0)
    server.buy(symbol, quote["ask"], quantity=65 * 27)
    server.wait(0.95)
    row = server.ok("orderbook")["data"]["orders"][-1]
    assert row["order_status"] == word
    assert 0 < sum(t["quantity"] for t in server.ok("tradebook")["data"] if t["orderid"] == row["orderid"]) < 65 * 27


def test_what_lapses_at_the_close_is_expired_at_dhan_and_cancelled_elsewhere():
    words = {}
    for name in ("zerodha", "dhan"):
        server = server_of(name, at="15:39:50")
        symbol, quote = server.wing(steps=-4)
        server.buy(symbol, round(quote["bid"] - 10, 2))
        server.wait(60)
        words[name] = server.ok("orderbook")["data"]["orders"][-1]["order_status"]
    assert words == {"zerodha": "cancelled", "dhan": "EXPIRED"}


@pytest.mark.parametrize(("name", "word"), [("shoonya", "open"), ("flattrade", "open"), ("zerodha", "trigger pending")])
def test_a_resting_stop_is_open_on_the_noren_family(name, word):
    server = server_of(name)
    symbol, quote = server.wing()
    trigger = round(quote["ask"] + 5, 2)
    server.buy(symbol, round(trigger + 1, 2), pricetype="SL", trigger_price=trigger)
    server.wait(1)
    assert server.ok("orderbook")["data"]["orders"][-1]["order_status"] == word


def test_order_ids_are_integers_at_xts_and_may_be_asked_for_as_strings():
    server = server_of("xts")
    symbol, quote = server.wing()
    _, answer = server.buy(symbol, round(quote["ask"] + 1, 2))
    assert isinstance(answer["orderid"], int)
    server.wait(1)
    assert server.ok("tradebook")["data"][-1]["orderid"] == answer["orderid"]
    assert (
        server.ok("orderstatus", strategy="x", orderid=str(answer["orderid"]))["data"]["orderid"] == answer["orderid"]
    )


@pytest.mark.parametrize(
    ("name", "average", "quantity", "ltp"),
    [
        ("zerodha", str, int, True),
        ("dhan", float, int, True),
        ("flattrade", str, str, True),
        ("kotak", float, int, False),
    ],
)
def test_position_rows_have_the_broker_s_types(name, average, quantity, ltp):
    row = server_of(name).ok("positionbook")["data"][0]
    assert (type(row["average_price"]), type(row["quantity"])) == (average, quantity)
    assert ("ltp" in row, "pnl" in row) == (ltp, ltp)


def test_filled_quantities_show_only_where_the_broker_tells_them():
    assert "filled_quantity" not in server_of("kotak").ok("orderbook")["data"]["orders"][0]
    row = server_of("pocketful").ok("orderbook")["data"]["orders"][0]
    assert (row["filled_quantity"], row["pending_quantity"]) == (row["quantity"], 0)


def test_a_market_order_under_protection_is_a_limit_order_that_may_rest():
    plain, protected = server_of("zerodha"), server_of("kotak")
    symbol, quote = plain.wing(steps=5)
    for server in (plain, protected):
        server.buy(symbol, 0, pricetype="MARKET")
    rows = [server.ok("orderbook")["data"]["orders"][-1] for server in (plain, protected)]
    assert [(row["pricetype"], row["price"] > 0) for row in rows] == [("MARKET", False), ("LIMIT", True)]
    share = 0.05 if quote["ltp"] < 10 else 0.03
    assert rows[1]["price"] == pytest.approx(quote["ltp"] * (1 + share), abs=0.051)


def test_market_protection_of_a_cheap_option_is_a_tick_or_nothing():
    server = server_of("dhan")
    symbol = next(
        row["ce"]["symbol"]
        for row in server.ok("optionchain", underlying="NIFTY", exchange="NFO", expiry_date="01DEC26")["chain"]
        if row["ce"]["label"].startswith("OTM") and row["ce"]["ltp"] < 0.5 and row["ce"]["ask"] > row["ce"]["ltp"]
    )
    quote = server.ok("quotes", symbol=symbol, exchange="NFO")["data"]
    server.buy(symbol, 0, pricetype="MARKET")
    server.wait(0.95)
    row = server.ok("orderbook")["data"]["orders"][-1]
    assert row["price"] == pytest.approx(quote["ltp"])
    assert row["order_status"] in {"open", "complete"}


def test_a_refused_cancel_is_a_500_at_zerodha_alone():
    codes = {name: server_of(name).post("cancelorder", strategy="x", orderid="1")[0] for name in ("zerodha", "dhan")}
    assert codes == {"zerodha": 500, "dhan": 400}


def test_an_unknown_profile_is_refused_with_the_known_names():
    with pytest.raises(UnknownProfile, match="choose one of zerodha, dhan"):
        profile_named("nobody")
