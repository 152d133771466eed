"""A simulated day on which the recorded contracts are listed at about the recorded prices, for replaying recorded requests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import requests

from hedging.domain.instruments import ContractSpec, Index
from hedging.simulator.clock import ManualClock
from hedging.simulator.day import SimulatedDay
from hedging.simulator.exchange import Exchange
from hedging.simulator.http_adapter import mount
from hedging.simulator.wsgi import SimulatorApp
from tests.contract.recorded import recorded

BASE = "http://simulator"
Times = Mapping[str, float]
"""Prices by field as so many times the last price of the contract: recorded prices are another day's."""

DAY = date(2026, 11, 27)  # a trading day, four days before the recorded expiry
SPECS = {
    Index.NIFTY: ContractSpec(Index.NIFTY, 65, Decimal(50), Decimal("0.05"), 1800, 1, Decimal(200), Decimal(1000)),
    Index.SENSEX: ContractSpec(Index.SENSEX, 20, Decimal(100), Decimal("0.05"), 1000, 1, Decimal(500), Decimal(2500)),
}
LEVELS = {Index.NIFTY: Decimal(26_000), Index.SENSEX: Decimal(85_000)}
RICH, POOR = Decimal(10_000_000), Decimal(500_000)


class Server:
    """A simulated day on which the recorded contracts are listed at about the recorded prices, in process."""

    def __init__(self, *, cash: Decimal = RICH, rate_limited: bool = False) -> None:
        day = SimulatedDay(
            date=DAY,
            specs=SPECS,
            expiries={
                Index.NIFTY: tuple(date(2026, 12, 1) + timedelta(days=7 * n) for n in range(5)),
                Index.SENSEX: tuple(date(2026, 12, 3) + timedelta(days=7 * n) for n in range(5)),
            },
            previous_close=LEVELS,
            holidays=((date(2026, 11, 24), "Guru Nanak Jayanti"), (date(2026, 12, 25), "Christmas")),
        )
        self.clock = ManualClock(start=day.moment(time(10, 0)))
        self.exchange = Exchange(day=day, seed=7, cash=cash)
        self.app = SimulatorApp(
            exchange=self.exchange, clock=self.clock, api_keys=["APIKEY"], rate_limited=rate_limited
        )
        self.session = requests.Session()
        mount(self.session, BASE, self.app)

    def send(self, request: dict[str, Any]) -> tuple[int, Any]:
        """Send a recorded request as it was; return status and body (`None` when there is none, text if no JSON)."""
        raw = request.get("raw_body") or "" if request.get("json") is None else None
        answer = self.session.request(
            request["method"],
            BASE + request["path"],
            json=request.get("json"),
            data=raw,
            headers=request.get("headers") or {},
            timeout=5,
        )
        try:
            return answer.status_code, answer.json()
        except ValueError:
            return answer.status_code, answer.text or None

    def post(self, endpoint: str, **body: Any) -> dict[str, Any]:
        """Send a request of one's own, which must succeed."""
        path = f"/api/v1/{endpoint}"
        status, answer = self.send({"method": "POST", "path": path, "json": {"apikey": "APIKEY", **body}})
        if status != 200 or answer.get("status") != "success":
            raise RuntimeError(f"{endpoint}: {status} {answer}")
        got: dict[str, Any] = answer
        return got

    def place(self, name: str, times: Times | None = None, *, quantity: str | None = None) -> str:
        """Place the order of a recording, with prices that are so many times the last price; return its id."""
        body = {key: value for key, value in recorded(name)["request"]["json"].items() if key != "apikey"}
        if quantity is not None:
            body["quantity"] = quantity
        if times:
            last = self.post("quotes", symbol=body["symbol"], exchange=body["exchange"])["data"]["ltp"]
            body |= {name_: f"{round(factor * last * 20) / 20:.2f}" for name_, factor in times.items()}
        return str(self.post("placeorder", **body)["orderid"])

    def wait(self, seconds: float) -> None:
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    def fault(self, text: str) -> None:
        """Switch a fault or a mode on, as `manage.py simulator --fault` spells it."""
        answer = self.session.post(f"{BASE}/simulator/faults", json={"fault": text}, timeout=5)
        if answer.status_code != 200:
            raise RuntimeError(f"{text}: {answer.status_code} {answer.text}")
