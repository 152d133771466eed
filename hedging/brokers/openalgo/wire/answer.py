"""The envelope of OpenAlgo's answers: what is a success, and which typed error everything else is.

Source: contract.md sections 1.1 and 1.2. Bodies may lack `status`, carry `message` as text or object, or be HTML.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NoReturn, cast

import orjson

from hedging.brokers.base import (
    AnalyzerMode,
    AuthenticationFailed,
    BrokerError,
    BrokerRefused,
    BrokerUnavailable,
    NotOffered,
    RateLimited,
    UnreadableAnswer,
)
from hedging.brokers.openalgo.wire.values import Json, as_text

BAD_KEY_WORDS = ("invalid openalgo apikey", "invalid api key", "invalid or missing api key")
DEAD_SESSION_WORDS = (
    "access_token",
    "tokenexception",
    "invalid token",
    "token expired",
    "session expired",
    "broker-specific module not found",  # what /depth says for a wrong key
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer as it came. `asked_at` is the wall time of the request: the age of a reading counts from there.

    `skew_seconds` is how far the clock of the `Date` header surely is from ours, `None` without such a header.
    """

    status: int
    body: bytes
    asked_at: datetime
    skew_seconds: float | None = None


def parse_object(body: bytes) -> Json | None:
    """Return the body as a JSON object with exact decimals, `None` when it is anything else."""
    try:
        value: object = _JSON.decode(body.removeprefix(codecs.BOM_UTF8).decode())
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return cast("Json", value) if isinstance(value, dict) else None


def parse_market(body: bytes) -> Json | None:
    """Return the body as `parse_object` does, by a faster reader whose numbers are floats.

    For prices, which have few digits: the decimal that a float was read from is its shortest one. Never for what may hold ids.
    """
    try:
        value: object = orjson.loads(body.removeprefix(codecs.BOM_UTF8))
    except ValueError:
        return None
    return cast("Json", value) if isinstance(value, dict) else None


def message_of(body: Json) -> str:
    """Return the server's message as one line, whether it was text, an object, or is missing."""
    message = body.get("message")
    if message is None:
        message = body.get("error")
    if isinstance(message, dict | list):
        message = json.dumps(message, default=str)
    errors = body.get("errors")
    detail = f" {json.dumps(errors, default=str)}" if errors else ""
    return as_text(f"{'' if message is None else message}{detail}")


def success_body(answer: Answer, *, read: Callable[[bytes], Json | None] = parse_object) -> Json:
    """Return the object of a successful answer; raise the typed error of any other."""
    body = read(answer.body)
    if answer.status != 200 or body is None:
        raise failure(answer, body)
    status = body.get("status")
    if status == "success":
        mode = body.get("mode")
        if mode == "analyze":
            raise AnalyzerMode("OpenAlgo is in analyzer mode: its books and funds are paper. Switch the analyzer off.")
        if mode not in (None, "live"):
            raise UnreadableAnswer(f"an answer of mode {as_text(mode, 40)!r}, which we do not know")
        return body
    message = message_of(body)
    if status == "error":
        # Seen on /margin: the broker answered 200 with an error payload, and OpenAlgo passed the 200 on.
        raise _refusal(200, message)
    raise UnreadableAnswer(f"200 without a known status: {message or 'no message'}")


def failure(answer: Answer, body: Json | None) -> BrokerError:
    """Return the error that an unsuccessful HTTP answer stands for."""
    status = answer.status
    message = message_of(body) if body is not None else as_text(answer.body[:400].decode("utf-8", "replace"), 200)
    if status == 429:
        return RateLimited(f"429: {message.rstrip('.') or 'too many requests'}. Slow down; nothing was done.")
    if 400 <= status < 500 and status != 408:
        return _refusal(status, message)
    if status == 501:
        return NotOffered(f"501: {message}. This broker offers no such call.")
    if body is not None and _mentions(message, DEAD_SESSION_WORDS):
        return _refusal(status, message)
    if 200 <= status < 300:
        return BrokerUnavailable(f"{status} with a body that is no JSON object: {message}")
    if 300 <= status < 400:
        return BrokerUnavailable(f"{status}: a redirect is not followed. Set OPENALGO_BASE_URL to the final address.")
    return BrokerUnavailable(f"{status}: {message or 'no message'}")


def _refusal(status: int, message: str) -> BrokerRefused:
    if status == 401 or _mentions(message, BAD_KEY_WORDS) or _mentions(message, DEAD_SESSION_WORDS):
        return AuthenticationFailed(
            f"{status}: {message.rstrip('.')}. Wrong OPENALGO_API_KEY, or no broker session: log in to OpenAlgo and try again."
        )
    return BrokerRefused(f"{status}: {message or 'refused without a message'}")


def _mentions(message: str, words: tuple[str, ...]) -> bool:
    lower = message.lower()
    return any(word in lower for word in words)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
