"""Cells: one crash point under one gateway fault; real processes, real HTTP, PostgreSQL; judged by the exchange's truth."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from threading import Thread
from types import SimpleNamespace
from typing import Any, cast

from django.db import OperationalError, connections

from hedging.brokers.openalgo.broker import OpenAlgoBroker
from hedging.chaos.gateway import Gateway as ChaosGateway
from hedging.chaos.judge import judge
from hedging.chaos.kernel import Kernel
from hedging.chaos.rows import Rows, write_dated, write_rows
from hedging.chaos.script import LOT, Script, script_of
from hedging.chaos.store import Disasters
from hedging.chaos.witness import Witness
from hedging.domain.decision import Decision, LegOrder
from hedging.domain.instruments import Contract, Side
from hedging.domain.lifecycle import OrderStatus
from hedging.domain.policy import HedgePolicy
from hedging.domain.reasons import Reason
from hedging.domain.worst_case import worst_price
from hedging.engine import states
from hedging.engine.day_end import end_day
from hedging.engine.execution import send_order
from hedging.engine.intents import record
from hedging.engine.ports import Ports
from hedging.engine.reconcile import reconcile
from hedging.models import CycleKind, HedgeOrder, Origin
from hedging.simulator.exchange import Exchange
from sessions_app.models import TradingSession, TradingState
from tests.integration.engine_world import add, unwind
from tests.reliability import points
from tests.reliability.gateway import Gateway, Truth, exchange_of, fingerprint, owned, wings
from tests.reliability.points import BOOKS, CANCEL, CLAIM, REPLY, SENDING, Crash
from tests.reliability.processes import KILLED, SharedClock, fork

POLICY = HedgePolicy(
    max_cost_per_day=Decimal(50_000), cooldown_seconds=0, max_chases=2, chase_after_seconds=10, intent_valid_seconds=240
)
WALL = datetime(2030, 1, 1, tzinfo=UTC)
SETTLING = (6, 6, 20, 46, 60, 60, 6, 6, 20, 20, 240, 6, 6, 6, 6, 6)
LATEST = 130.0
_STAYS = [OrderStatus.REVIEW.value, OrderStatus.QUEUED_UPSTREAM.value]

FAULTS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "reset before it is done": ("placeorder:reset_beforex1",),
    "reset after it is done": ("placeorder:reset_afterx1",),
    "the answer drips": ("placeorder:drip=5x1",),
    "done 40 s later": ("placeorder:late=40x1",),
    "done 110 s later": ("placeorder:late=110x1",),
    "500, nothing done": ("placeorder:error_beforex1",),
    "500, though done": ("placeorder:error_afterx1",),
    "400 'timed out', though done": ("placeorder:timeout_afterx1",),
    "success without an order id": ("placeorder:null_idx1",),
    "lying and failing books": ("orderbook:leak=4", "tradebook:lag=4"),
}


@dataclass(slots=True)
class Trial:
    """One cell under way: the served exchange, our rows, and what was found wrong."""

    gateway: Gateway
    clock: SharedClock
    rows: Rows
    script: Script
    wings: list[Contract]
    breaches: list[str] = field(default_factory=list)
    crashed: bool = False
    nudged: list[int] = field(default_factory=list)

    # --- what a process of ours does ---------------------------------------------------------------------------------

    def ports(self, broker: OpenAlgoBroker) -> Ports:
        """Return the ports of this process."""
        return Ports(
            broker=broker,
            clock=self.clock,
            wall=self.clock.wall,
            nudge_send=self.nudged.append,
            pause=time.sleep,
        )

    def leg(self, broker: OpenAlgoBroker, contract: Contract, side: Side, lots: int, **words: Any) -> LegOrder:
        """Return a leg at the touch."""
        depth = broker.depth(contract)
        touch = (depth.asks if side is Side.BUY else depth.bids)[0].price
        worst = worst_price(side=side, touch=touch, policy=POLICY, spec=self.rows.spec)
        reason = Reason.ADD_PROJECTION_OVER_TRIGGER if side is Side.BUY else Reason.UNWIND_SHORTS_GONE
        return LegOrder(contract, side, lots * LOT, touch, worst, reason, **words)

    def claim(
        self, decision: Decision, ports: Ports, *, slot: int | None, policy: HedgePolicy = POLICY
    ) -> tuple[int, ...]:
        """Claim as a cycle does; return the slices to send."""
        now = self.clock.now()
        facts = self.rows.facts(now=now, policy=policy)
        session = TradingSession.objects.get(pk=self.rows.session_id)
        kind, origin = CycleKind.MARGIN_CHECK, Origin.AUTO
        done = record(decision=decision, facts=facts, session=session, kind=kind, slot=slot, ports=ports, origin=origin)
        return () if done is None else done.order_ids

    def buy(self, broker: OpenAlgoBroker, *, legs: int = 1, lots: int = 2) -> None:
        """Decide, claim and send a hedge."""
        ports = self.ports(broker)
        decision = add(*(self.leg(broker, contract, Side.BUY, lots) for contract in self.wings[:legs]))
        for order_id in self.claim(decision, ports, slot=1):
            send_order(order_id=order_id, ports=ports)

    def exit(self, broker: OpenAlgoBroker, *, lots: int = 2, slot: int | None = 2, by_clock: bool = False) -> None:
        """Decide, claim and send the sale of the first wing."""
        ports = self.ports(broker)
        decision = unwind(self.leg(broker, self.wings[0], Side.SELL, lots, due_by_clock=by_clock))
        for order_id in self.claim(decision, ports, slot=slot):
            send_order(order_id=order_id, ports=ports)

    def look(self, broker: OpenAlgoBroker) -> None:
        """Reconcile once, and send what is to be sent."""
        ports = self.ports(broker)
        reconcile(account_id=self.rows.account_id, day=self.script.day, ports=ports)
        waiting, self.nudged[:] = list(self.nudged), []
        for order_id in waiting:
            send_order(order_id=order_id, ports=ports)

    def settle(self, broker: OpenAlgoBroker) -> None:
        """Carry on after a restart until nothing changes any more."""
        for wait in SETTLING:
            if not self.unsettled():
                break
            self.clock.jump(wait)
            self.look(broker)

    def unsettled(self) -> bool:
        """Return whether an order is still to be followed."""
        live = HedgeOrder.objects.live().filter(account_id=self.rows.account_id)
        return bool(live.exclude(status__in=_STAYS).exists())

    def end_the_day(self, broker: OpenAlgoBroker) -> None:
        """Let the market close, and end the session as the ticks do."""
        closes = self.rows.hours.closes
        for minutes in (2.5, 7, 16):
            self.clock.jump(max(0.0, (closes + timedelta(minutes=minutes) - self.clock.now()).total_seconds()))
            session = TradingSession.objects.get(pk=self.rows.session_id)
            if session.is_open:
                end_day(session=session, hours=self.rows.hours, now=self.clock.now(), ports=self.ports(broker))

    def halt_from_elsewhere(self) -> None:
        """Halt the session over a connection of its own, as an operator does at another screen."""
        operator = Thread(target=self._halt)
        operator.start()
        operator.join()

    def _halt(self) -> None:
        act = states.Act(actor="operator", reason="trial", now=self.clock.now(), wall_now=self.clock.wall())
        session = TradingSession.objects.get(pk=self.rows.session_id)
        states.restrict_session(session=session, state=TradingState.HALTED, act=act)
        connections.close_all()

    # --- what the trial does with processes --------------------------------------------------------------------------

    def run(self, work: Callable[[OpenAlgoBroker], None], crash: Crash | None = None) -> None:
        """Do `work` in a process of its own, which may crash; another failure than its disaster is a breach."""
        code, said = self._ended(self.start(work, crash))
        if code in {KILLED, -9}:
            self.crashed = True
        elif code:
            self.breaches.append(f"no surprise: a process ended with code {code}")
        elif said:
            self.crashed = crash is not None
            if crash is None:
                self.breaches.append(f"no surprise: {said}")

    def start(self, work: Callable[[OpenAlgoBroker], None], crash: Crash | None = None) -> Any:
        """Begin `work` in a process of its own."""

        def live() -> str:
            own = crash or Crash("nowhere", points.end)
            points.install(own)
            try:
                work(points.Watched(self.gateway.broker(), own))
            except OperationalError as error:  # what a task dies of when its database fails
                return f"{type(error).__name__}: {error}"
            return ""

        return fork(live)

    @staticmethod
    def _ended(child: Any) -> tuple[int, str]:
        said = child.result(seconds=60)
        return int(child.code), str(said or "")

    def judge(self) -> Truth:
        """Hold our tables against the exchange's truth."""
        truth = self.gateway.truth()
        rows = HedgeOrder.objects.filter(account_id=self.rows.account_id).exclude(limit_price=None)
        owners: dict[Any, int] = {}
        legs: dict[Any, int] = {}
        for row in rows.select_related("transaction"):
            key = (row.transaction.contract, Side(row.transaction.side), row.quantity, row.limit_price)
            if key in owners:
                self.breaches.append(f"fingerprint: slices {owners[key]} and {row.pk} share {key}")
            owners[key] = row.pk
            # What no fingerprint names is still an order for this leg: a price that was forgotten, not a stranger.
            legs.setdefault(key[:3], row.pk)
        hours = (self.rows.hours.act_from, self.rows.hours.act_until)
        kernel = Kernel(start=self.script.start, random=Random(1), told=False)
        witness = Witness(kernel=kernel, disasters=cast("Disasters", None), hours=hours)
        orders = owned(truth, owners, legs)
        for request in truth.posts:
            key = fingerprint(request)
            if key not in owners:
                self.breaches.append(f"one call site: a POST by nobody at {request.limit_price}")
            witness.posted(request, owners.get(key) or legs.get(key[:3]))
        judge(
            witness=witness,
            gateway=cast("ChaosGateway", SimpleNamespace(orders=orders)),
            rows=self.rows,
            script=self.script,
        )
        self.breaches += [f"{breach.rule}: {breach.words}" for breach in witness.breaches]
        self.breaches += [
            f"never short: {units} of {contract}" for contract, units in lowest(orders).items() if units < 0
        ]
        return truth


def lowest(orders: list[Any]) -> dict[Contract, int]:
    """Return the lowest net position that each contract ever had."""
    held: Counter[Contract] = Counter()
    least: dict[Contract, int] = {}
    trades = sorted(((t.at, o.request, t.quantity) for o in orders for t in o.trades), key=lambda row: row[0])
    for _, request, quantity in trades:
        held[request.contract] += request.side.sign * quantity
        least[request.contract] = min(least.get(request.contract, 0), held[request.contract])
    return least


@dataclass(frozen=True, slots=True)
class Point:
    """A crash point of the list: where it is, and the story of the processes around it."""

    words: str
    story: Callable[[Trial, tuple[str, ...]], None]


def _buy_and_crash(place: str, act: Callable[[], None] = points.end, **words: Any) -> Callable[..., None]:
    def story(trial: Trial, faults: tuple[str, ...]) -> None:
        trial.gateway.spoil(faults)
        trial.run(lambda broker: trial.buy(broker, **words), Crash(place, act))

    return story


def _published_twice(trial: Trial, faults: tuple[str, ...]) -> None:
    trial.gateway.spoil(faults)
    crash = Crash(f"after the commit of {CLAIM}", points.end)
    trial.run(trial.buy, crash)
    orders = list(HedgeOrder.objects.filter(account_id=trial.rows.account_id).values_list("id", flat=True))

    def send(broker: OpenAlgoBroker) -> None:
        for order_id in orders:
            send_order(order_id=order_id, ports=trial.ports(broker))

    for child in [trial.start(send) for _ in range(3)]:
        trial._ended(child)


def _books_and_crash(place: str, *, legs: int, partial: bool, count: int = 1) -> Callable[..., None]:
    def story(trial: Trial, faults: tuple[str, ...]) -> None:
        trial.gateway.spoil((*faults, *(("placeorder:partial=0.5",) if partial else ())))
        trial.run(lambda broker: trial.buy(broker, legs=legs))
        for wait in (6, 46, 70, 6):  # until an order is adopted there is nothing to record
            trial.clock.jump(wait)
            trial.run(trial.look, Crash(place, points.end, count))
            if trial.crashed:
                break

    return story


def _halted(place: str) -> Callable[..., None]:
    def story(trial: Trial, faults: tuple[str, ...]) -> None:
        trial.gateway.spoil(faults)
        trial.run(trial.buy, Crash(place, trial.halt_from_elsewhere))
        trial.crashed = True

    return story


def _redis_flushed(trial: Trial, faults: tuple[str, ...]) -> None:
    trial.gateway.spoil(faults)

    def claim(broker: OpenAlgoBroker) -> None:  # the nudge goes nowhere
        trial.claim(add(trial.leg(broker, trial.wings[0], Side.BUY, 2)), trial.ports(broker), slot=1)

    trial.run(claim)
    trial.crashed = True


def _hold_first(trial: Trial) -> None:
    trial.run(trial.buy)
    trial.run(trial.settle)


def _exit_and_crash(place: str) -> Callable[..., None]:
    def story(trial: Trial, faults: tuple[str, ...]) -> None:
        _hold_first(trial)
        trial.gateway.spoil(faults)
        trial.run(trial.exit, Crash(place, points.let_the_server_work))

    return story


def _two_exits(trial: Trial, faults: tuple[str, ...]) -> None:
    _hold_first(trial)
    trial.gateway.spoil(faults)
    by_clock = trial.start(lambda broker: trial.exit(broker, slot=2, by_clock=True))
    by_hand = trial.start(lambda broker: trial.exit(broker, slot=None))
    for child in (by_clock, by_hand):
        trial._ended(child)
    trial.crashed = True


def _exit_races_buy(trial: Trial, faults: tuple[str, ...]) -> None:
    trial.gateway.spoil((*faults, "placeorder:partial=0.5"))
    buying = trial.start(trial.buy)
    selling = trial.start(lambda broker: trial.exit(broker, lots=1, by_clock=True))
    looking = trial.start(trial.look)
    for child in (buying, selling, looking):
        trial._ended(child)
    trial.clock.jump(6)
    trial.run(trial.look)
    trial.run(lambda broker: trial.exit(broker, lots=1, slot=3, by_clock=True))
    trial.crashed = True


def _day_ends(trial: Trial, faults: tuple[str, ...]) -> None:
    trial.clock.jump((trial.rows.hours.act_until - trial.clock.now()).total_seconds() - 20)
    trial.gateway.spoil(faults)
    trial.run(trial.buy, Crash("placeorder: written", points.let_the_server_work))
    trial.run(trial.end_the_day)


def _restarted(trial: Trial, faults: tuple[str, ...]) -> None:
    trial.gateway.spoil(faults)
    trial.run(trial.buy, Crash("placeorder: written", points.let_the_server_work))
    trial.gateway.spoil(("*:session=0",))
    trial.clock.jump(10)
    trial.run(trial.look)
    trial.gateway.heal()


POINTS: Mapping[str, Point] = {
    point.words: point
    for point in (
        Point("before the claim's commit", _buy_and_crash(f"before the commit of {CLAIM}")),
        Point("after the claim's commit", _buy_and_crash(f"after the commit of {CLAIM}")),
        Point("the task is published three times", _published_twice),
        Point("in the pre-flight reads", _buy_and_crash("in the reads")),
        Point("before SENDING commits", _buy_and_crash(f"before the commit of {SENDING}")),
        Point("after SENDING commits, before the socket", _buy_and_crash("before the socket")),
        Point("request half written", _buy_and_crash("placeorder: half written")),
        Point("request written, reply unread", _buy_and_crash("placeorder: written", points.let_the_server_work)),
        Point("killed by signal on the wire (deploy)", _buy_and_crash("placeorder: written", points.end_by_signal)),
        Point("reply read, not committed", _buy_and_crash(f"before the commit of {REPLY}")),
        Point("reply committed, worker dies", _buy_and_crash(f"after the commit of {REPLY}")),
        Point("first wing of a set sent, worker dies", _buy_and_crash(f"after the commit of {REPLY}", legs=2, lots=3)),
        Point("while a partial fill is recorded", _books_and_crash("fills written", legs=1, partial=True)),
        Point(
            "in the middle of a reconcile batch",
            _books_and_crash(f"after the commit of {BOOKS}", legs=2, partial=False),
        ),
        Point(
            "before the commit of a cancel",
            _books_and_crash(f"before the commit of {CANCEL}", legs=1, partial=True),
        ),
        Point("cancel sent, reply unread", _books_and_crash("cancelorder: written", legs=1, partial=True)),
        Point("exit written, reply unread", _exit_and_crash("placeorder: written")),
        Point("exit races the fill of its buy", _exit_races_buy),
        Point("two exits at once", _two_exits),
        Point("database gone with the order on the wire", _buy_and_crash("reply read", points.lose_database)),
        Point("disk full at the claim's commit", _buy_and_crash(f"before the commit of {CLAIM}", points.full_disk)),
        Point("disk full at SENDING's commit", _buy_and_crash(f"before the commit of {SENDING}", points.full_disk)),
        Point("disk full at the reply's commit", _buy_and_crash(f"before the commit of {REPLY}", points.full_disk)),
        Point("Redis flushed, the nudge is gone", _redis_flushed),
        Point("halt set after the last look of the fence", _halted("before the socket")),
        Point("halt set while sending", _halted(f"after the commit of {SENDING}")),
        Point("session ends with an unknown order", _day_ends),
        Point("OpenAlgo's token dies after the order", _restarted),
    )
}


@dataclass(frozen=True, slots=True)
class Found:
    """What one cell found. `reached`: its crash point was come to."""

    point: str
    fault: str
    reached: bool
    posts: int
    seconds: float
    breaches: tuple[str, ...]


class Ground:
    """What all cells share: the untouched exchange and its contracts. Made once, before anything is forked."""

    def __init__(self) -> None:
        self.script = replace(script_of(1), policy=POLICY)
        self.dated = write_dated(self.script.day)
        self.exchange: Exchange = exchange_of(self.script.day, self.dated.spec)
        self.wings = wings(self.exchange, 40)

    def trial(self, name: str, *, policy: HedgePolicy = POLICY) -> Trial:
        """Return a fresh account over a freshly served exchange; the caller ends the gateway."""
        clock = SharedClock(market=self.exchange.now, wall=WALL)
        script = replace(self.script, policy=policy)
        rows = write_rows(script, name=f"{name} {time.time_ns()}"[-60:], dated=self.dated)
        connections.close_all()
        return Trial(gateway=Gateway(self.exchange, clock), clock=clock, rows=rows, script=script, wings=self.wings)


def send_again_after_restart(_: OpenAlgoBroker) -> None:
    """Do what a worker without a protocol does when it comes back: send whatever has no reply yet. The control."""
    HedgeOrder.objects.filter(status=OrderStatus.SENDING.value).update(status=OrderStatus.NEW.value)


def run_cell(ground: Ground, *, point: str, fault: str, control: bool = False) -> Found:
    """Run one cell and judge it; `control` carries on after the crash as no one may."""
    began = time.monotonic()
    trial = ground.trial("cell")
    with trial.gateway:
        POINTS[point].story(trial, FAULTS[fault])
        if control:
            trial.run(send_again_after_restart)
        trial.run(trial.settle)
        trial.clock.jump(LATEST)  # whatever is still on its way to the exchange comes now, and would be seen
        trial.run(trial.look)
        truth = trial.judge()
    seconds = round(time.monotonic() - began, 2)
    return Found(point, fault, trial.crashed, len(truth.posts), seconds, tuple(trial.breaches))
