"""Replies: what may become of one order POST, on the wire and behind it, and how often a schedule meets it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from random import Random
from typing import Any

from hedging.brokers.base import PlaceReply, ReplyClass
from hedging.brokers.openalgo.wire.answer import Answer
from hedging.brokers.openalgo.wire.orders import classify_place

LATEST_ACCEPTANCE = 115.0
"""Seconds after the POST by which what OpenAlgo passed on is with the exchange: its own client waits 120 s."""


class Accepts(StrEnum):
    """Whether the order reaches the exchange, whatever the reply says."""

    NOW = "now"
    LATE = "late"
    QUEUED = "queued"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fate of a POST: how often (weight), whether it is accepted, after how many seconds the reply comes, and which.

    `status` 0 is a connection that breaks (the outcome is unknown), -1 one that was never made.
    """

    name: str
    weight: float
    accepts: Accepts
    slowest: float
    status: int
    body: Mapping[str, Any]

    def reply(self, *, order_id: str | None, asked_at: datetime) -> PlaceReply:
        """Return what production's own classifier makes of the answer."""
        if self.status == -1:
            return PlaceReply(ReplyClass.NOT_SENT, message=self.name)
        if self.status == 0:
            return PlaceReply(ReplyClass.UNKNOWN, message=self.name)
        body = dict(self.body) | ({"orderid": order_id} if self.body.get("orderid") else {})
        return classify_place(Answer(self.status, json.dumps(body).encode(), asked_at))


_OK = {"status": "success", "orderid": "of the order"}
_FAILED = {"status": "error", "message": "Failed to place order: upstream connect error"}
_TIMED_OUT = {"status": "error", "message": "Order request timed out. Please check the order book"}
FAULTS: tuple[Fault, ...] = (
    Fault("acknowledged", 5, Accepts.NOW, 1.0, 200, _OK),
    Fault("acknowledged late", 2, Accepts.NOW, 34.0, 200, _OK),
    Fault("reset before acceptance", 2, Accepts.NEVER, 1.0, 0, {}),
    Fault("reset after acceptance", 2, Accepts.NOW, 1.0, 0, {}),
    Fault("reset, accepted late", 20, Accepts.LATE, 2.0, 0, {}),
    Fault("drip until the deadline, accepted late", 10, Accepts.LATE, 35.0, 0, {}),
    Fault("500 after acceptance", 1.5, Accepts.NOW, 2.0, 500, _FAILED),
    Fault("500, accepted late", 19, Accepts.LATE, 5.0, 500, _FAILED),
    Fault("400 'timed out', accepted late", 19, Accepts.LATE, 10.0, 400, _TIMED_OUT),
    Fault("200 without an order id, accepted late", 11, Accepts.LATE, 1.0, 200, {"status": "success", "orderid": None}),
    Fault("connection refused", 2, Accepts.NEVER, 0.1, -1, {}),
    Fault("429", 1.5, Accepts.NEVER, 0.1, 429, {"error": "Rate limit exceeded"}),
    Fault("400 of OpenAlgo's validation", 1, Accepts.NEVER, 0.1, 400, {"message": {"quantity": ["Not a number"]}}),
    Fault("rejected by the broker", 1.5, Accepts.NEVER, 1.0, 400, {"status": "error", "message": "Margin exceeds"}),
    Fault("rejected in words, yet accepted", 1.5, Accepts.NOW, 1.0, 400, {"status": "error", "message": "Failed"}),
    Fault(
        "semi_auto", 1.5, Accepts.QUEUED, 0.2, 200, {"status": "success", "mode": "semi_auto", "pending_order_id": 7}
    ),
    Fault("analyzer mode", 1, Accepts.NEVER, 0.2, 200, {"status": "success", "mode": "analyze", "orderid": "of paper"}),
)
_WEIGHTS = tuple(fault.weight for fault in FAULTS)


def draw(random: Random) -> Fault:
    """Return the fate of one POST."""
    return random.choices(FAULTS, weights=_WEIGHTS)[0]


def lateness(random: Random, *, after: float) -> float:
    """Return the seconds after the POST at which a late acceptance happens, given that the reply took `after`."""
    low, high = random.choices(((0.2, 5.0), (5.0, 40.0), (40.0, 110.0)), weights=(25, 45, 30))[0]
    return min(LATEST_ACCEPTANCE, after + random.uniform(low, high))
