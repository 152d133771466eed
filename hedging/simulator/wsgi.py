"""The simulator's HTTP surface: a plain WSGI app that answers like OpenAlgo, and its own control pages.

Order of checks as on the real server: path and method, rate limit, JSON, schema, key, then the endpoint.
"""

from __future__ import annotations

import html
import json
import time
from collections import deque
from collections.abc import Callable, Iterable
from hmac import compare_digest
from http import HTTPStatus
from threading import Lock
from typing import Any, Protocol

from hedging.simulator.day import IST
from hedging.simulator.desk import Answer, error
from hedging.simulator.exchange import Exchange
from hedging.simulator.profiles import DEFAULT, Profile
from hedging.simulator.schemas import GROUP_C, SCHEMAS, load, refusal
from hedging.simulator.views_account import AccountViews, Record
from hedging.simulator.views_market import MarketViews

PREFIX = "/api/v1/"
_NO_KEY_NEEDED = frozenset({"market/holidays", "market/timings"})
_ORDER_ENDPOINTS = frozenset({"placeorder", "modifyorder", "cancelorder"})
_BAD_JSON = "The browser (or proxy) sent a request that this server could not understand."
_LARGEST_BODY = 1_000_000


class Clock(Protocol):
    """Whatever tells market time and its speed (0: it moves only when told)."""

    speed: float

    def now(self) -> Any:
        """Return market time, aware."""

    def go(self) -> None:
        """End the hold at the start, if there is one."""


class RateLimiter:
    """So many calls of one endpoint and client in any second of wall time, like the real server's moving window."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._calls: dict[tuple[str, str], deque[float]] = {}

    def refuses(self, endpoint: str, client: str) -> int | None:
        """Return the limit if it is reached, else count the call and return `None`."""
        limit = 10 if endpoint in _ORDER_ENDPOINTS else 50
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
        account = AccountViews(exchange=exchange, broker=broker, record=record or (lambda *_: None), profile=profile)
        self._endpoints = account.endpoints | MarketViews(exchange=exchange).endpoints

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        path, method = environ.get("PATH_INFO", "/"), environ.get("REQUEST_METHOD", "GET")
        kind = "application/json"
        if method == "GET" and path in {"/", "/simulator/clock", "/simulator/report"}:
            if path == "/":
                status, content, kind = 200, self._page(), "text/html; charset=utf-8"
            else:
                body = self.report() if path.endswith("report") else self.clock_state()
                status, content = 200, json.dumps(body).encode()
        elif method == "POST" and path == "/simulator/go":
            self.clock.go()
            status, content = 200, json.dumps(self.clock_state()).encode()
        else:
            status, answer = self._answer(path, method, environ)
            content = json.dumps(answer, ensure_ascii=False).encode()
        headers = [("Content-Type", kind), ("Content-Length", str(len(content))), ("Cache-Control", "no-store")]
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [content]

    def _answer(self, path: str, method: str, environ: dict[str, Any]) -> Answer:
        endpoint = path.removeprefix(PREFIX).rstrip("/") if path.startswith(PREFIX) else ""
        if method != "POST" or endpoint not in SCHEMAS:
            return 404, {"message": "Not found", "path": path, "status": "error"}
        if self._limiter is not None:
            limit = self._limiter.refuses(endpoint, environ.get("REMOTE_ADDR", ""))
            if limit is not None:
                return 429, {"message": f"{limit} per 1 second"}
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
            return 400, refusal(endpoint, errors)
        if endpoint not in _NO_KEY_NEEDED and not self._knows(values["apikey"]):
            return self._wrong_key(endpoint, values)
        with self.exchange.lock:
            self.exchange.advance_to(self.clock.now())
            return self._endpoints[endpoint](values)

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

    # -- control ----------------------------------------------------------------------------------------------------

    def clock_state(self) -> dict[str, Any]:
        """Return the simulated clock: `now` ISO in UTC, the day's date, the speed, and where the day stands."""
        now = self.clock.now()
        day = self.exchange.day
        return {
            "now": now.isoformat(),
            "date": day.date.isoformat(),
            "speed": self.clock.speed,
            "market_open": self.exchange.market.is_open(now),
            "day_over": now >= day.end_at,
        }

    def report(self) -> dict[str, Any]:
        """Return the ground truth of the day up to now."""
        with self.exchange.lock:
            self.exchange.advance_to(self.clock.now())
            return self.exchange.report()

    def _page(self) -> bytes:
        """Return a plain page for a person who opens the simulator in a browser."""
        state, report = self.clock_state(), self.report()
        now = self.exchange.now.astimezone(IST).strftime("%Y-%m-%d %H:%M:%S IST")
        spots = {i.value: self.exchange.market.spot(i, self.exchange.t) for i in self.exchange.day.specs}
        rows = {
            "Market time": f"{now} ({'open' if state['market_open'] else 'closed'}, {state['speed']:g}x)",
            **{name: f"{level:,.2f}" for name, level in spots.items()},
            "Entries made / refused / unavoidably": (
                f"{report['entries_made']} / {report['entries_refused']} / {report['entries_unavoidably_refused']}"
            ),
            "Hedges bought / sold (orders)": f"{report['hedges']['bought_orders']} / {report['hedges']['sold_orders']}",
            "Peak utilization": f"{report['peak_utilization']:.1f} % at {report['peak_at']}",
        }
        lines = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(str(v))}</td></tr>" for k, v in rows.items())
        page = (
            "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=2>"
            "<title>Simulated exchange</title><h1>Simulated exchange</h1>"
            f"<p>No real money, no real orders.</p><table>{lines}</table>"
        )
        return page.encode()
