"""From the tick to the first bytes of the order: what is ours of it, without the solve and without waiting for reads.

`make bench`, or `python -m benchmarks.bench_path [--cycles 150] [--slow-cycles 100]`. A whole production cycle buys a hedge
against a simulator in a process of its own, at 0 ms and at 150 ms for each read, on an embedded PostgreSQL that writes to
disk. Beside it, in the same run, the peer: a bare `requests.post` of the same body. The hop through Redis to the worker
that sends is measured apart. Budget: p99 < 25 ms. Figures are printed, never judged; a busy machine is slow for both.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"  # servers and files of its own, and nobody's keys

import django

django.setup()

import requests  # noqa: E402 - after the setup
from django.db import connection  # noqa: E402
from kombu import Connection as Queue  # noqa: E402

from config.celery import collect_garbage, settle_memory  # noqa: E402
from config.local import redis  # noqa: E402
from config.local.supervisor import Supervisor  # noqa: E402
from config.settings import PLACES  # noqa: E402
from hedging.brokers.openalgo.broker import OpenAlgoBroker  # noqa: E402
from hedging.brokers.openalgo.client import OpenAlgoOrderClient  # noqa: E402
from hedging.brokers.openalgo.limits import TokenBucket  # noqa: E402
from hedging.chaos.page import write_part  # noqa: E402
from hedging.domain import decision  # noqa: E402
from hedging.engine import cycle  # noqa: E402
from hedging.engine.clock import DatabaseClock  # noqa: E402
from hedging.engine.execution import send_order  # noqa: E402
from hedging.engine.plan import DayPlan, plan_of  # noqa: E402
from hedging.engine.ports import Ports  # noqa: E402
from hedging.engine.sessions import open_session  # noqa: E402
from hedging.management.database import database_at_hand, prepare_database  # noqa: E402
from hedging.management.worlds import day_of  # noqa: E402
from hedging.models import BookCheck, CycleKind  # noqa: E402
from hedging.simulator.clock import ManualClock  # noqa: E402
from hedging.simulator.exchange import Exchange  # noqa: E402
from hedging.simulator.serving import serve  # noqa: E402
from hedging.simulator.wsgi import SimulatorApp  # noqa: E402
from schedule.calendar import load_calendar  # noqa: E402
from sessions_app.models import Account, Mode, TradingSession  # noqa: E402
from tests.settings import REDIS_FOR_CELERY  # noqa: E402

KEY = "benchmark-key-0123456789"
DAY, SEED = date(2026, 11, 3), 7
BEFORE_ENTRY = timedelta(seconds=100)
BUDGET_MS = 25
HOPS = 200
_PART = """## From the tick to the order

Written by `python -m benchmarks.bench_path --page docs/reliability.md` (`make bench` prints it). A whole production cycle,
from its tick to the first bytes of its order; the solve and the waiting for answers are taken off. The peer runs in the same
process and minute: what a bare `requests.post` of the same body needs tells how fast the machine was. So does a piece of
Python that is the same each time, run after every cycle: where its p99 is a multiple of its p50, the machine itself stood
still, and our p99 says as much of it as of us. Run it alone: beside other work on the same two cores p99 was 27 to 35 ms.

Nobody waits for a turn here: purchases follow each other faster than the server's rate of orders allows. Of our share about
a third is the database (eight statements and one commit apart, the time every five seconds; half of it PostgreSQL's own time),
a tenth is HTTP (nine requests), a tenth reading the chain and the books; the rest is deciding, rows and audit lines, in many
small parts. At 150 ms a read the same code takes up to half as long again: it runs once a second, and is cold by then. How
Python was built counts: the same code takes a fifth less in one that was compiled with a profile, as distributions do.
"""


class Ordered(BaseException):
    """The bytes of an order are about to leave: the measurement ends, and nothing is sent."""


@dataclass(slots=True)
class Spent:
    """Where the seconds of one cycle went: waiting for reads, solving (wall and processor), and the database."""

    waiting: float = 0.0
    solving: float = 0.0
    solving_cpu: float = 0.0
    database: float = 0.0
    reads: int = 0
    decided: float = 0.0
    before_decision: float = 0.0


@dataclass(slots=True)
class Paths:
    """Our own milliseconds of each cycle: on the wall, of that from the decision on, of processor, and in the database.

    `machine`: what the same piece of work took right after each of them, which says how fast the machine was just then.
    """

    wall: list[float] = field(default_factory=list)
    acting: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)
    solving: list[float] = field(default_factory=list)
    machine: list[float] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)


# --- the simulator's process --------------------------------------------------------------------------------------------


def _serve(exchange: Exchange, told: Connection) -> None:
    """Serve a day at the moment that each message of the parent names; an answer takes as long as it says."""
    clock, delay = ManualClock(start=exchange.now), [0.0]
    app = SimulatorApp(exchange=exchange, clock=clock, api_keys=[KEY], rate_limited=False)

    def slowed(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        time.sleep(delay[0])
        return app(environ, start_response)

    server = serve(slowed, host="127.0.0.1", port=0)
    told.send(server.server_address[1])
    from threading import Thread  # noqa: PLC0415 - in the child only

    Thread(target=server.serve_forever, daemon=True).start()
    while True:
        moment, delay[0] = told.recv()
        clock.set(moment)
        with exchange.lock:
            exchange.advance_to(moment)
        told.send(exchange.strategist.entries_made)


@dataclass(slots=True)
class DayClock:
    """Production's clock, asked as in production, whose answer is the simulator's moment."""

    moment: datetime
    database: DatabaseClock = field(default_factory=DatabaseClock)

    def now(self) -> datetime:
        """Return the simulator's moment."""
        self.database.now()
        return self.moment


# --- one cycle --------------------------------------------------------------------------------------------------------------


@contextmanager
def watched(spent: list[Spent]) -> Iterator[None]:
    """Time what is not ours, and end the cycle at the bytes of its order."""
    plain_send, plain_read = socket.socket.sendall, socket.socket.recv
    names, steps = vars(decision), vars(cycle)
    plain_solve, plain_record = names["solve"], steps["record"]

    def sendall(self: Any, data: Any, *words: Any) -> None:
        if bytes(data[:64]).startswith(b"POST /api/v1/placeorder "):
            raise Ordered
        spent[-1].reads += 1
        plain_send(self, data, *words)

    def recv(self: Any, *words: Any) -> bytes:
        # The server's processor time is in here, and nothing of ours: what is done with the bytes comes after.
        began = time.perf_counter()
        try:
            return plain_read(self, *words)
        finally:
            spent[-1].waiting += time.perf_counter() - began

    def solve(*words: Any, **named: Any) -> Any:
        began, cpu = time.perf_counter(), time.process_time()
        try:
            return plain_solve(*words, **named)
        finally:
            spent[-1].solving += time.perf_counter() - began
            spent[-1].solving_cpu += time.process_time() - cpu

    def record(**named: Any) -> Any:
        spent[-1].decided = time.perf_counter()
        spent[-1].before_decision = spent[-1].waiting + spent[-1].solving
        return plain_record(**named)

    def asked(execute: Any, *words: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*words)
        finally:
            spent[-1].database += time.perf_counter() - began

    setattr(socket.socket, "sendall", sendall)  # noqa: B010 - its own type does not know that it can be replaced
    setattr(socket.socket, "recv", recv)  # noqa: B010
    names["solve"], steps["record"] = solve, record
    try:
        with connection.execute_wrapper(asked):
            yield
    finally:
        setattr(socket.socket, "sendall", plain_send)  # noqa: B010
        setattr(socket.socket, "recv", plain_read)  # noqa: B010
        names["solve"], steps["record"] = plain_solve, plain_record


class World:
    """A day of the simulator at a moment at which a hedge is bought, and production's broker over HTTP."""

    def __init__(self) -> None:
        self.day = day_of(DAY, load_calendar())
        exchange = Exchange(day=self.day, seed=SEED, cash=Decimal(1_000_000))
        ours, theirs = get_context("fork").Pipe()
        connection.close()
        self.process = get_context("fork").Process(target=_serve, args=(exchange, theirs), daemon=True)
        self.process.start()
        self._told = ours
        self.url = f"http://127.0.0.1:{ours.recv()}"
        self.broker = OpenAlgoBroker(OpenAlgoOrderClient(self.url, KEY))
        # Nobody waits for a rate limit here: many days' purchases in a minute are more orders than any limit lets through.
        for bucket in ("_read_bucket", "_order_bucket"):
            vars(self.broker._client)[bucket] = TokenBucket(rate_per_second=1e6, burst=1_000_000)
        self.clock = DayClock(exchange.now)
        self.cycles = 0

    def go_to(self, moment: datetime, *, delay: float = 0.0) -> None:
        self._told.send((moment, delay))
        self._told.recv()
        self.clock.moment = moment

    def fresh_session(self) -> tuple[TradingSession, DayPlan]:
        """Return a session that has decided nothing yet, of an account of its own."""
        self.cycles += 1
        account = Account.objects.create(name=f"bench {self.cycles}", mode=Mode.LIVE)
        wall = datetime.now(UTC)
        session = open_session(account=account, day=DAY, now=self.clock.now(), wall_now=wall, actor="bench")
        TradingSession.objects.filter(pk=session.pk).update(baseline=Decimal(0), baseline_at=self.day.start_at)
        session.refresh_from_db()
        # Its books were compared at the start of the service, as in every cycle but the first one.
        BookCheck.objects.create(session=session, read_at=self.clock.now(), read_wall=wall)
        return session, plan_of(session)

    def cycle(self, session: TradingSession, plan: DayPlan, *, slot: int = 1, enabled: bool = True) -> bool:
        """Run one cycle up to the bytes of its order; return whether it came to them."""
        ports = Ports(
            broker=self.broker,
            clock=self.clock,
            wall=lambda: datetime.now(UTC),
            nudge_send=lambda order_id: _sent(order_id, ports),
        )
        now, kind = self.clock.now(), CycleKind.MARGIN_CHECK
        from django.conf import settings  # noqa: PLC0415 - after the setup

        try:
            cycle.run_cycle(
                session=session, kind=kind, slot=slot, now=now, ports=ports, plan=plan, policy=settings.HEDGE_POLICY,
                enabled=enabled,
            )  # fmt: skip
        except Ordered:
            return True
        return False


def _sent(order_id: int, ports: Ports) -> None:
    send_order(order_id=order_id, ports=ports)


def find_purchase(world: World) -> None:
    """Move the day on until a cycle buys. Raises `RuntimeError` where the whole day needs no hedge."""
    with watched([Spent()]):
        for entry in world.day.entries:
            world.go_to(world.day.moment(entry.entry_time) - BEFORE_ENTRY)
            if world.cycle(*world.fresh_session()):
                return
    raise RuntimeError(f"{DAY} with seed {SEED} needs no hedge: take another day")


def measure(world: World, cycles: int) -> Paths:
    """Return our own share of so many cycles, each of a session that has bought nothing yet; the first is not counted."""
    spent, found = [Spent()], Paths()
    with watched(spent):
        for number in range(cycles + 1):
            session, plan = world.fresh_session()
            world.cycle(session, plan, slot=0, enabled=False)  # the day goes on: this session has been decided before
            collect_garbage()  # as every worker does after a task
            spent.append(Spent())
            began, cpu = time.perf_counter(), time.process_time()
            bought = world.cycle(session, plan)
            wall, used, seen = time.perf_counter() - began, time.process_time() - cpu, spent[-1]
            if not bought:
                raise RuntimeError("the same moment, and no hedge was bought")
            if number:
                found.wall.append(1e3 * (wall - seen.waiting - seen.solving))
                after = seen.waiting + seen.solving - seen.before_decision
                found.acting.append(1e3 * (began + wall - seen.decided - after))
                found.cpu.append(1e3 * (used - seen.solving_cpu))
                found.database.append(1e3 * seen.database)
                found.solving.append(1e3 * seen.solving)
                found.machine.append(_same_work())
                found.reads.append(seen.reads)
    return found


def _same_work() -> float:
    """Return the processor milliseconds of a piece of Python that is the same each time: how fast the machine is just now."""
    began = time.process_time()
    total = Decimal(0)
    for number in range(12_000):
        total += Decimal(str(number)) * 2
    if total != 12_000 * 11_999:
        raise RuntimeError("this machine cannot add")
    return 1e3 * (time.process_time() - began)


# --- the peer, and the hop --------------------------------------------------------------------------------------------------


def bare_posts(world: World, count: int) -> list[float]:
    """Return the milliseconds from the call of a bare `requests.post` to the first bytes of the same body."""
    body = {"apikey": KEY, "strategy": "auto-hedge", "symbol": "NIFTY", "action": "BUY", "exchange": "NFO",
            "pricetype": "LIMIT", "product": "NRML", "quantity": "65", "price": "4.15"}  # fmt: skip
    taken = []
    with watched([Spent()]):
        for _ in range(count):
            began = time.perf_counter()
            try:
                requests.post(f"{world.url}/api/v1/placeorder", data=json.dumps(body), timeout=5)
            except Ordered:
                taken.append(1e3 * (time.perf_counter() - began))
    return taken


def hops(count: int) -> list[float]:
    """Return the milliseconds that a message needs through Redis to a process that waits for it, and back, halved."""
    supervisor = Supervisor(say=lambda _: None)
    supervisor.start(redis.program(PLACES))
    there = get_context("fork").Process(target=_echo, daemon=True)
    there.start()
    try:
        with Queue(REDIS_FOR_CELERY) as queue:
            out, back = queue.SimpleQueue("bench-out"), queue.SimpleQueue("bench-back")
            taken = []
            for _ in range(count):
                began = time.perf_counter()
                out.put({"order": 1})
                back.get(timeout=10).ack()
                taken.append(500 * (time.perf_counter() - began))
            return taken
    finally:
        there.terminate()
        there.join()
        supervisor.stop_all()


def _echo() -> None:
    with Queue(REDIS_FOR_CELERY) as queue:
        out, back = queue.SimpleQueue("bench-out"), queue.SimpleQueue("bench-back")
        while True:
            message = out.get(timeout=60)
            back.put(message.payload)
            message.ack()


def line(name: str, taken: list[float], note: str = "") -> str:
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    return f"  {name:<52}{cuts[49]:>8.2f}{cuts[98]:>8.2f}{max(taken):>8.2f}  {note}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cycles", type=int, default=150)
    options.add_argument("--slow-cycles", type=int, default=100)
    options.add_argument("--page", type=Path, help="write what was measured into this page")
    asked = options.parse_args()
    told: list[str] = []

    def tell(words: str) -> None:
        print(words, flush=True)
        told.append(words)

    with database_at_hand():
        prepare_database()
        world = World()
        find_purchase(world)
        settle_memory()  # as every worker does
        print(
            f"From the tick to the bytes of the order, {DAY} {world.clock.now():%H:%M} UTC; budget p99 < {BUDGET_MS} ms"
        )
        tell(f"  {'ms':<52}{'p50':>8}{'p99':>8}{'max':>8}")
        for delay, cycles in ((0.0, asked.cycles), (0.15, asked.slow_cycles)):
            world.go_to(world.clock.now(), delay=delay)
            paths = measure(world, cycles)
            name = f"our own share, simulator at {1e3 * delay:.0f} ms a read"
            tell(line(name, paths.wall, f"{cycles} cycles of {max(paths.reads)} reads"))
            tell(line("  of it: from the decision on", paths.acting))
            tell(line("  of it: processor", paths.cpu))
            tell(line("  of it: the database", paths.database))
            tell(line("  beside it: the solve", paths.solving))
            tell(line("  beside it: the same work after each cycle", paths.machine, "how fast the machine was"))
        world.go_to(world.clock.now())
        bare = bare_posts(world, asked.cycles)
        tell(line("peer: a bare requests.post of the same body", bare))
        world.process.terminate()
        connection.close()
        tell(line("beside it: one hop through Redis to a worker", hops(HOPS)))
    if asked.page is not None:
        write_part(asked.page, name="50-path.md", text="\n".join([_PART, "```text", *told, "```"]))


if __name__ == "__main__":
    main()
