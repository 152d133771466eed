"""The one place that knows OpenAlgo's JSON: request bodies out, frozen typed values or typed errors in.

Every `parse_*` takes an `Answer` (status, body, time of the request) and raises nothing but a `BrokerError`.
"""

from hedging.brokers.openalgo.wire.account import (
    MAX_MARGIN_LEGS,
    PositionRows,
    margin_request,
    parse_analyzer,
    parse_funds,
    parse_margin,
    parse_ping,
    parse_positions,
)
from hedging.brokers.openalgo.wire.answer import Answer, parse_object
from hedging.brokers.openalgo.wire.books import parse_order_book, parse_trade_book
from hedging.brokers.openalgo.wire.market import (
    MAX_STRIKES_EACH_SIDE,
    chain_request,
    depth_request,
    expiry_request,
    listing_request,
    parse_chain,
    parse_depth,
    parse_expiries,
    parse_listing,
    parse_spot,
    parse_timings,
    spot_request,
)
from hedging.brokers.openalgo.wire.orders import cancel_request, classify_cancel, classify_place, place_request

__all__ = [
    "MAX_MARGIN_LEGS",
    "MAX_STRIKES_EACH_SIDE",
    "Answer",
    "PositionRows",
    "cancel_request",
    "chain_request",
    "classify_cancel",
    "classify_place",
    "depth_request",
    "expiry_request",
    "listing_request",
    "margin_request",
    "parse_analyzer",
    "parse_chain",
    "parse_depth",
    "parse_expiries",
    "parse_funds",
    "parse_listing",
    "parse_margin",
    "parse_object",
    "parse_order_book",
    "parse_ping",
    "parse_positions",
    "parse_spot",
    "parse_timings",
    "parse_trade_book",
    "place_request",
    "spot_request",
]
