"""The brokers that every contract case runs against: recorded answers, a dry run over them, the simulator, a dry run over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import requests

from hedging.brokers.base import Broker, OrderRequest
from hedging.brokers.factory import build_broker
from hedging.brokers.openalgo.wire import Answer
from hedging.brokers.paper import InMemoryPaperBook
from hedging.domain.instruments import Contract, ContractSpec, Index, Product, Right, Side
from hedging.simulator.clock import ManualClock
from hedging.simulator.day import SimulatedDay
from hedging.simulator.exchange import Exchange
from hedging.simulator.http_adapter import WsgiAdapter
from hedging.simulator.wsgi import SimulatorApp
from tests.contract.recorded import RecordedAdapter, answer, session_over

URL = "http://openalgo.test"
KEY = "contract" * 8
EXPIRY = date(2026, 12, 1)
NIFTY = ContractSpec(
    index=Index.NIFTY,
    lot=65,
    strike_step=Decimal(50),
    tick=Decimal("0.05"),
    freeze_quantity=1800,
    lots_per_basket=1,
    otm_min=Decimal(200),
    otm_max=Decimal(1000),
)


@dataclass(frozen=True, slots=True)
class World:
    """A broker, the orders that make sense in its world, how time passes there, and which endpoints were called."""

    broker: Broker
    marketable: OrderRequest
    resting: OrderRequest
    wait: Callable[[], None]
    endpoints: Callable[[], list[str]]


def option(strike: int, right: Right) -> Contract:
    return Contract(Index.NIFTY, EXPIRY, Decimal(strike), right)


def _broker(session: requests.Session, *, paper: bool, clock: Callable[[], datetime]) -> Broker:
    return build_broker(
        live=not paper,
        base_url=URL,
        api_key=KEY,
        paper_book=InMemoryPaperBook(),
        session=session,
        market_clock=clock,
        sleep=lambda _: None,
    )


def _recorded_margin(body: Mapping[str, Any]) -> Answer:
    name = "live/margin__short_strangle_2" if len(body["positions"]) == 2 else "live/margin__iron_condor_4"
    return answer(name)


def _recorded_place(body: Mapping[str, Any]) -> Answer:
    # The recorded session sold this one at 48.10, and the dearer one rested until it was cancelled.
    name = "live/placeorder__limit_marketable" if Decimal(body["price"]) < 50 else "live/placeorder__limit_resting"
    return answer(name)


def recorded_world(*, paper: bool) -> World:
    adapter = RecordedAdapter(
        {
            "analyzer": "live/analyzer_status__off",
            "cancelorder": "live/cancelorder__ok",
            "depth": "live/depth__option",
            "expiry": "live/expiry__nifty_options",
            "funds": "live/funds__with_positions",
            "margin": _recorded_margin,
            "optionchain": "live/optionchain__strike_count_2",
            "orderbook": "live/orderbook__mixed",
            "ping": "live/ping__ok",
            "placeorder": _recorded_place,
            "positionbook": "live/positionbook__mixed",
            "quotes": "live/quotes__index_nifty",
            "tradebook": "live/tradebook__mixed",
        }
    )
    # The recorded ladder belongs to the call at 26000; its order rows to the call at 26500.
    contract, low, high = (26000, "230", "240") if paper else (26500, "40", "72.60")
    marketable, resting = (
        OrderRequest(option(contract, Right.CE), Product.NRML, Side.SELL, 65, Decimal(limit)) for limit in (low, high)
    )
    broker = _broker(session_over(adapter), paper=paper, clock=lambda: datetime.now(UTC))
    return World(broker, marketable, resting, wait=lambda: None, endpoints=adapter.endpoints)


class _Watched(WsgiAdapter):
    def __init__(self, app: SimulatorApp) -> None:
        super().__init__(app)
        self.endpoints: list[str] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        self.endpoints.append(str(request.url).rsplit("/", 1)[1])
        return super().send(request, *args, **options)


def simulated_world(*, paper: bool) -> World:
    day = SimulatedDay(
        date=EXPIRY,
        specs={Index.NIFTY: NIFTY},
        expiries={Index.NIFTY: (EXPIRY, EXPIRY + timedelta(days=7))},
        previous_close={Index.NIFTY: Decimal(26000)},
    )
    clock = ManualClock(start=day.start_at)
    exchange = Exchange(day=day, seed=7, cash=Decimal(1_000_000))
    adapter = _Watched(SimulatorApp(exchange=exchange, clock=clock, api_keys=[KEY], rate_limited=False))

    def wait() -> None:
        clock.set(clock.now() + timedelta(seconds=10))

    clock.set(day.moment(time(10, 0)))
    broker = _broker(session_over(adapter), paper=paper, clock=clock.now)
    spot = broker.spot(Index.NIFTY)
    contract = option(int(spot // 50) * 50 + 200, Right.CE)
    ask = broker.depth(contract).asks[0].price
    marketable = OrderRequest(contract, Product.NRML, Side.BUY, 65, ask + 2)
    resting = OrderRequest(contract, Product.NRML, Side.BUY, 65, Decimal("0.05"))
    return World(broker, marketable, resting, wait, lambda: adapter.endpoints)


WORLDS: dict[str, Callable[[], World]] = {
    "recorded answers": lambda: recorded_world(paper=False),
    "dry run over recorded answers": lambda: recorded_world(paper=True),
    "simulator": lambda: simulated_world(paper=False),
    "dry run over the simulator": lambda: simulated_world(paper=True),
}
MOVING = [name for name in WORLDS if "simulator" in name]
"""Worlds in which an order changes what is read afterwards; recordings stand still."""
