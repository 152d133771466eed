"""What the reply to an order proves (orders.md section 4): each row of the table, from recorded answers where there are any."""

import pytest

from hedging.brokers.base import ReplyClass, UnreadableAnswer
from hedging.brokers.openalgo import wire
from hedging.brokers.openalgo.wire.orders import PLACE_RULES
from tests.contract.recorded import answer, body_of, made, names

ANSWERED = [n for n in names("*/placeorder__*") if n != "errors/placeorder__client_timeout_1s_broker_slow_4s"]


def group(text, kind):
    return {f"{kind}/placeorder__{case}" for case in text.split()}


RECORDED = {
    ReplyClass.ACKED: group(
        "above_freeze accepted_then_rejected empty_strategy limit_marketable limit_resting long_strategy_text "
        "lowercase_action market_buy market_sell missing_pricetype_product partial_fill quantity_as_float "
        "quantity_as_int sl_limit three_fills",
        "live",
    )
    | group(
        "normal ok_before_tradebook_failure same_order_again same_order_first validation_pending validation_pending_2",
        "errors",
    ),
    ReplyClass.QUEUED_UPSTREAM: group("queued", "semi_auto"),
    ReplyClass.MODE_MISMATCH: group(
        "above_freeze hundred_lots_short insufficient_margin limit_marketable limit_price_zero limit_resting market_buy "
        "market_buy_gunicorn_eventlet market_sell mis_product nfo_cnc not_lot_multiple quote_source_down_limit "
        "quote_source_down_market seven_lots sl_limit unknown_symbol",
        "analyze",
    ),
    ReplyClass.UNKNOWN: group(
        "broker_answers_html broker_error_502 broker_plugin_raises broker_timeout_10s form_encoded json_array "
        "lost_answer_order_is_live no_body wrong_content_type",
        "errors",
    ),
}
REJECTED_AT_ONCE = (
    group(
        "bad_action bad_exchange bad_pricetype bad_product extra_field fractional_quantity missing_strategy "
        "missing_symbol negative_quantity zero_quantity",
        "live",
    )
    | group(
        "broker_session_revoked get_method malformed_json missing_apikey no_body_json_type rate_limit_exceeded wrong_apikey",
        "errors",
    )
    | group("bad_pricetype extra_field missing_symbol wrong_apikey", "analyze")
)
REJECTED_AFTER_A_BOOK_READ = group(
    "limit_price_zero not_lot_multiple refused_by_broker unknown_symbol", "live"
) | group("broker_error_400 broker_error_429 broker_token_expired", "errors")
EXPECTED = {
    **{name: (outcome, False) for outcome, members in RECORDED.items() for name in members},
    **dict.fromkeys(REJECTED_AT_ONCE, (ReplyClass.REJECTED, False)),
    **dict.fromkeys(REJECTED_AFTER_A_BOOK_READ, (ReplyClass.REJECTED, True)),
}


def test_every_recorded_reply_has_its_class():
    assert sorted(EXPECTED) == ANSWERED


@pytest.mark.parametrize("name", ANSWERED)
def test_a_recorded_reply_is_classified(name):
    reply = wire.classify_place(answer(name))
    assert (reply.outcome, reply.needs_book_check) == EXPECTED[name]
    acked = reply.outcome is ReplyClass.ACKED
    assert reply.order_id == (body_of(name)["orderid"] if acked else None)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "success"},
        {"status": "success", "orderid": None},
        {"status": "success", "orderid": ""},
        {"status": "success", "orderid": 0},
        {"status": "success", "orderid": True},
        {"status": "success", "orderid": ["1"]},
        {"status": "success", "orderid": "1", "mode": "something new"},
        {"status": "error", "orderid": "1"},
        {"orderid": "1"},
        {"status": "error", "message": "rejected inside a 200"},
        {},
    ],
)
def test_a_200_without_a_plain_order_id_proves_nothing(body):
    assert wire.classify_place(made(200, body)).outcome is ReplyClass.UNKNOWN


def test_an_integer_order_id_is_an_order_id():
    reply = wire.classify_place(made(200, {"status": "success", "orderid": 1101}))
    assert (reply.outcome, reply.order_id) == (ReplyClass.ACKED, "1101")


@pytest.mark.parametrize("status", [400, 403, 404, 408, 429])
@pytest.mark.parametrize(
    "message",
    ["Order request timed out. Please check the order book", "Gateway Time-out", "Connection TIMEOUT", "read time out"],
)
def test_words_of_a_timeout_in_a_4xx_prove_nothing(status, message):
    assert wire.classify_place(made(status, {"status": "error", "message": message})).outcome is ReplyClass.UNKNOWN


@pytest.mark.parametrize("status", [100, 201, 202, 204, 301, 302, 307, 408, 500, 501, 502, 503, 504, 520, 599])
def test_a_status_that_says_neither_yes_nor_no_proves_nothing(status):
    for body in ({"status": "error", "message": "x"}, {"status": "success", "message": "x"}, b"<html>", b""):
        assert wire.classify_place(made(status, body)).outcome is ReplyClass.UNKNOWN


@pytest.mark.parametrize("status", [200, 400, 403, 404, 429])
@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"[]", b"null", b'{"status":"succ', b"\xff"])
def test_a_body_that_is_no_json_object_proves_nothing(status, body):
    assert wire.classify_place(made(status, body)).outcome is ReplyClass.UNKNOWN


def test_a_refusal_that_carries_an_order_id_proves_nothing():
    assert (
        wire.classify_place(made(400, {"status": "error", "message": "no", "orderid": "7"})).outcome
        is ReplyClass.UNKNOWN
    )


def test_a_4xx_without_a_known_shape_proves_nothing():
    assert wire.classify_place(made(400, {"message": "something"})).outcome is ReplyClass.UNKNOWN


def test_a_queued_order_is_known_by_its_pending_id_alone():
    reply = wire.classify_place(made(200, {"status": "success", "pending_order_id": 4, "orderid": "9"}))
    assert (reply.outcome, reply.order_id) == (ReplyClass.QUEUED_UPSTREAM, None)


def test_a_paper_order_of_openalgo_is_a_mode_mismatch_and_never_acked():
    reply = wire.classify_place(made(200, {"status": "success", "orderid": "9", "mode": "analyze"}))
    assert (reply.outcome, reply.order_id) == (ReplyClass.MODE_MISMATCH, None)


def test_a_500_in_analyzer_mode_is_still_unknown():
    assert wire.classify_place(made(500, {"status": "error", "mode": "analyze"})).outcome is ReplyClass.UNKNOWN


def test_only_one_rule_acknowledges():
    assert [rule.outcome for rule in PLACE_RULES].count(ReplyClass.ACKED) == 1


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("live/cancelorder__ok", True),
        ("live/cancelorder__partial_rest", True),
        ("errors/cancelorder__in_flight", True),
        ("live/cancelorder__unknown", None),
        ("live/cancelorder__completed", None),
        ("live/cancelorder__already_cancelled", None),
        ("errors/cancelorder__broker_error_400", None),
        ("errors/cancelorder__broker_plugin_raises", None),
        ("errors/cancelorder__wrong_apikey", False),
        ("semi_auto/cancelorder__blocked", False),
        ("analyze/cancelorder__ok", None),
    ],
)
def test_a_cancel_is_taken_or_refused_or_nobody_can_say(name, accepted):
    assert wire.classify_cancel(answer(name)).accepted is accepted


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b""), (200, {"status": "error"}), (400, {"status": "error", "message": "request timed out"}), (302, {})],
)
def test_a_doubtful_cancel_is_not_known(status, body):
    assert wire.classify_cancel(made(status, body)).accepted is None


@pytest.mark.parametrize("mode", [0, [], {}, "paper", True])
def test_a_mode_that_nobody_knows_is_neither_a_reading_nor_an_order_nor_a_cancel(mode):
    body = {"status": "success", "orderid": "11", "data": {"broker": "zerodha"}, "mode": mode}
    with pytest.raises(UnreadableAnswer):
        wire.parse_ping(made(200, body))
    assert wire.classify_place(made(200, body)).outcome is ReplyClass.UNKNOWN
    assert wire.classify_cancel(made(200, body)).accepted is None


@pytest.mark.parametrize(
    ("status", "body", "unread"),
    [
        (429, {"error": "Rate limit exceeded"}, True),
        (403, {"status": "error", "message": "Invalid openalgo apikey"}, True),
        (404, {"path": "/api/v1/placeorder"}, True),
        (400, {"status": "error", "message": {"quantity": ["must be positive"]}}, False),
        (400, {"status": "error", "message": "margin exceeds"}, False),
    ],
)
def test_only_what_refuses_before_it_looks_at_the_order_blames_nothing_in_it(status, body, unread):
    reply = wire.classify_place(made(status, body))
    assert (reply.outcome, reply.unread) == (ReplyClass.REJECTED, unread)
