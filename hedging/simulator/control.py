"""The simulator's own routes: clock, report, faults, orders by hand, approvals, and the page for people.

None needs a key; those that change something are for this machine alone, and no page of another site may post to them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from hedging.simulator import pages
from hedging.simulator.exchange import Exchange
from hedging.simulator.faults import KINDS, BadFault, Faults, FaultSpec
from hedging.simulator.modes import Modes
from hedging.simulator.schemas import SCHEMAS, load
from hedging.simulator.views_orders import OrderViews

_LARGEST_BODY = 100_000
_READS = frozenset({"/", "/simulator/book", "/simulator/clock", "/simulator/report", "/simulator/faults"})
_HTML = "text/html; charset=utf-8"
_LOOPBACK = ("127.", "::1", "::ffff:127.")


class Clock(Protocol):
    """Whatever tells market time and its speed (0: it moves only when told)."""

    speed: float

    def now(self) -> Any:
        """Return market time, aware."""

    def go(self) -> None:
        """End the hold at the start, if there is one."""


class Listener(Protocol):
    """A server whose port can be closed for a while."""

    def stop_listening(self, seconds: float) -> None:
        """Refuse connections for some seconds of wall time."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer of the control routes."""

    status: int
    content: bytes
    kind: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Control:
    """The control routes of one simulated server."""

    def __init__(self, *, exchange: Exchange, clock: Clock, faults: Faults, modes: Modes, orders: OrderViews) -> None:
        self._exchange = exchange
        self._clock = clock
        self._faults = faults
        self._modes = modes
        self._orders = orders
        self.listener: Listener | None = None

    def answer(self, path: str, method: str, environ: dict[str, Any]) -> Page | None:
        """Return the answer of a control route, or `None` if the request is for none."""
        if method == "GET" and path in _READS:
            return self._read(path, environ)
        if not path.startswith("/simulator/") or method not in {"POST", "DELETE"}:
            return None
        if path == "/simulator/go" and method == "POST":
            self._clock.go()
            return _json(200, self.clock_state())
        if not _is_ours(environ):
            return _json(403, {"status": "error", "message": "Only pages and programs of this machine may do that"})
        body, form = _body(environ)
        try:
            told = self._change(path, method, body)
        except (BadFault, _Refused) as refused:
            told = {"status": "error", "message": str(refused)}
        if told is None:
            return None
        status = 200 if told["status"] == "success" else 400
        if not form:
            return _json(status, told)
        if status == 200:
            return Page(303, b"", _HTML, (("Location", "/"),))
        return Page(400, pages.refusal(str(told["message"])), _HTML)

    def _read(self, path: str, environ: dict[str, Any]) -> Page:
        if path == "/simulator/clock":
            return _json(200, self.clock_state())
        if path == "/simulator/report":
            return _json(200, self.report())
        if path == "/simulator/faults":
            return _json(200, self.faults_state())
        if path == "/":
            asked = {key: values[0] for key, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
            return Page(200, pages.front(self._exchange, asked), _HTML)
        with self._exchange.lock:
            self._exchange.advance_to(self._clock.now())
            content = pages.book(
                self._exchange, clock=self.clock_state(), faults=self.faults_state(), report=self.report()
            )
        return Page(200, content, _HTML)

    def _change(self, path: str, method: str, body: dict[str, Any]) -> dict[str, Any] | None:
        route = path.removeprefix("/simulator/").rstrip("/")
        if route == "faults" and method == "POST":
            return self._add(body)
        if method == "DELETE" and route == "faults":
            return {"status": "success", "cleared": self._faults.clear()}
        if method == "DELETE" and route.startswith("faults/"):
            return self._clear_one(route.removeprefix("faults/"))
        if method != "POST":
            return None
        if route == "faults/clear":
            return (
                self._clear_one(str(body["id"]))
                if "id" in body
                else {"status": "success", "cleared": self._faults.clear()}
            )
        if route == "order":
            return self._order(body)
        return self._approve(body) if route == "approve" else None

    # -- faults -----------------------------------------------------------------------------------------------------

    def add_fault(self, spec: FaultSpec) -> dict[str, Any]:
        """Switch a fault on and return it as JSON-able values. Raises `BadFault`."""
        if spec.kind == "refuse" and self.listener is not None:
            if spec.endpoint != "*":
                raise BadFault("over a socket a connection is refused before its endpoint is known: write *:refuse")
            self.listener.stop_listening(spec.value)
            return {"endpoint": "*", "kind": "refuse", "value": spec.value, "left": None}
        with self._exchange.lock:
            self._exchange.advance_to(self._clock.now())
            return self._faults.add(spec, at_us=self._exchange.us).as_json()

    def _add(self, body: dict[str, Any]) -> dict[str, Any]:
        if "fault" in body:
            spec = FaultSpec.parse(str(body["fault"]))
        else:
            try:
                value, count = body.get("value"), body.get("count")
                spec = FaultSpec.of(
                    endpoint=str(body["endpoint"]),
                    kind=str(body["kind"]),
                    value=None if value is None else float(value),
                    count=None if count is None else int(count),
                )
            except (KeyError, TypeError, ValueError):
                raise BadFault('send {"fault": "place_order:late=90x2"}, or endpoint, kind, value and count') from None
        return {"status": "success", "fault": self.add_fault(spec)}

    def _clear_one(self, number: str) -> dict[str, Any]:
        if not number.isdigit() or not self._faults.clear(int(number)):
            raise BadFault(f"There is no fault {number!r} in force")
        return {"status": "success", "cleared": 1}

    def faults_state(self) -> dict[str, Any]:
        """Return the faults in force, what waits for approval, and the kinds that exist."""
        return {
            "faults": [fault.as_json() for fault in self._faults.listed()],
            **self._modes.state(),
            "kinds": {name: kind.meaning for name, kind in KINDS.items()},
        }

    # -- orders -----------------------------------------------------------------------------------------------------

    def _order(self, body: dict[str, Any]) -> dict[str, Any]:
        """Place an order as a person at another terminal would."""
        values, errors = load(SCHEMAS["placeorder"], {"strategy": "by hand", **body, "apikey": "none"})
        if errors:
            raise _Refused(f"Not an order: {errors}")
        with self._exchange.lock:
            self._exchange.advance_to(self._clock.now())
            return self._orders.by_hand(values)[1]

    def _approve(self, body: dict[str, Any]) -> dict[str, Any]:
        number = str(body.get("pending_order_id", ""))
        waiting = self._modes.approved(int(number)) if number.isdigit() else None
        if waiting is None:
            raise _Refused(f"No order {number!r} waits for approval")
        with self._exchange.lock:
            self._exchange.advance_to(self._clock.now())
            return self._orders.placeorder(waiting)[1]

    # -- state ------------------------------------------------------------------------------------------------------

    def clock_state(self) -> dict[str, Any]:
        """Return the simulated clock: `now` ISO in UTC, the day's date and family, the speed, and where the day stands.

        The family gives away what is to come: it is for people who watch, and nobody who trades here may read it.
        """
        now = self._clock.now()
        day = self._exchange.day
        return {
            "now": now.isoformat(),
            "date": day.date.isoformat(),
            "family": self._exchange.market.family.value,
            "speed": self._clock.speed,
            "market_open": self._exchange.market.is_open(now),
            "day_over": now >= day.end_at,
        }

    def report(self) -> dict[str, Any]:
        """Return the ground truth of the day up to now."""
        with self._exchange.lock:
            self._exchange.advance_to(self._clock.now())
            return self._exchange.report()


class _Refused(Exception):
    """An order by hand, or an approval, that makes no sense."""


def _json(status: int, body: dict[str, Any]) -> Page:
    return Page(status, json.dumps(body).encode())


def _is_ours(environ: dict[str, Any]) -> bool:
    """Return whether a request comes from this machine, and not from another site's page in a browser on it."""
    origin = environ.get("HTTP_ORIGIN", "")
    same = not origin or urlsplit(origin).netloc == environ.get("HTTP_HOST", "")
    return same and str(environ.get("REMOTE_ADDR", "")).startswith(_LOOPBACK)


def _body(environ: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the fields of a request, and whether a form sent them. Empty fields of a form are left out."""
    length = min(int(environ.get("CONTENT_LENGTH") or 0), _LARGEST_BODY)
    raw = environ["wsgi.input"].read(length) if length else b""
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return {key: values[0] for key, values in parse_qs(raw.decode(errors="replace")).items()}, True
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        body = {}
    return (body if isinstance(body, dict) else {}), False
