"""A simulated Tuesday behind its HTTP contract, for the tests that speak to it like a client."""

from __future__ import annotations

from datetime import time, timedelta
from decimal import Decimal

import requests

from hedging.domain.instruments import Right
from hedging.simulator.clock import ManualClock
from hedging.simulator.exchange import Exchange
from hedging.simulator.http_adapter import mount
from hedging.simulator.profiles import DEFAULT
from hedging.simulator.wsgi import SimulatorApp
from tests.unit.simulator_days import STORY_SEED, contract, entries, tuesday

BASE = "http://simulator"


class Server:
    """A simulated Tuesday behind its HTTP contract, in process, with a clock that a test moves."""

    def __init__(self, *, at="10:00:00", rate_limited=False, with_entries=True, profile=DEFAULT):
        self.day = tuesday(entries=entries()[:3] if with_entries else ())
        self.exchange = Exchange(day=self.day, seed=STORY_SEED, cash=Decimal(1_000_000))
        self.clock = ManualClock(start=self.day.moment(time.fromisoformat(at)))
        self.app = SimulatorApp(
            exchange=self.exchange,
            clock=self.clock,
            api_keys=["APIKEY"],
            rate_limited=rate_limited,
            profile=profile,
        )
        self.session = requests.Session()
        mount(self.session, BASE, self.app)

    def post(self, endpoint, **body):
        answer = self.session.post(f"{BASE}/api/v1/{endpoint}", json={"apikey": "APIKEY", **body}, timeout=5)
        return answer.status_code, answer.json()

    def ok(self, endpoint, **body):
        status, answer = self.post(endpoint, **body)
        assert status == 200, answer
        assert answer["status"] == "success"
        return answer

    def wait(self, seconds):
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    def wing(self, steps=5, right=Right.CE):
        self.exchange.advance_to(self.clock.now())
        what = contract(self.exchange, steps, right)
        symbol = f"NIFTY01DEC26{int(what.strike)}{right}"
        quote = self.ok("quotes", symbol=symbol, exchange="NFO")["data"]
        return symbol, quote

    def buy(self, symbol, price, quantity=65, **changes):
        body = {
            "strategy": "auto-hedge",
            "symbol": symbol,
            "exchange": "NFO",
            "action": "BUY",
            "quantity": quantity,
            "pricetype": "LIMIT",
            "product": "NRML",
            "price": price,
        }
        return self.post("placeorder", **{**body, **changes})

    def fault(self, text):
        """Switch a fault on over the control route."""
        answer = self.session.post(f"{BASE}/simulator/faults", json={"fault": text}, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()["fault"]

    def order(self, order_id):
        return self.exchange.orders[order_id]
