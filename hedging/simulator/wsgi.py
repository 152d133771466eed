"""The simulator's HTTP surface: a plain WSGI app that answers like OpenAlgo, and its own control pages.

Order of checks as on the real server: path and method, rate limit, JSON, schema, key, then the endpoint.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterable
from email.utils import formatdate
from hmac import compare_digest
from http import HTTPStatus
from threading import Lock
from typing import Any

from hedging.simulator.control import Clock, Control
from hedging.simulator.desk import Answer, error
from hedging.simulator.disturb import CUT, Cut, cut_after, cut_before, disturbed, refused_instead, spoilt
from hedging.simulator.exchange import Exchange
from hedging.simulator.faults import NOTHING, TWISTS, Active, Faults, twists_of
from hedging.simulator.json_text import encoded
from hedging.simulator.modes import Modes
from hedging.simulator.paper import PaperDesk
from hedging.simulator.profiles import DEFAULT, Profile
from hedging.simulator.schemas import GROUP_C, SCHEMAS, load, refusal
from hedging.simulator.twists import Later
from hedging.simulator.upstream import KINDS as BROKER_FAILURES
from hedging.simulator.upstream import told as told_by
from hedging.simulator.views_account import AccountViews
from hedging.simulator.views_chain import ChainViews
from hedging.simulator.views_contracts import ContractViews
from hedging.simulator.views_orders import OrderViews, Record
from hedging.simulator.views_quotes import QuoteViews

PREFIX = "/api/v1/"
_NO_KEY_NEEDED = frozenset({"market/holidays", "market/timings"})
_ORDER_ENDPOINTS = frozenset({"placeorder", "modifyorder", "cancelorder"})
_BAD_JSON = "The browser (or proxy) sent a request that this server could not understand."
_LARGEST_BODY = 1_000_000
_BROKER_PATIENCE = 120.0
_KEEP_REFUSALS = frozenset({"error_after", "timeout_after"})  # what was refused was not done: the refusal is the truth
_TELLS_MODE = frozenset({"modifyorder", "cancelorder", "orderstatus", "openposition"})


def _limit_of(endpoint: str) -> int:
    return 10 if endpoint in _ORDER_ENDPOINTS else 50


class RateLimiter:
    """So many calls of one endpoint and client in any second of wall time, like the real server's moving window."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._calls: dict[tuple[str, str], deque[float]] = {}

    def refuses(self, endpoint: str, client: str) -> int | None:
        """Return the limit if it is reached, else count the call and return `None`."""
        limit = _limit_of(endpoint)
        now = self._monotonic()
        with self._lock:
            calls = self._calls.setdefault((endpoint, client), deque())
            while calls and calls[0] <= now - 1.0:
                calls.popleft()
            if len(calls) >= limit:
                return limit
            calls.append(now)
        return None


class SimulatorApp:
    """The WSGI app over one exchange. `record` is called with each accepted command before its answer leaves."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        clock: Clock,
        api_keys: Iterable[str],
        record: Record | None = None,
        rate_limited: bool = True,
        broker: str = "simulator",
        profile: Profile = DEFAULT,
    ) -> None:
        self.exchange = exchange
        self.clock = clock
        self._keys = tuple(api_keys)
        self._limiter = RateLimiter() if rate_limited else None
        self.profile = profile
        account = AccountViews(exchange=exchange, broker=broker, profile=profile)
        self.orders = OrderViews(exchange=exchange, record=record or (lambda *_: None), profile=profile)
        self.quotes = QuoteViews(exchange=exchange)
        chains, contracts = ChainViews(exchange=exchange), ContractViews(exchange=exchange)
        self._desks = (account, self.orders, self.quotes, chains, contracts)
        self._endpoints = {name: view for desk in self._desks for name, view in desk.endpoints.items()}
        self.faults = Faults()
        self.modes = Modes(exchange=exchange, faults=self.faults, paper=PaperDesk(exchange=exchange))
        self.control = Control(exchange=exchange, clock=clock, faults=self.faults, modes=self.modes, orders=self.orders)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request. A fault of the connection is left in the environ (`disturb.CUT`) for the transport."""
        path, method = environ.get("PATH_INFO", "/"), environ.get("REQUEST_METHOD", "GET")
        headers: list[tuple[str, str]] = []
        page = self.control.answer(path, method, environ)
        if page is not None:
            status, content, kind = page.status, page.content, page.kind
            headers = list(page.headers)
        else:
            kind = "application/json"
            status, answer, active = self._answer(path, method, environ)
            content = b"" if "empty" in active else encoded(answer)
            if "skew" in active:
                headers.append(("Date", formatdate(time.time() + active["skew"].value, usegmt=True)))
        headers += [("Content-Type", kind), ("Content-Length", str(len(content))), ("Cache-Control", "no-store")]
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [content]

    def _answer(self, path: str, method: str, environ: dict[str, Any]) -> tuple[int, dict[str, Any], Active]:
        endpoint = path.removeprefix(PREFIX).rstrip("/") if path.startswith(PREFIX) else ""
        if method != "POST" or endpoint not in SCHEMAS:
            return 404, {"message": "Not found", "path": path, "status": "error"}, NOTHING
        self.modes.tick(self.clock.now())
        active = self.faults.take(endpoint)
        if active and (cut := cut_before(active)):
            environ[CUT] = cut
            return 503, {}, active
        if self._limiter is not None:
            limit = self._limiter.refuses(endpoint, environ.get("REMOTE_ADDR", ""))
            if limit is not None:
                return 429, {"message": f"{limit} per 1 second"}, active
        try:
            status, answer = self._checked(endpoint, environ, active)
        except Later as later:
            if environ.get("simulator.in_process"):  # nobody else moves the clock while the caller waits here
                environ[CUT] = Cut("timeout")
                return 504, {}, active
            status, answer = self._awaited(endpoint, later)
        if active:
            environ[CUT] = cut_after(active)
            if status < 400 or not _KEEP_REFUSALS & active.keys():
                status, answer = spoilt(endpoint, active, (status, answer))
        return status, answer, active

    def _checked(self, endpoint: str, environ: dict[str, Any], active: Active) -> Answer:
        """Return the answer of an endpoint after the checks of JSON, schema and key."""
        if active and (instead := refused_instead(endpoint, active, limit=_limit_of(endpoint))):
            return instead
        if environ.get("CONTENT_TYPE", "").split(";")[0].strip() != "application/json":
            where = " in the API endpoint" if endpoint in _ORDER_ENDPOINTS else ""
            return error(500, f"An unexpected error occurred{where}")
        try:
            length = min(int(environ.get("CONTENT_LENGTH") or 0), _LARGEST_BODY)
            body = json.loads(environ["wsgi.input"].read(length))
        except ValueError:
            return 400, {"message": _BAD_JSON}
        if not isinstance(body, dict):
            return 500, {"message": "Internal Server Error"}
        values, errors = load(SCHEMAS[endpoint], body)
        if errors:
            told = refusal(endpoint, errors)
            return 400, {**told, "mode": "analyze"} if "analyze" in active and endpoint in _TELLS_MODE else told
        if endpoint not in _NO_KEY_NEEDED and not self._knows(values["apikey"]):
            return self._wrong_key(endpoint, values)
        with self.exchange.lock:
            self.exchange.advance_to(self.clock.now())
            return self._answered(endpoint, values, active) if active else self._endpoints[endpoint](values)

    def _answered(self, endpoint: str, values: dict[str, Any], active: Active) -> Answer:
        """Return the answer under faults: a mode's, or the view's with its figures disturbed."""
        told = self.modes.answer(endpoint, values, active, wrong_key=lambda: self._wrong_key(endpoint, values))
        if told is not None:
            return told
        for kind in BROKER_FAILURES & active.keys():
            failed = told_by(endpoint, kind, values, status=active[kind].value)
            if failed is not None:
                return failed
        if twists := twists_of(active):
            values = {**values, TWISTS: twists}
        with disturbed(active, desks=self._desks, orders=self.orders):
            asked = self.quotes.neighbour(values, active["wrong"].value) if "wrong" in active else values
            return self._endpoints[endpoint](asked)

    def _awaited(self, endpoint: str, later: Later) -> Answer:
        """Wait until a late command has happened, as a server does that waits for its broker; give up after 120 s."""
        ends = time.monotonic() + _BROKER_PATIENCE
        while not later.outcome and time.monotonic() < ends:
            time.sleep(0.02)
            self.exchange.advance_to(self.clock.now())
        return later.outcome[0] if later.outcome else error(500, "Failed to place order due to internal error")

    def _knows(self, key: str) -> bool:
        return any(compare_digest(key.encode(), known.encode()) for known in self._keys)

    @staticmethod
    def _wrong_key(endpoint: str, values: dict[str, Any]) -> Answer:
        if endpoint == "depth":
            return error(404, "Broker-specific module not found")
        text = "Invalid openalgo apikey"
        if endpoint in GROUP_C:
            return 403, {"status": "error", "message": f"Failed to fetch LTP for {values['underlying']}: {text}"}
        return error(403, text)
