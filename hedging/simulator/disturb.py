"""How faults change an answer: refusals before anything is done, other words after it, spoilt prices, cut connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hedging.simulator.desk import Answer, Desk, error
from hedging.simulator.faults import Active
from hedging.simulator.json_text import decoded
from hedging.simulator.market import PRE_OPEN
from hedging.simulator.views_orders import OrderViews

CUT = "simulator.cut"
"""The WSGI environ's key under which the app tells its transport what to do with the connection."""

_WRITING = {"placeorder": "place", "modifyorder": "modify", "cancelorder": "cancel"}
_PRICES = frozenset({"ltp", "bid", "ask", "open", "high", "low", "prev_close", "volume", "oi", "price", "quantity"})
_MOVED = ("ltp", "bid", "ask", "open", "high", "low", "prev_close", "volume", "oi")


@dataclass(frozen=True, slots=True)
class Cut:
    """What happens to the connection: `refused`, `reset`, `drip` or `timeout`; `seconds` of wall time."""

    kind: str
    seconds: float = 0.0


def cut_before(active: Active) -> Cut | None:
    """Return the cut that keeps the request from being done at all."""
    if "refuse" in active:
        return Cut("refused")
    return Cut("reset") if "reset_before" in active else None


def cut_after(active: Active) -> Cut | None:
    """Return the cut of an answer to a request that was done."""
    if "reset_after" in active:
        return Cut("reset")
    return Cut("drip", active["drip"].value) if "drip" in active else None


def refused_instead(endpoint: str, active: Active, *, limit: int) -> Answer | None:
    """Return the answer of a fault that does nothing else, or `None`."""
    if "storm" in active:
        return 429, {"message": f"{limit} per 1 second"}
    if "broker_429" in active:
        return error(429 if endpoint in _WRITING else 500, "Too many requests")
    if "error_before" in active:
        return error(500, _internal(endpoint))
    return None


def _internal(endpoint: str) -> str:
    verb = _WRITING.get(endpoint)
    return f"Failed to {verb} order due to internal error" if verb else "The read operation timed out"


@contextmanager
def disturbed(active: Active, *, desks: tuple[Desk, ...], orders: OrderViews) -> Iterator[None]:
    """Set the faults of prices and books on the views while one request is answered."""
    now = orders.exchange.t
    pinned = None
    if "frozen" in active:
        pinned = min(now, active["frozen"].since_us // 1_000_000) if active["frozen"].since_us >= 0 else PRE_OPEN
    elif "stale" in active:
        pinned = max(PRE_OPEN, now - int(active["stale"].value))
    for desk in desks:
        desk.pinned = pinned
        desk.master_gap = "master_gap" in active
    orders.lag_us = int(active["lag"].value * 1_000_000) if "lag" in active else 0
    orders.leak_us = int(active["leak"].value * 1_000_000) if "leak" in active else None
    try:
        yield
    finally:
        for desk in desks:
            desk.pinned, desk.master_gap = None, False
        orders.lag_us, orders.leak_us = 0, None


def spoilt(endpoint: str, active: Active, answer: Answer) -> Answer:
    """Return what a fault makes of an answer to a request that was done."""
    status, body = answer
    if "error_after" in active:
        return error(500, _internal(endpoint))
    if "timeout_after" in active:
        return error(400, "Order request timed out. Please check the order book")
    if "error_200" in active:
        return error(200, "TokenException: Incorrect `api_key` or `access_token`.")
    if status != 200:
        return answer
    if "null_id" in active and "orderid" in body:
        return 200, {**body, "orderid": None}
    if "no_data" in active:
        return 200, {**body, "data": {}}
    if {"wrong", "zeros"} & active.keys():
        body = decoded(body)
    if "wrong" in active and endpoint == "optionchain":
        body = _shifted(body, int(active["wrong"].value))
    if "zeros" in active:
        body = _zeroed(body)
    if "skew" in active and "server_ts" in body:
        body = {**body, "server_ts": int(body["server_ts"] + active["skew"].value)}
    return status, body


def _zeroed(value: Any) -> Any:
    """Return an answer with every price of it 0; what an index stands at is no leg and stays in a chain."""
    if isinstance(value, dict):
        return {
            key: 0 if key in _PRICES and not isinstance(inner, (dict, list)) else _zeroed(inner)
            for key, inner in value.items()
        }
    return [_zeroed(inner) for inner in value] if isinstance(value, list) else value


def _shifted(body: dict[str, Any], steps: int) -> dict[str, Any]:
    """Return a chain in which every leg has the prices of the strike `steps` further up (the last ones: of the top)."""
    rows = body["chain"]
    shifted = []
    for n, row in enumerate(rows):
        other = rows[min(n + steps, len(rows) - 1)]
        shifted.append(
            {**row, **{side: {**row[side], **{key: other[side][key] for key in _MOVED}} for side in ("ce", "pe")}}
        )
    return {**body, "chain": shifted}
