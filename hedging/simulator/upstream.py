"""How OpenAlgo tells a failure of the broker behind it: each endpoint in its own way (recorded; contract.md §1.1, §1.2).

The same broken call is a 500 with the raw text on one endpoint, an empty success on another, and the broker's own status on
a third. In none of these has anything reached the exchange; what fails after acceptance are other faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hedging.simulator.desk import Answer, error, ok


@dataclass(frozen=True, slots=True)
class Failure:
    """What the broker did instead of answering: its words, and its own status and error class where it said something."""

    text: str
    status: int | None = None
    kind: str = ""
    empty: bool = False


_SAID = {
    400: Failure("Something went wrong at the broker", 400, "InputException"),
    429: Failure("Too many requests", 429, "NetworkException"),
    502: Failure("Gateway timed out", 502, "NetworkException"),
}
_UNSAID = {
    "broker_raises": Failure("simulated crash inside the broker plugin"),
    "broker_timeout": Failure("The read operation timed out"),
    "broker_html": Failure("Expecting value: line 1 column 1 (char 0)"),
    "broker_null": Failure("", empty=True),
}
KINDS = frozenset({"broker_error", *_UNSAID})
"""Names of the faults that `told` knows. The value of `broker_error` is the broker's status: 400, 429 or 502."""


def _told_plainly(failure: Failure, _: dict[str, Any]) -> Answer:
    return error(500, failure.text)


def _told_by_rows(failure: Failure, _: dict[str, Any]) -> Answer:
    unset = "cannot access local variable 'order_status' where it is not associated with a value"
    return error(500, unset if failure.empty else failure.text)


def _told_by_quotes(failure: Failure, _: dict[str, Any]) -> Answer:
    return error(500, "Failed to fetch quotes" if failure.empty else failure.text)


def _told_by_funds(failure: Failure, _: dict[str, Any]) -> Answer:
    return error(500, failure.text) if failure is _UNSAID["broker_raises"] else ok(data={})


def _told_by_margin(failure: Failure, _: dict[str, Any]) -> Answer:
    if failure.status is None:
        return error(500, f"Failed to calculate margin: {failure.text}")
    return error(failure.status, f"{failure.kind}: {failure.text}")


def _told_by_chain(failure: Failure, body: dict[str, Any]) -> Answer:
    return 500, {"status": "error", "message": f"Failed to fetch LTP for {body['underlying']}: {failure.text}"}


def _told_by_writes(verb: str) -> Callable[[Failure, dict[str, Any]], Answer]:
    def tell(failure: Failure, _: dict[str, Any]) -> Answer:
        if failure.status is None:
            return error(500, f"Failed to {verb} order due to internal error")
        # At Zerodha a failed cancel is a 500, whatever the broker said.
        return error(500, f"Failed to cancel order: {failure.text}") if verb == "cancel" else error(*_spoken(failure))

    return tell


def _spoken(failure: Failure) -> tuple[int, str]:
    return failure.status or 500, failure.text


_TELLERS: Mapping[str, Callable[[Failure, dict[str, Any]], Answer]] = {
    **dict.fromkeys(("depth", "multiquotes", "openposition", "positionbook", "tradebook"), _told_plainly),
    **dict.fromkeys(("orderbook", "orderstatus"), _told_by_rows),
    **dict.fromkeys(("optionchain", "optionsymbol"), _told_by_chain),
    "quotes": _told_by_quotes,
    "funds": _told_by_funds,
    "margin": _told_by_margin,
    "placeorder": _told_by_writes("place"),
    "modifyorder": _told_by_writes("modify"),
    "cancelorder": _told_by_writes("cancel"),
}
ENDPOINTS = frozenset(_TELLERS)
"""Endpoints that ask the broker. The others (ping, expiry, symbol, ...) answer without it."""


def told(endpoint: str, kind: str, body: dict[str, Any], *, status: float = 400) -> Answer | None:
    """Return what the endpoint answers when the broker fails in this way; `None` where no broker is asked."""
    failure = _UNSAID[kind] if kind in _UNSAID else _SAID.get(int(status), _SAID[400])
    teller = _TELLERS.get(endpoint)
    return None if teller is None else teller(failure, body)
