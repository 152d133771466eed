"""Isolation: both POSTs of a set hang for 30 s; meanwhile reconcile, a cancel, an exit and another account's cycle go on.

The processes are production's: one for margin cycles, one with four threads for sends, one for the books.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.db import connections

from config.local.stack import WORKERS
from hedging.brokers.openalgo.broker import OpenAlgoBroker
from hedging.brokers.openalgo.client import ORDER_SECONDS, READ_SECONDS
from hedging.domain.instruments import Index, Side
from hedging.engine import ticks
from hedging.engine.execution import send_order
from hedging.engine.plan import plan_of
from hedging.engine.ports import Ports
from hedging.models import CycleKind, HedgeDecision
from schedule.models import MarginParameters
from sessions_app.models import TradingSession
from tests.integration.engine_world import add, unwind
from tests.reliability.cells import POLICY, Ground, Trial
from tests.reliability.processes import Shared, fork

HANGS = 30
PATIENCE = 25.0
SENT_BOTH, EXITED, LOOKED, CYCLED = range(4)
_SENDERS = next(places for name, _, _, places in WORKERS if name == "worker-orders")


@dataclass(frozen=True, slots=True)
class Isolated:
    """Seconds that each piece of work took. `still_hanging`: both POSTs had no answer when the last of it was done."""

    hanging: bool
    still_hanging: bool
    reconcile: float
    exit: float
    cycles: float
    cancels: int
    exits_posted: int
    accounts_decided: int
    breaches: tuple[str, ...]


def run_isolation(ground: Ground, *, hanging: bool) -> Isolated:
    """Let a set hang (or not), do everything else, and measure."""
    MarginParameters.objects.get_or_create(index=Index.NIFTY.value, effective_from=ground.script.day)
    trial, other = ground.trial("hung"), ground.trial("beside")
    done = Shared(4)
    with trial.gateway, other.gateway:
        trial.run(trial.buy)
        trial.run(trial.settle)
        trial.gateway.spoil(("placeorder:partial=0.5x1",))
        trial.run(lambda broker: _buy_at(trial, broker, slot=2, wings=slice(1, 2)))  # half of it rests
        before = len(trial.gateway.truth().posts)
        if hanging:
            trial.gateway.spoil((f"placeorder:drip={HANGS}x2",))
        sender = fork(lambda: _orders_process(trial, done))
        _wait(lambda: len(trial.gateway.truth().posts) >= before + 2, seconds=20)
        trial.clock.jump(12)  # what rests is to be chased now
        began = time.monotonic()
        done[EXITED] = -1.0  # the sign to send the exit
        books = fork(lambda: _books_process(trial, done))
        hedge = fork(lambda: _hedge_process((trial, other), done))
        _wait(lambda: all(done[place] > 0 for place in (EXITED, LOOKED, CYCLED)), seconds=PATIENCE)
        still_hanging = done[SENT_BOTH] == 0 and time.monotonic() - began < HANGS
        truth = trial.gateway.truth()
        for child in (sender, books, hedge):
            child.kill()
        exits = sum(request.side is Side.SELL for request in truth.posts)
        ours = HedgeDecision.objects.filter(session_id__in=[trial.rows.session_id, other.rows.session_id])
        by_ticks = ours.filter(
            slot=ticks.slot_of(CycleKind.MARGIN_CHECK, trial.script.start), kind=CycleKind.MARGIN_CHECK
        )
        accounts = by_ticks.values("session_id").distinct().count()
        connections.close_all()
        trial.run(trial.settle)  # the senders were killed with the orders on the wire: one crash point more
        trial.judge()
    return Isolated(
        hanging=hanging,
        still_hanging=still_hanging,
        reconcile=round(done[LOOKED] - began, 2),
        exit=round(done[EXITED] - began, 2),
        cycles=round(done[CYCLED] - began, 2),
        cancels=truth.calls.get("cancelorder", 0),
        exits_posted=exits,
        accounts_decided=accounts,
        breaches=tuple(trial.breaches),
    )


def _wait(until: Callable[[], bool], *, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not until() and time.monotonic() < ends:
        time.sleep(0.02)


def _as_in_production(trial: Trial) -> OpenAlgoBroker:
    return trial.gateway.broker(order_seconds=ORDER_SECONDS, read_seconds=READ_SECONDS)


def _buy_at(trial: Trial, broker: OpenAlgoBroker, *, slot: int, wings: slice) -> None:
    ports = trial.ports(broker)
    legs = [trial.leg(broker, contract, Side.BUY, 2) for contract in trial.wings[wings]]
    for order_id in trial.claim(add(*legs), ports, slot=slot):
        send_order(order_id=order_id, ports=ports)


def _orders_process(trial: Trial, done: Shared) -> None:
    """Be the worker of the queue `orders`: so many threads, each with a connection of its own."""
    broker = _as_in_production(trial)
    ports = trial.ports(broker)
    legs = [trial.leg(broker, contract, Side.BUY, 2) for contract in trial.wings[2:4]]
    pair = trial.claim(add(*legs), ports, slot=3)

    def send(order_id: int) -> None:
        send_order(order_id=order_id, ports=ports)

    with ThreadPoolExecutor(_SENDERS) as threads:
        hung = [threads.submit(send, order_id) for order_id in pair]
        _wait(lambda: done[EXITED] < 0, seconds=PATIENCE)
        decision = unwind(trial.leg(broker, trial.wings[0], Side.SELL, 2, due_by_clock=True))
        for future in [threads.submit(send, order_id) for order_id in trial.claim(decision, ports, slot=4)]:
            future.result()
        done[EXITED] = time.monotonic()
        for future in hung:
            future.result()
        done[SENT_BOTH] = time.monotonic()


def _books_process(trial: Trial, done: Shared) -> None:
    trial.look(_as_in_production(trial))
    done[LOOKED] = time.monotonic()


def _hedge_process(trials: tuple[Trial, Trial], done: Shared) -> None:
    by_session = {trial.rows.session_id: trial for trial in trials}
    held: dict[int, Ports] = {}

    def ports_for(session: TradingSession) -> Ports:
        trial = by_session[session.pk]
        return held.setdefault(session.pk, trial.ports(_as_in_production(trial)))

    def sessions() -> list[TradingSession]:
        whole = TradingSession.objects.select_related("account", "calibration")
        return list(whole.filter(pk__in=by_session).order_by("pk"))  # the account that hangs is the first in line

    rules = ticks.Rules(ports_for=ports_for, plan_for=plan_of, policy=POLICY, enabled=True, sessions=sessions)
    ticks.check_margin(now=trials[0].script.start, rules=rules)
    done[CYCLED] = time.monotonic()
