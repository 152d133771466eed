"""Order writes on the wire: the bodies of /placeorder and /cancelorder, and what their replies prove (orders.md section 4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from hedging.brokers.base import CancelReply, OrderRequest, PlaceReply, ReplyClass
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.brokers.openalgo.wire.answer import BAD_KEY_WORDS, Answer, message_of, parse_object
from hedging.brokers.openalgo.wire.values import Json, order_id_or_none

_TIMEOUT_WORDS = ("timed out", "timeout", "time out", "time-out", "check the order book", "check order book")
# OpenAlgo prints its validation errors as a Python dict: {'quantity': ['Not a valid string.']}
_VALIDATION = re.compile(r"\{'\w+': [\[{]")
_BROKEN_JSON = "the browser (or proxy) sent a request"


def place_request(request: OrderRequest) -> Json:
    """Return the body of /placeorder. Only known fields: OpenAlgo refuses any other, and keeps no client id."""
    return {
        "strategy": request.strategy,
        "symbol": format_symbol(request.contract),
        "exchange": request.contract.exchange.value,
        "action": request.side.value,
        "quantity": str(request.quantity),
        "pricetype": "LIMIT",
        "product": request.product.value,
        "price": format(request.limit_price, "f"),
        "trigger_price": "0",
        "disclosed_quantity": "0",
    }


def cancel_request(order_id: str, strategy: str) -> Json:
    """Return the body of /cancelorder; the id must be a JSON string."""
    return {"strategy": strategy, "orderid": order_id}


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: Json | None
    text: str

    @property
    def fields(self) -> Json:
        return self.body or {}

    @property
    def order_id(self) -> str | None:
        return order_id_or_none(self.fields.get("orderid"))

    @property
    def client_error(self) -> bool:
        # A body that is no JSON comes from somewhere on the way, and who knows what happened behind it.
        return 400 <= self.status < 500 and self.body is not None

    def says(self, *words: str) -> bool:
        return any(word in self.text for word in words)


@dataclass(frozen=True, slots=True)
class _Rule:
    applies: Callable[[_Reply], bool]
    outcome: ReplyClass
    needs_book_check: bool = False
    infrastructure: bool = False
    unread: bool = False


_U, _R = ReplyClass.UNKNOWN, ReplyClass.REJECTED
PLACE_RULES: tuple[_Rule, ...] = (
    # The first rule that applies decides; what none knows is UNKNOWN.
    _Rule(lambda r: r.status >= 500 or r.body is None, _U, infrastructure=True),
    _Rule(lambda r: r.fields.get("mode") == "analyze", ReplyClass.MODE_MISMATCH),
    _Rule(
        lambda r: r.status == 200 and (r.fields.get("mode") == "semi_auto" or "pending_order_id" in r.fields),
        ReplyClass.QUEUED_UPSTREAM,
    ),
    _Rule(
        lambda r: (
            r.status == 200
            and r.fields.get("status") == "success"
            and r.order_id is not None
            and r.fields.get("mode") in (None, "live")  # no set: the field may hold a list, which has no hash
        ),
        ReplyClass.ACKED,
    ),
    _Rule(lambda r: not r.client_error or r.status == 408 or "orderid" in r.fields, _U),
    _Rule(lambda r: r.says(*_TIMEOUT_WORDS), _U, infrastructure=True),
    # OpenAlgo's own 429 has no `status`, and its own 404 a `path`; with other bodies they are the broker's.
    _Rule(lambda r: r.status == 429 and "status" not in r.fields, _R, unread=True),
    _Rule(lambda r: r.status in {401, 403} and r.says(*BAD_KEY_WORDS), _R, unread=True),
    _Rule(lambda r: r.status == 404 and "path" in r.fields, _R, unread=True),
    _Rule(
        lambda r: (
            r.status == 400
            and (
                isinstance(r.fields.get("message"), dict)
                or "errors" in r.fields
                or _VALIDATION.match(r.text) is not None
                or ("status" not in r.fields and r.says(_BROKEN_JSON))
            )
        ),
        _R,
    ),
    _Rule(lambda r: r.fields.get("status") == "error", _R, needs_book_check=True),
)


def classify_place(answer: Answer) -> PlaceReply:
    """Return what the answer to one order POST proves. Never raises; the default is UNKNOWN."""
    body = parse_object(answer.body)
    message = message_of(body) if body is not None else f"{answer.status} with a body that is no JSON object"
    reply = _Reply(answer.status, body, message.lower())
    for rule in PLACE_RULES:
        if rule.applies(reply):
            break
    else:
        return PlaceReply(_U, message=message)
    order_id = reply.order_id if rule.outcome is ReplyClass.ACKED else None
    return PlaceReply(rule.outcome, order_id, message, rule.needs_book_check, rule.infrastructure, rule.unread)


def classify_cancel(answer: Answer) -> CancelReply:
    """Return whether a cancel was taken: yes, no, or nobody can say. Zerodha answers every failed cancel with 500."""
    body = parse_object(answer.body)
    if body is None or answer.status >= 500:
        return CancelReply(None, message_of(body) if body is not None else f"{answer.status}, no JSON object")
    message = message_of(body)
    if body.get("mode") == "analyze":
        return CancelReply(None, f"OpenAlgo is in analyzer mode. {message}".strip())
    if answer.status == 200 and body.get("status") == "success" and body.get("mode") in (None, "live"):
        return CancelReply(accepted=True, message=message)
    refused = (
        400 <= answer.status < 500 and answer.status != 408 and not any(w in message.lower() for w in _TIMEOUT_WORDS)
    )
    return CancelReply(accepted=False if refused else None, message=message)
