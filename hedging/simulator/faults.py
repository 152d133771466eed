"""Faults and modes that can be switched on: one table of kinds, the way they are written, and the list of those in force.

A fault is written `ENDPOINT:KIND[=VALUE][xCOUNT]`, like `place_order:late=90x2`; endpoint `*` (or `all`) is every endpoint.
Without a count it stays until it is cleared. Delays of orders and fills are market seconds, those of sockets wall seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from hedging.simulator.schemas import SCHEMAS
from hedging.simulator.upstream import ENDPOINTS as _ASK_BROKER

LONGEST_DELAY = 115.0
TWISTS = "_faults"
"""Where a command's body carries the faults that change its order, so that a restart plays them again."""

_WRITES = frozenset({"placeorder", "modifyorder", "cancelorder"})
_QUOTES = frozenset({"quotes", "multiquotes", "depth", "optionchain"})
_DAY = 86_400.0


class BadFault(Exception):
    """A fault that does not exist or makes no sense. The message says what would."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: what it does, where it makes sense (empty: everywhere), its value's default and bounds."""

    meaning: str
    endpoints: frozenset[str] = frozenset()
    default: float | None = None
    least: float = 0.0
    most: float = LONGEST_DELAY
    twists_order: bool = False
    mode: bool = False


KINDS: Mapping[str, Kind] = {
    "refuse": Kind("nobody listens, for so many wall seconds", default=5.0, least=0.1, most=600.0),
    "reset_before": Kind("the connection is reset before anything is done"),
    "reset_after": Kind("the connection is reset after it is done"),
    "drip": Kind("the answer drips, over so many wall seconds", default=60.0, least=0.1, most=600.0),
    "late": Kind("it happens so many market seconds later", _WRITES, default=30.0, twists_order=True),
    "error_before": Kind("500, and nothing is done"),
    "error_after": Kind("500, though it is done"),
    "timeout_after": Kind("400 with words of a timeout, though it is done", _WRITES),
    "null_id": Kind("success with a null order id, though it is done", _WRITES),
    "human": Kind(
        "a person places the same order so many market seconds later",
        frozenset({"placeorder"}),
        default=0.0,
        twists_order=True,
    ),
    "partial": Kind(
        "at most this share of the order fills",
        frozenset({"placeorder"}),
        default=0.5,
        least=0.01,
        most=1.0,
        twists_order=True,
    ),
    "late_fill": Kind(
        "the cancelled order fills so many market seconds later",
        frozenset({"cancelorder"}),
        default=2.0,
        twists_order=True,
    ),
    "leak": Kind(
        "an order in transit (0: until it arrives; else so many market seconds) shows the status of the row before it",
        frozenset({"orderbook", "orderstatus"}),
        default=0.0,
        most=600.0,
    ),
    "lag": Kind(
        "trades show so many market seconds later", frozenset({"tradebook", "orderstatus"}), default=5.0, most=600.0
    ),
    "stale": Kind("prices of so many market seconds ago", _QUOTES, default=60.0, most=_DAY),
    "frozen": Kind("prices of the moment at which this was switched on", _QUOTES),
    "zeros": Kind("every price is 0", _QUOTES),
    "wrong": Kind("prices of the contract so many strikes away", _QUOTES, default=4.0, least=1.0, most=40.0),
    "skew": Kind("the server's clock is so many seconds ahead", default=30.0, least=-_DAY, most=_DAY),
    "storm": Kind("429 of OpenAlgo, and nothing is done"),
    "broker_429": Kind("429 of the broker, and nothing is done"),
    "empty": Kind("an empty body, though it is done"),
    "broker_error": Kind(
        "the broker refuses with this status of its own: 400, 429 or 502",
        _ASK_BROKER,
        default=400.0,
        least=400.0,
        most=502.0,
    ),
    "broker_raises": Kind("OpenAlgo's code for the broker crashes", _ASK_BROKER),
    "broker_timeout": Kind("the broker does not answer OpenAlgo", _ASK_BROKER),
    "broker_html": Kind("the broker answers OpenAlgo with a web page", _ASK_BROKER),
    "broker_null": Kind("the broker answers OpenAlgo with null", _ASK_BROKER),
    "error_200": Kind("200 with an error inside", frozenset({"margin"})),
    "no_data": Kind("success with empty data", frozenset({"funds"})),
    "analyze": Kind("the analyzer is on: orders are paper orders", mode=True),
    "semi_auto": Kind("orders wait for approval", mode=True),
    "session": Kind(
        "the broker's token is dead; after so many market seconds the session is too",
        default=600.0,
        most=_DAY,
        mode=True,
    ),
    "master_gap": Kind("no contract is known while the master contract loads", mode=True),
}
_SPELLING = re.compile(
    r"(?P<endpoint>[A-Za-z_/*]+):(?P<kind>[a-z_0-9]+?)(?:=(?P<value>-?\d+(?:\.\d+)?))?(?:x(?P<count>\d+))?"
)


@dataclass(slots=True)
class Fault:
    """A fault in force. `left` is how many more times (`None`: always); `since_us` is the market time of its start."""

    number: int
    endpoint: str
    kind: str
    value: float
    left: int | None
    since_us: int
    hits: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the fault as JSON-able values."""
        return {
            "id": self.number,
            "endpoint": self.endpoint,
            "kind": self.kind,
            "value": self.value if KINDS[self.kind].default is not None else None,
            "left": self.left,
            "hits": self.hits,
            "meaning": KINDS[self.kind].meaning,
        }


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """A fault as asked for, checked."""

    endpoint: str
    kind: str
    value: float
    count: int | None

    @classmethod
    def parse(cls, text: str) -> FaultSpec:
        """Read `ENDPOINT:KIND[=VALUE][xCOUNT]`. Raises `BadFault`."""
        match = _SPELLING.fullmatch(text.strip())
        if match is None:
            raise BadFault(f"{text!r} is no fault: write ENDPOINT:KIND[=VALUE][xCOUNT], like place_order:late=90x2")
        value, count = match["value"], match["count"]
        return cls.of(
            endpoint=match["endpoint"],
            kind=match["kind"],
            value=None if value is None else float(value),
            count=None if count is None else int(count),
        )

    @classmethod
    def of(cls, *, endpoint: str, kind: str, value: float | None = None, count: int | None = None) -> FaultSpec:
        """Check the parts of a fault. Raises `BadFault`."""
        found = KINDS.get(kind)
        if found is None:
            raise BadFault(f"There is no fault {kind!r}: choose one of {', '.join(KINDS)}")
        where = endpoint.lower().replace("_", "")
        where = "*" if where in {"*", "all"} else where
        if found.mode:
            if where != "*":
                raise BadFault(f"{kind} is a mode of the whole server: write *:{kind}")
        elif where != "*" and where not in SCHEMAS:
            raise BadFault(f"There is no endpoint {endpoint!r}: choose * or one of {', '.join(SCHEMAS)}")
        elif found.endpoints and where != "*" and where not in found.endpoints:
            raise BadFault(f"{kind} makes sense for {', '.join(sorted(found.endpoints))}, not for {endpoint}")
        if value is not None and found.default is None:
            raise BadFault(f"{kind} takes no value")
        if value is not None and not found.least <= value <= found.most:
            raise BadFault(f"{kind} takes a value from {found.least:g} to {found.most:g}, not {value:g}")
        if count is not None and count < 1:
            raise BadFault("a count is at least 1")
        return cls(where, kind, found.default or 0.0 if value is None else value, count)


Active = Mapping[str, Fault]
NOTHING: Active = {}


class Faults:
    """The faults in force. Thread-safe. `take` costs nothing while there are none."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._faults: list[Fault] = []
        self._number = 0

    def add(self, spec: FaultSpec, *, at_us: int) -> Fault:
        """Switch a fault on; the same kind on the same endpoint is replaced."""
        with self._lock:
            self._number += 1
            fault = Fault(self._number, spec.endpoint, spec.kind, spec.value, spec.count, at_us)
            self._faults = [f for f in self._faults if (f.endpoint, f.kind) != (fault.endpoint, fault.kind)]
            self._faults.append(fault)
            return fault

    def clear(self, number: int | None = None) -> int:
        """Switch one fault off, or all; return how many were."""
        with self._lock:
            kept = [] if number is None else [f for f in self._faults if f.number != number]
            gone = len(self._faults) - len(kept)
            self._faults = kept
            return gone

    def listed(self) -> list[Fault]:
        """Return the faults in force, oldest first."""
        return list(self._faults)

    def take(self, endpoint: str) -> Active:
        """Return the faults of a request by kind, and count them; one for the endpoint goes before one for all."""
        if not self._faults:
            return NOTHING
        with self._lock:
            taken: dict[str, Fault] = {}
            for fault in sorted(self._faults, key=lambda f: f.endpoint != "*"):
                reach = KINDS[fault.kind].endpoints
                if fault.endpoint == endpoint or (fault.endpoint == "*" and (not reach or endpoint in reach)):
                    taken[fault.kind] = fault
            for fault in taken.values():
                fault.hits += 1
                if fault.left is not None:
                    fault.left -= 1
            self._faults = [f for f in self._faults if f.left is None or f.left > 0]
            return taken


def twists_of(active: Active) -> dict[str, float]:
    """Return the values of those faults that change an order."""
    return {kind: fault.value for kind, fault in active.items() if KINDS[kind].twists_order}
