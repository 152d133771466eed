"""How many requests a second the simulator answers, beside a bare WSGI app that answers a constant in the same run.

`make bench`, or `python -m benchmarks.bench_simulator [--seconds 2]`. Figures are printed, never judged: a busy machine is
slow for both columns, so read the ratio. Everything runs on one core.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from itertools import cycle
from threading import Thread
from typing import Any

from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.instruments import Contract, ContractSpec, Index, Right
from hedging.simulator.clock import ManualClock
from hedging.simulator.day import SimulatedDay
from hedging.simulator.exchange import Exchange
from hedging.simulator.serving import serve
from hedging.simulator.wsgi import SimulatorApp

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Asked = tuple[str, bytes]
KEY = "benchmark-key"
DAY = date(2026, 12, 1)
STRIKES_EACH_SIDE = 60  # 121 strikes, calls and puts


def bare_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The peer: read the body, answer a constant."""
    environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    content = b'{"status": "success", "data": {"message": "pong"}}'
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
    return [content]


class World:
    """A simulated expiry day at 10:00 with an order in the book, and the requests that a hedging cycle makes."""

    def __init__(self) -> None:
        spec = ContractSpec(Index.NIFTY, 65, Decimal(50), Decimal("0.05"), 1800, 1, Decimal(200), Decimal(1000))
        day = SimulatedDay(
            date=DAY,
            specs={Index.NIFTY: spec},
            expiries={Index.NIFTY: (DAY, DAY + timedelta(days=7))},
            previous_close={Index.NIFTY: Decimal(24_000)},
        )
        self.clock = ManualClock(start=day.start_at)
        self.exchange = Exchange(day=day, seed=7, cash=Decimal(1_000_000))
        self.app = SimulatorApp(exchange=self.exchange, clock=self.clock, api_keys=[KEY], rate_limited=False)
        self.pass_time(46 * 60)
        spot = round(self.exchange.market.spot(Index.NIFTY, self.exchange.t) / 50) * 50
        legs = []
        for right, away in ((Right.CE, 300), (Right.PE, -300)):
            symbol = format_symbol(Contract(Index.NIFTY, DAY, Decimal(spot + away), right))
            order = {"symbol": symbol, "exchange": "NFO", "action": "BUY", "product": "NRML", "pricetype": "LIMIT"}
            legs.append({**order, "quantity": "65", "price": "5.00"})
        self.order = {**legs[0], "strategy": "bench", "price": "0.05"}
        chain = {"underlying": "NIFTY", "exchange": "NSE_INDEX", "expiry_date": "01DEC26"}
        self.chain = asked("optionchain", **chain, strike_count=STRIKES_EACH_SIDE)
        self.requests: dict[str, Asked] = {
            "ping": asked("ping"),
            "funds": asked("funds"),
            "positionbook": asked("positionbook"),
            "orderbook": asked("orderbook"),
            "tradebook": asked("tradebook"),
            "quotes": asked("quotes", symbol="NIFTY", exchange="NSE_INDEX"),
            "depth": asked("depth", symbol=legs[0]["symbol"], exchange="NFO"),
            "margin": asked("margin", positions=legs),
            "optionchain ±10": asked("optionchain", **chain, strike_count=10),
        }
        for order in (self.order, {**self.order, "price": "50.00"}):
            called(self.app, asked("placeorder", **order))
        self.pass_time(5)

    def pass_time(self, seconds: float) -> None:
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))


def asked(endpoint: str, **body: Any) -> Asked:
    return f"/api/v1/{endpoint}", json.dumps({"apikey": KEY, **body}).encode()


def called(app: WsgiApp, request: Asked) -> bytes:
    """Answer one request in process; an answer that is not 200 would make the figures worthless."""
    path, body = request
    started: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(body),
    }
    content = b"".join(app(environ, lambda status, _: started.append(status)))
    if not started[0].startswith("200"):
        raise RuntimeError(f"{path}: {started[0]} {content[:200]!r}")
    return content


def rate(send: Callable[[], object], seconds: float) -> float:
    """Return calls a second over at least `seconds` of wall time, after a short warm-up."""
    for _ in range(20):
        send()
    count, begins = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begins) < seconds:
        send()
        count += 1
    return count / elapsed


def cycling(send: Callable[[Asked], object], requests: Iterable[Asked]) -> Callable[[], object]:
    turns = cycle(requests)
    return lambda: send(next(turns))


@contextmanager
def over_http(app: WsgiApp) -> Iterator[Callable[[Asked], object]]:
    """Serve the app on a loopback port; yield a sender over one kept-alive connection."""
    server = serve(app, host="127.0.0.1", port=0)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)

    def send(request: Asked) -> bytes:
        path, body = request
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {content[:200]!r}")
        return content

    try:
        yield send
    finally:
        connection.close()
        server.shutdown()
        server.server_close()
        thread.join()


def chain_milliseconds(world: World, count: int) -> tuple[float, float, float]:
    """Return the fastest, the median and the 95th percentile of whole requests for the chain, each at a new second."""
    taken = []
    for _ in range(count):
        world.pass_time(1)
        begins = time.perf_counter()
        content = called(world.app, world.chain)
        taken.append((time.perf_counter() - begins) * 1000)
    rows = len(json.loads(content)["chain"])
    if rows != 2 * STRIKES_EACH_SIDE + 1:
        raise RuntimeError(f"{rows} strikes instead of {2 * STRIKES_EACH_SIDE + 1}")
    return min(taken), statistics.median(taken), statistics.quantiles(taken, n=20)[18]


def line(what: str, simulator: float, peer: float, goal: str = "") -> None:
    print(f"{what:<28}{simulator:>10,.0f}/s{peer:>12,.0f}/s{simulator / peer:>9.2f}   {goal}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=1.0, help="wall time of each measurement")
    seconds = options.parse_args().seconds
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    world = World()
    mix = list(world.requests.values())
    print(f"{'':<28}{'simulator':>12}{'bare app':>14}{'ratio':>9}   goal")
    line(
        "in process, all in turn",
        rate(cycling(lambda request: called(world.app, request), mix), seconds),
        rate(cycling(lambda request: called(bare_app, request), mix), seconds),
        "1,500/s",
    )
    for name, request in world.requests.items():
        one = [request]
        simulator = rate(cycling(lambda r: called(world.app, r), one), seconds / 5)
        line(f"  {name}", simulator, rate(cycling(lambda r: called(bare_app, r), one), seconds / 5))
    with over_http(world.app) as send, over_http(bare_app) as send_bare:
        line("HTTP, all in turn", rate(cycling(send, mix), seconds), rate(cycling(send_bare, mix), seconds), "400/s")
    fastest, median, slow = chain_milliseconds(world, 300)
    print(
        f"chain of 2 × {2 * STRIKES_EACH_SIDE + 1} at a new second: fastest {fastest:.2f}, median {median:.2f}, 95 % {slow:.2f} ms   goal 3 ms"
    )


if __name__ == "__main__":
    main()
