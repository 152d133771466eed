"""World: one schedule under way. Cycles with a scripted choice, workers, reconcile, operators, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from hedging.brokers.base import BrokerError
from hedging.chaos.chooser import choose
from hedging.chaos.gateway import Gateway
from hedging.chaos.kernel import Kernel
from hedging.chaos.rows import Rows
from hedging.chaos.script import Act, Deed, Script
from hedging.chaos.store import Disasters
from hedging.chaos.witness import Witness
from hedging.domain.lifecycle import OrderStatus
from hedging.engine import states
from hedging.engine.day_end import end_day
from hedging.engine.intents import record
from hedging.engine.ports import Ports
from hedging.engine.reconcile import ResolutionRefused, reconcile, resolve
from hedging.engine.sessions import set_automation
from hedging.models import CycleKind, HedgeOrder, Origin
from sessions_app.models import TradingSession, TradingState


class Sender(Protocol):
    """What takes one NEW slice to the broker: production's `send_order`, or a control that must fail."""

    def __call__(self, *, order_id: int, ports: Ports) -> OrderStatus:
        """Send the slice."""


@dataclass(slots=True)
class Clock:
    """Market time. Reading it is a point of input too: a process may be stopped there for a while."""

    kernel: Kernel
    stall_rate: float
    disasters: Disasters

    def now(self) -> datetime:
        """Return market time, at times much later than it was asked."""
        kernel = self.kernel
        if kernel.current is not None and not self.disasters.in_transaction:
            stalls = self.stall_rate and kernel.random.random() < self.stall_rate
            seconds = kernel.random.choice((0.2, 3.0, 8.0, 60.0)) if stalls else 0.0
            if stalls:
                kernel.tally["a process was stopped for a while"] += 1
                kernel.tell(f"stopped for {seconds} s")
            kernel.pause(seconds, "reading the clock")
        return kernel.now


class World:
    """Everything of one schedule. `send` is what workers send with."""

    def __init__(self, *, script: Script, rows: Rows, send: Sender, told: bool) -> None:
        self.script, self.rows, self.send = script, rows, send
        self.kernel = Kernel(start=script.start, random=Random(f"run {script.seed}"), told=told)
        self.disasters = Disasters(self.kernel, commit_rate=script.commit_rate)
        hours = rows.hours
        self.witness = Witness(
            kernel=self.kernel,
            disasters=self.disasters,
            hours=(hours.act_from, hours.act_until),
        )
        self.gateway = Gateway(kernel=self.kernel, script=script, witness=self.witness, closes=hours.closes)
        self.gateway.begin(morning=rows.morning)
        self.witness.on_news = lambda: self.reconcile_after(self.kernel.random.uniform(0.5, 8))
        self.ports = Ports(
            broker=self.gateway,
            clock=Clock(self.kernel, script.stall_rate, self.disasters),
            wall=self.gateway.wall,
            nudge_send=self.nudge,
            pause=lambda seconds: self.kernel.pause(seconds, "waiting for its turn to send"),
        )
        self.queue_lost = False
        self._looks_at: datetime | None = None
        self._tasks = 0
        self._day_is_over = False

    # --- the whole ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Let the schedule happen, then let it calm down until nothing changes any more."""
        script, kernel = self.script, self.kernel
        kernel.kill_rate = script.kill_rate
        for deed in script.deeds:
            self._schedule(deed)
        self.reconcile_after(kernel.random.uniform(5, 10))
        with self.disasters:
            kernel.run()
            self._calm_down()

    def _calm_down(self) -> None:
        kernel = self.kernel
        kernel.kill_rate = 0.0
        self.gateway.calm = True
        self.disasters.calm = True
        self.gateway.down = self.queue_lost = False
        for wait in (6, 6, 60, 60, 60, 6, 6, 20, 20, 240, 6, 6, 6, 6, 6):
            if not self._unsettled():
                break
            kernel.start(wait, self._name("reconcile"), self.reconcile)
            kernel.run()
        if self.script.ends_day:
            self._end_day()
        elif kernel.random.random() < 0.5:
            self._look_at_the_screen()
        if self.witness.posts:  # one clean look at the end, at what was believed lost too
            kernel.start(6, self._name("reconcile"), self.reconcile)
            kernel.run()

    def _end_day(self) -> None:
        kernel, closes = self.kernel, self.rows.hours.closes
        kernel.run(until=closes)
        self.gateway.close()
        for minutes in (2.5, 7, 16):
            if self._day_is_over:
                break
            kernel.run(until=closes + timedelta(minutes=minutes))
            kernel.start(0, self._name("day end"), self._day_end)
            kernel.run()

    def _day_end(self) -> None:
        session = TradingSession.objects.get(pk=self.rows.session_id)
        now = self.ports.clock.now()
        self._day_is_over = end_day(session=session, hours=self.rows.hours, now=now, ports=self.ports)

    def _unsettled(self) -> bool:
        states = [OrderStatus.REVIEW.value, OrderStatus.QUEUED_UPSTREAM.value]
        return (
            HedgeOrder.objects.live().filter(account_id=self.rows.account_id).exclude(status__in=states).exists()
            or self._looks_at is not None
        )

    def _look_at_the_screen(self) -> None:
        """Let a person settle what is in review, by the broker's own screen."""
        asked: list[int] = []
        in_review = HedgeOrder.objects.filter(account_id=self.rows.account_id, status=OrderStatus.REVIEW.value)
        while (row := next((row for row in in_review.order_by("id") if row.pk not in asked), None)) is not None:
            asked.append(row.pk)
            found = next((o.order_id for o in self.gateway.orders if o.owner == row.pk), None)
            try:
                resolve(order_id=row.pk, broker_order_id=found, actor="a person", reason="the screen", ports=self.ports)
                self.kernel.tally["a person settled a review"] += 1
            except ResolutionRefused as refused:  # it was taken for another order of ours: only a control does that
                self.kernel.escaped.append(("a person", refused))
            self.kernel.start(1, self._name("reconcile"), self.reconcile)
            self.kernel.run()

    # --- processes ---------------------------------------------------------------------------------------------------

    def _name(self, what: str) -> str:
        self._tasks += 1
        return f"{what} {self._tasks}"

    def nudge(self, order_id: int) -> None:
        """Put a send into the queue: it may be lost, or delivered twice."""
        random = self.kernel.random
        fate = random.random()
        if self.queue_lost or fate < self.script.nudge_loss_rate * (not self.gateway.calm):
            self.kernel.tally["a nudge was lost"] += 1
            return
        for _ in range(2 if fate > 0.93 else 1):
            work: Callable[[], object] = lambda: self.send(order_id=order_id, ports=self.ports)  # noqa: E731
            name = self._name(f"send {order_id}, task")
            self.kernel.start(random.choice((0.01, 0.01, 0.5)), name, work, order_id=order_id)
        if fate > 0.93:
            self.kernel.tally["a send was delivered twice"] += 1

    def reconcile_after(self, seconds: float) -> None:
        """Have the books looked at soon: something may be new in them. One look at a time is planned."""
        at = self.kernel.now + timedelta(seconds=seconds)
        if self._looks_at is None or self._looks_at < self.kernel.now:
            self._looks_at = at
            self.kernel.start(seconds, self._name("reconcile"), self.reconcile)

    def reconcile(self) -> None:
        """Reconcile once, and plan the next look while something is live."""
        self._looks_at = None
        done = reconcile(account_id=self.rows.account_id, day=self.script.day, ports=self.ports)
        if not done.watched:
            return
        following = [OrderStatus.ACKED.value, OrderStatus.PARTIAL.value, OrderStatus.CANCEL_PENDING.value]
        waiting = [*following, OrderStatus.NEW.value, OrderStatus.UNKNOWN.value, OrderStatus.SENDING.value]
        rows = HedgeOrder.objects.filter(account_id=self.rows.account_id, status__in=waiting)
        live = set(rows.values_list("status", flat=True))
        if live & {*following, OrderStatus.NEW.value}:
            self.reconcile_after(self.kernel.random.choice((5.1, 5.1, 11.0)))
        elif live:
            self.reconcile_after(self.kernel.random.choice((8.0, 46.0, 80.0, 80.0)))

    # --- deeds -------------------------------------------------------------------------------------------------------

    def _schedule(self, deed: Deed) -> None:
        kernel, act = self.kernel, deed.act
        outside: dict[Act, Callable[[], None]] = {
            Act.PERSON_ORDERS: self.gateway.person_orders,
            Act.PERSON_SELLS: self.gateway.person_sells,
            Act.PRICES_MOVE: self.gateway.move,
            Act.GATEWAY_DOWN: self._gateway_down,
            Act.DATABASE_DOWN: self._database_down,
            Act.QUEUE_LOST: self._queue_lost,
        }
        if act in outside:
            kernel.after(deed.after, outside[act])
            return
        operator: dict[Act, TradingState] = {
            Act.HALT: TradingState.HALTED,
            Act.REDUCE: TradingState.REDUCING,
            Act.RESUME: TradingState.ACTIVE,
        }
        if act in operator:
            kernel.start(
                deed.after, self._name("operator"), lambda: self._set_state(operator[act], everywhere=deed.twice)
            )
            return
        if act is Act.AUTOMATION_OFF:
            kernel.start(deed.after, self._name("operator"), self._automation_off)
            return
        slot = None if act is Act.EXIT_BY_HAND else round(deed.after * 1000)
        for _ in range(2 if deed.twice else 1):
            kernel.start(deed.after, self._name(f"cycle: {act}"), lambda: self.cycle(deed, slot))
        if deed.twice:
            kernel.tally["a cycle was published twice"] += 1

    def _gateway_down(self) -> None:
        self.kernel.tally["OpenAlgo restarted"] += 1
        self.gateway.down = True
        self.kernel.after(self.kernel.random.uniform(2, 40), lambda: setattr(self.gateway, "down", False))

    def _database_down(self) -> None:
        self.kernel.tally["the database was gone for a while"] += 1
        self.disasters.go()
        self.kernel.after(self.kernel.random.uniform(0.2, 12), self.disasters.come_back)

    def _queue_lost(self) -> None:
        self.kernel.tally["Redis was flushed"] += 1
        self.queue_lost = True
        self.kernel.after(5, lambda: setattr(self, "queue_lost", False))

    def _set_state(self, state: TradingState, *, everywhere: bool) -> None:
        self.kernel.tally[f"operator: {state}{' everywhere' if everywhere else ''}"] += 1
        session = TradingSession.objects.get(pk=self.rows.session_id)
        now = self.ports.clock.now()
        act = states.Act(reason="chaos", actor="operator", now=now, wall_now=self.gateway.wall())
        if state != TradingState.ACTIVE:
            _ = (
                states.restrict_installation(state=state, act=act)
                if everywhere
                else states.restrict_session(session=session, state=state, act=act)
            )
            return
        states.resume_session(session=session, act=act)
        states.resume_installation(act=act)

    def _automation_off(self) -> None:
        self.kernel.tally["operator: automation off"] += 1
        session = TradingSession.objects.get(pk=self.rows.session_id)
        now = self.ports.clock.now()
        set_automation(session=session, on=False, now=now, wall_now=self.gateway.wall(), actor="operator")

    def cycle(self, deed: Deed, slot: int | None) -> None:
        """Decide as the script says on what is read now, record, and nudge: `run_cycle` without its optimizer."""
        facts = self.rows.facts(now=self.ports.clock.now(), policy=self.script.policy)
        try:
            self.gateway.positions()
        except BrokerError:
            return
        decision = choose(deed, script=self.script, rows=self.rows, asks=self.gateway.asks)
        if decision is None:
            return
        kind = CycleKind.MANUAL if slot is None else CycleKind.MARGIN_CHECK
        session = TradingSession.objects.select_related("account").get(pk=self.rows.session_id)
        origin = Origin.ADMIN if deed.act is Act.EXIT_BY_HAND else Origin.AUTO
        recorded = record(
            decision=decision, facts=facts, session=session, kind=kind, slot=slot, ports=self.ports, origin=origin
        )
        if recorded is None:
            return
        self.kernel.tally[f"cycle: {recorded.card.reason}"] += 1
        self.kernel.tell(f"decided {recorded.card.reason}")
        self.kernel.pause(0.0, "between the claim and its nudge")
        for order_id in recorded.order_ids:
            self.nudge(order_id)
