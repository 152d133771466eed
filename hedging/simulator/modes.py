"""Modes of the whole server: analyzer, semi-auto, a dead session, the master contract's gap. Texts as recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from typing import Any

from hedging.simulator.day import IST
from hedging.simulator.desk import Answer, error
from hedging.simulator.exchange import Exchange
from hedging.simulator.faults import Active, Faults, FaultSpec
from hedging.simulator.orders import SECOND
from hedging.simulator.paper import PaperDesk

EXPIRY = time(3, 0)
_TOKEN = "Incorrect `api_key` or `access_token`."  # noqa: S105 - the broker's words
_NO_SESSION_NEEDED = frozenset({"expiry", "market/holidays", "market/timings"})
_TOKEN_UNUSED = frozenset({"ping", "analyzer", "symbol"}) | _NO_SESSION_NEEDED
_BLOCKED = {"cancelorder": "Cancel", "modifyorder": "Modify"}


class Modes:
    """The modes of one server: `answer` says what a mode answers instead of the account."""

    def __init__(self, *, exchange: Exchange, faults: Faults, paper: PaperDesk) -> None:
        self._exchange = exchange
        self._faults = faults
        self.paper = paper
        self.waiting: dict[int, dict[str, Any]] = {}
        self._queued = 0
        day = exchange.day
        self._expires: datetime | None = day.moment(EXPIRY) if day.starts < EXPIRY else None

    def tick(self, now: datetime) -> None:
        """Let the broker's token die at 03:00 IST, if the day began before; a person clears it by logging in."""
        if self._expires is not None and now >= self._expires:
            since = self._expires - self._exchange.market.opens_at
            self._faults.add(FaultSpec.of(endpoint="*", kind="session"), at_us=int(since.total_seconds()) * SECOND)
            self._expires = None

    def answer(
        self, endpoint: str, body: dict[str, Any], active: Active, *, wrong_key: Callable[[], Answer]
    ) -> Answer | None:
        """Return the answer of a mode in force, or `None` when the account answers."""
        if "session" in active and endpoint not in _NO_SESSION_NEEDED:
            fault = active["session"]
            if self._exchange.us - fault.since_us >= fault.value * SECOND:
                return wrong_key()
            if endpoint not in _TOKEN_UNUSED:
                return _token_is_dead(endpoint, body)
        analyzing = "analyze" in active
        if "semi_auto" in active:
            if endpoint == "placeorder":
                return self._queue(body)
            if endpoint in _BLOCKED and not analyzing:
                verb = _BLOCKED[endpoint]
                message = (
                    f"{verb} order operation is not allowed in Semi-Auto mode. "
                    f"Please switch to Auto mode to {verb.lower()} orders."
                )
                return error(403, message)
        return self.paper.answer(endpoint, body) if analyzing else None

    def _queue(self, body: dict[str, Any]) -> Answer:
        self._queued += 1
        self.waiting[self._queued] = {name: body[name] for name in body if name != "apikey"}
        return 200, {
            "message": "Order queued for approval in Action Center",
            "mode": "semi_auto",
            "pending_order_id": self._queued,
            "status": "success",
        }

    def approved(self, number: int) -> dict[str, Any] | None:
        """Take an order out of the queue, for its placement; `None` if it does not wait."""
        return self.waiting.pop(number, None)

    def state(self) -> dict[str, Any]:
        """Return what waits for approval, and the IST time of the exchange, as JSON-able values."""
        return {
            "pending": [{"pending_order_id": number, **body} for number, body in self.waiting.items()],
            "now": self._exchange.now.astimezone(IST).isoformat(),
        }


def _token_is_dead(endpoint: str, body: dict[str, Any]) -> Answer:
    """Return what a server with a dead broker token answers: 500 with the broker's words, and a few oddities."""
    if endpoint == "funds":
        return 200, {"data": {}, "status": "success"}
    if endpoint == "margin":
        return error(403, f"TokenException: {_TOKEN}")
    if endpoint in {"placeorder", "modifyorder"}:
        return error(403, _TOKEN)
    if endpoint == "cancelorder":
        return error(500, f"Failed to cancel order: {_TOKEN}")
    if endpoint in {"optionchain", "optionsymbol"}:
        return 500, {"status": "error", "message": f"Failed to fetch LTP for {body['underlying']}: {_TOKEN}"}
    return error(500, _TOKEN)
