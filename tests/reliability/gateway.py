"""Gateway: the simulated OpenAlgo, broker and exchange as a process of its own on loopback, with its faults and its truth."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from hedging.brokers.base import BrokerStatus, OrderRequest
from hedging.brokers.openalgo.broker import OpenAlgoBroker
from hedging.brokers.openalgo.client import OpenAlgoOrderClient
from hedging.brokers.openalgo.symbols import parse_symbol
from hedging.chaos.exchange import Order, Trade
from hedging.domain.instruments import Contract, ContractSpec, Index, Product, Right, Side
from hedging.simulator.day import SimulatedDay
from hedging.simulator.exchange import Exchange
from hedging.simulator.orders import Order as Placed
from hedging.simulator.orders import Status
from hedging.simulator.serving import serve
from hedging.simulator.wsgi import SimulatorApp
from tests.reliability.processes import Child, SharedClock, fork

KEY = "reliability-key-0123456789abcdef"
CASH = Decimal(5_000_000)
# An order's reply may take so long; everything that a fault delays takes longer.
ORDER_SECONDS = 0.4
READ_SECONDS = 5.0
_direct = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Truth:
    """What the exchange really took and traded, every order POST that reached the server, and how often it was read."""

    orders: list[Order]
    posts: list[OrderRequest]
    calls: dict[str, int]
    net: dict[Contract, int]


class _Recorder:
    """The simulator's app with a memory of its own for what arrived, whatever became of it."""

    def __init__(self, app: SimulatorApp) -> None:
        self._app = app
        self.control = app.control
        self.posts: list[OrderRequest] = []
        self.calls: dict[str, int] = {}
        self.cancelled: dict[str, int] = {}
        self._plain_cancel = app.exchange.cancel
        app.exchange.cancel = self._cancel  # type: ignore[method-assign]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Note the call, and let the simulator answer; `/truth` is answered here."""
        path = environ["PATH_INFO"]
        if path == "/truth":
            exchange = self._app.exchange
            exchange.advance_to(self._app.clock.now())
            body = pickle.dumps(self._truth())
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]
        endpoint = path.rpartition("/")[2]
        self.calls[endpoint] = self.calls.get(endpoint, 0) + 1
        if endpoint == "placeorder":
            data = environ["wsgi.input"].getvalue()
            if len(data) == int(environ["CONTENT_LENGTH"]):  # half a request is none
                self.posts.append(_request(json.loads(data)))
        return self._app(environ, start_response)

    def _cancel(self, order_id: str) -> Placed:
        order = self._plain_cancel(order_id)
        self.cancelled[order_id] = self._app.exchange.us
        return order

    def _truth(self) -> Truth:
        exchange = self._app.exchange
        net = {contract: position.quantity for (contract, _), position in exchange.account.positions.items()}
        return Truth(
            [self._order(order) for order in exchange.orders.values()], list(self.posts), dict(self.calls), net
        )

    def _order(self, order: Placed) -> Order:
        exchange, ticket = self._app.exchange, order.ticket
        index = ticket.contract.index
        trades = [
            Trade(t.units, exchange.market.price(index, t.price), exchange.moment(t.at_us), exchange.moment(t.at_us))
            for t in order.trades
        ]
        status = {
            Status.COMPLETE: BrokerStatus.COMPLETE,
            Status.REJECTED: BrokerStatus.REJECTED,
            Status.CANCELLED: BrokerStatus.EXPIRED if order.lapsed else BrokerStatus.CANCELLED,
        }.get(order.status, BrokerStatus.WORKING)
        placed = exchange.moment(order.placed_us)
        ended = None
        if status is BrokerStatus.COMPLETE:
            ended = trades[-1].at
        elif order.order_id in self.cancelled:
            ended = exchange.moment(self.cancelled[order.order_id])
        elif status is not BrokerStatus.WORKING:
            ended = exchange.now
        price = exchange.market.price(index, order.price)
        request = OrderRequest(ticket.contract, ticket.product, ticket.side, order.quantity, price)
        return Order(order.order_id, request, None, placed, placed, placed, status, ended, trades)


def _request(body: dict[str, Any]) -> OrderRequest:
    return OrderRequest(
        parse_symbol(body["symbol"]),
        Product(body["product"]),
        Side(body["action"]),
        int(body["quantity"]),
        Decimal(str(body["price"])),
    )


def exchange_of(day: date, spec: ContractSpec, *, hour: float = 1.0) -> Exchange:
    """Return an exchange some hours into its day, with nobody else in its market."""
    made = SimulatedDay(
        date=day,
        specs={Index.NIFTY: spec},
        expiries={Index.NIFTY: (day, day + timedelta(days=7))},
        previous_close={Index.NIFTY: Decimal(24_000)},
    )
    exchange = Exchange(day=made, seed=7, cash=CASH)
    exchange.advance_to(exchange.market.opens_at + timedelta(hours=hour))
    return exchange


def wings(exchange: Exchange, count: int) -> list[Contract]:
    """Return contracts that cost about five rupees, calls and puts in turn."""
    day = exchange.day
    found: dict[Right, list[tuple[float, Contract]]] = {Right.CE: [], Right.PE: []}
    for strike in exchange.market.strikes(Index.NIFTY):
        for right, rows in found.items():
            contract = Contract(Index.NIFTY, day.date, Decimal(int(strike)), right)
            _, bid, ask = exchange.market.ticks(contract, exchange.t)
            if bid > 0 and ask > 0:
                rows.append((abs(float(exchange.market.price(Index.NIFTY, ask)) - 5.0), contract))
    ranked = {
        right: [contract for _, contract in sorted(rows, key=lambda row: row[0])] for right, rows in found.items()
    }
    pairs = [contract for pair in zip(ranked[Right.CE], ranked[Right.PE], strict=False) for contract in pair]
    return pairs[:count]


class Gateway:
    """A served exchange. It is forked for a trial, so that each begins with the same untouched one."""

    def __init__(self, exchange: Exchange, clock: SharedClock) -> None:
        self._clock = clock
        reading, writing = os.pipe()

        def live() -> None:
            app = SimulatorApp(exchange=exchange, clock=clock, api_keys=[KEY], rate_limited=False)
            server = serve(_Recorder(app), host="127.0.0.1", port=0)
            os.write(writing, str(server.server_address[1]).encode())
            os.close(writing)
            server.serve_forever(poll_interval=0.02)

        self._child: Child = fork(live)
        os.close(writing)
        self.url = f"http://127.0.0.1:{int(os.read(reading, 16))}"
        os.close(reading)

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()

    def spoil(self, faults: Sequence[str]) -> None:
        """Switch faults on, in the simulator's own spelling."""
        for fault in faults:
            self._ask("/simulator/faults", {"fault": fault})

    def heal(self) -> None:
        """Switch every fault off."""
        self._ask("/simulator/faults/clear", {})

    def truth(self) -> Truth:
        """Return what really happened so far."""
        with _direct.open(self.url + "/truth", timeout=20) as answer:
            truth: Truth = pickle.loads(answer.read())  # noqa: S301 - our own process wrote it
        return truth

    def broker(self, *, order_seconds: float = ORDER_SECONDS, read_seconds: float = READ_SECONDS) -> OpenAlgoBroker:
        """Return production's broker over HTTP."""
        client = OpenAlgoOrderClient(
            self.url, KEY, clock=self._clock.wall, order_seconds=order_seconds, read_seconds=read_seconds
        )
        return OpenAlgoBroker(client)

    def _ask(self, path: str, body: dict[str, Any]) -> None:
        request = Request(  # noqa: S310 - our own loopback address
            self.url + path, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
        with _direct.open(request, timeout=20) as answer:
            answer.read()


def owned(truth: Truth, owners: Mapping[Any, int], legs: Mapping[Any, int]) -> list[Order]:
    """Return the exchange's orders with our slice that each one's fingerprint names, or else its leg."""
    keys = [fingerprint(order.request) for order in truth.orders]
    return [
        replace(order, owner=owners.get(key) or legs.get(key[:3]))
        for order, key in zip(truth.orders, keys, strict=True)
    ]


def fingerprint(request: OrderRequest) -> tuple[Contract, Side, int, Decimal]:
    """Return what identifies an order of ours at the broker."""
    return (request.contract, request.side, request.quantity, request.limit_price)
