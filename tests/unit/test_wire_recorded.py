"""Every recorded answer of a real server becomes a typed value or a typed error, or is of an endpoint that we never call."""

from decimal import Decimal

import pytest

from hedging.brokers.base import (
    AnalyzerMode,
    AuthenticationFailed,
    BrokerError,
    BrokerRefused,
    BrokerUnavailable,
    RateLimited,
    UnreadableAnswer,
)
from tests.contract.reading import READERS
from tests.contract.recorded import answer, made, names, recorded

ALL = names("*/*")

NEVER_CALLED = {
    "analyzer_toggle": "switching the mode of somebody's server is not ours to do",
    "basketorder": "fires its legs at once and answers success whatever became of them",
    "cancelallorder": "acts on the whole account",
    "closeposition": "acts on the whole account",
    "holdings": "shares are no part of option margin",
    "market_holidays": "the trading calendar is our own table",
    "market_timings": "the trading calendar is our own table",
    "modifyorder": "a changed order would lose its fingerprint; we cancel and place anew",
    "multioptiongreeks": "Greeks are computed by our own engine",
    "multiquotes": "the chain and the depth hold every price that we need",
    "nosuchendpoint": "does not exist",
    "openposition": "0 for a wrong symbol looks like flat; we read the position book",
    "optiongreeks": "Greeks are computed by our own engine",
    "optionsmultiorder": "chooses strikes by itself, and sells although a buy failed",
    "optionsorder": "chooses the strike by itself",
    "optionsymbol": "symbols come from the chain",
    "orderstatus": "one order's first trade price; we read both books instead",
    "placesmartorder": "a target of 0 on a flat position opens a naked short",
    "pnl_symbols": "profit is summed from our own fills",
    "search": "symbols come from the chain",
    "splitorder": "answers success whatever became of its children; we slice by ourselves",
    "symbol": "lot and freeze are dated rows of our own",
    "syntheticfuture": "forwards are computed by our own engine",
    "telegram_notify": "alerts go to Telegram directly",
    "whatsapp_notify": "alerts go to Telegram",
    "ws": "books are polled: the stream has no replay and no order",
}

ERRORS: dict[type[BrokerError], set[str]] = {
    AnalyzerMode: {
        "analyze/funds__after_closeposition",
        "analyze/funds__after_one_short",
        "analyze/funds__flat",
        "analyze/funds__with_positions",
        "analyze/orderbook__after_cancelallorder",
        "analyze/orderbook__mixed",
        "analyze/positionbook__after_closeposition",
        "analyze/positionbook__mixed",
        "analyze/tradebook__mixed",
    },
    AuthenticationFailed: {
        f"errors/{endpoint}__{case}"
        for endpoint, cases in {
            "analyzer_status": "broker_session_revoked wrong_apikey",
            "depth": "broker_token_expired wrong_apikey",
            "expiry": "wrong_apikey",
            "funds": "broker_session_revoked wrong_apikey",
            "margin": "broker_session_revoked broker_token_expired wrong_apikey",
            "optionchain": "broker_session_revoked wrong_apikey",
            "orderbook": "broker_session_revoked broker_token_expired wrong_apikey",
            "ping": "broker_session_revoked wrong_apikey",
            "positionbook": "broker_token_expired",
            "quotes": "broker_session_revoked broker_token_expired wrong_apikey",
            "tradebook": "broker_token_expired",
        }.items()
        for case in cases.split()
    },
    RateLimited: {"errors/margin__broker_error_429", "errors/ping__rate_limit_exceeded"},
    UnreadableAnswer: {
        "errors/funds__broker_error_400",
        "errors/funds__broker_timeout_10s",
        "errors/funds__broker_token_expired",
        "errors/optionchain__leg_quotes_fail",
        "errors/optionchain__leg_quotes_fail_greeks",
        "live/expiry__unknown_symbol",
    },
    BrokerRefused: {
        "errors/funds__empty_apikey",
        "errors/funds__get_method",
        "errors/funds__malformed_json",
        "errors/funds__missing_apikey",
        "errors/funds__no_body_json_type",
        "errors/margin__broker_error_400",
        "live/depth__bad_symbol",
        "live/expiry__index_exchange",
        "live/margin__bad_symbol_only",
        "live/margin__extra_field",
        "live/margin__fiftyone_legs",
        "live/margin__quantity_as_int",
        "live/margin__quantity_zero",
        "live/margin__zero_legs",
        "live/optionchain__bad_expiry",
        "live/optionchain__bad_expiry_format",
        "live/optionchain__dashed_expiry",
        "live/optionchain__lowercase_expiry",
        "live/optionchain__missing_expiry",
        "live/optionchain__strike_count_0",
        "live/optionchain__strike_count_101",
        "live/optionchain__unknown_underlying",
        "live/quotes__bad_exchange",
        "live/quotes__bad_symbol",
        "live/quotes__lowercase_symbol",
    },
    BrokerUnavailable: {
        "errors/depth__broker_error_400",
        "errors/depth__broker_plugin_raises",
        "errors/funds__broker_plugin_raises",
        "errors/funds__form_encoded",
        "errors/funds__json_array",
        "errors/funds__no_body",
        "errors/funds__wrong_content_type",
        "errors/margin__broker_error_502",
        "errors/margin__broker_plugin_raises",
        "errors/margin__broker_timeout_10s",
        "errors/optionchain__underlying_quote_fails",
        "errors/orderbook__broker_data_null",
        "errors/orderbook__broker_error_400",
        "errors/orderbook__broker_plugin_raises",
        "errors/orderbook__broker_timeout_10s",
        "errors/orderbook__first_order_in_flight",
        "errors/positionbook__broker_error_400",
        "errors/positionbook__broker_plugin_raises",
        "errors/quotes__broker_error_400",
        "errors/quotes__broker_null",
        "errors/quotes__broker_plugin_raises",
        "errors/quotes__broker_timeout_10s",
        "errors/tradebook__broker_error_400",
        "errors/tradebook__broker_plugin_raises",
    },
}
EXPECTED = {name: error for error, group in ERRORS.items() for name in group}


def endpoint_of(name):
    return name.split("/")[1].split("__")[0]


CALLED = [name for name in ALL if endpoint_of(name) in READERS]
ANSWERED = [name for name in CALLED if recorded(name)["status_code"] is not None]
READS = [name for name in ANSWERED if endpoint_of(name) not in {"placeorder", "cancelorder"}]


def asked_in(name):
    asked = recorded(name)["request"].get("json")
    return asked if isinstance(asked, dict) else {"positions": [], "symbol": "", "underlying": "NIFTY"}


def test_all_391_recordings_are_here_and_each_endpoint_is_called_or_not_for_a_reason():
    assert len(ALL) == 391
    assert {endpoint_of(name) for name in ALL} == set(READERS) | set(NEVER_CALLED)
    assert set(READERS).isdisjoint(NEVER_CALLED)
    assert [name for name in CALLED if name not in ANSWERED] == ["errors/placeorder__client_timeout_1s_broker_slow_4s"]


def test_the_list_of_expected_errors_names_recordings_that_exist():
    assert set(EXPECTED) <= set(READS)


@pytest.mark.parametrize("name", READS)
def test_a_recorded_read_is_its_typed_value_or_exactly_its_typed_error(name):
    read = READERS[endpoint_of(name)]
    if name in EXPECTED:
        with pytest.raises(BrokerError) as caught:
            read(answer(name), asked_in(name))
        assert type(caught.value) is EXPECTED[name]
        assert str(caught.value)
    else:
        read(answer(name), asked_in(name))


def test_amounts_keep_every_decimal_of_the_wire():
    assert READERS["quotes"](made(200, b'{"status":"success","data":{"ltp":26012.350000000000001}}'), {}) == Decimal(
        "26012.350000000000001"
    )
