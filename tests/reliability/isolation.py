"""Isolation: POSTs that hang for 30 s keep no reconcile, cancel, exit, and no other account's cycle or purchase waiting.

Both POSTs of a CE+PE set hang in two accounts at once. The processes are production's: one for margin cycles, one with
threads for purchases, one with threads for exits, one for the books, out of which cancels go.
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
ENDED, BOUGHT, EXITED, LOOKED, CYCLED = range(5)
_PLACES = {name: places for name, _, _, places in WORKERS}
_ORDERS, _EXITS = _PLACES["worker-orders"], _PLACES["worker-exits"]
HANGING_POSTS = 4  # a set of two, in two accounts


@dataclass(frozen=True, slots=True)
class Isolated:
    """Seconds that each piece of work took. `still_hanging`: no POST had an answer when the last of it was done.

    `places` are the threads of the worker for purchases; with as many as hang it is full, and `purchase` is not asked for.
    """

    hanging: bool
    places: int
    still_hanging: bool
    reconcile: float
    exit: float
    cycles: float
    purchase: float
    cancels: int
    exits_posted: int
    accounts_decided: int
    breaches: tuple[str, ...]


def run_isolation(ground: Ground, *, hanging: bool, places: int = _ORDERS) -> Isolated:
    """Let the sets of two accounts hang (or not) in a worker of so many places, do everything else, and measure."""
    MarginParameters.objects.get_or_create(index=Index.NIFTY.value, effective_from=ground.script.day)
    trial, second, other = ground.trial("hung"), ground.trial("hung too"), ground.trial("beside")
    done, full = Shared(5), hanging and places <= HANGING_POSTS
    with trial.gateway, second.gateway, other.gateway:
        trial.run(trial.buy)
        trial.run(trial.settle)
        trial.gateway.spoil(("placeorder:partial=0.5x1",))
        trial.run(lambda broker: _buy_at(trial, broker, slot=2, wings=slice(1, 2)))  # half of it rests
        before = len(trial.gateway.truth().posts)
        if hanging:
            for one in (trial, second):
                one.gateway.spoil((f"placeorder:drip={HANGS}x2",))
        orders = fork(lambda: _orders_process((trial, second), other, done, places))
        _wait(lambda: len(trial.gateway.truth().posts) >= before + 2, seconds=20)
        _wait(lambda: len(second.gateway.truth().posts) >= 2, seconds=20)
        trial.clock.jump(12)  # what rests is to be chased now
        began = time.monotonic()
        done[BOUGHT] = -1.0  # the sign for the other account's purchase
        exits = fork(lambda: _exits_process(trial, done))
        books = fork(lambda: _books_process(trial, done))
        hedge = fork(lambda: _hedge_process((trial, second, other), done))
        awaited = (EXITED, LOOKED, CYCLED) if full else (EXITED, LOOKED, CYCLED, BOUGHT)
        _wait(lambda: all(done[place] > 0 for place in awaited), seconds=PATIENCE)
        still_hanging = done[ENDED] == 0 and time.monotonic() - began < HANGS
        truth = trial.gateway.truth()
        for child in (orders, exits, books, hedge):
            child.kill()
        sold = sum(request.side is Side.SELL for request in truth.posts)
        trials = (trial, second, other)
        ours = HedgeDecision.objects.filter(session_id__in=[one.rows.session_id for one in trials])
        by_ticks = ours.filter(
            slot=ticks.slot_of(CycleKind.MARGIN_CHECK, trial.script.start), kind=CycleKind.MARGIN_CHECK
        )
        accounts = by_ticks.values("session_id").distinct().count()
        connections.close_all()
        for one in trials:
            one.run(one.settle)  # the senders were killed with the orders on the wire: one crash point more
            one.judge()
    return Isolated(
        hanging=hanging,
        places=places,
        still_hanging=still_hanging,
        reconcile=round(done[LOOKED] - began, 2),
        exit=round(done[EXITED] - began, 2),
        cycles=round(done[CYCLED] - began, 2),
        purchase=0.0 if full else round(done[BOUGHT] - began, 2),
        cancels=truth.calls.get("cancelorder", 0),
        exits_posted=sold,
        accounts_decided=accounts,
        breaches=tuple(breach for one in trials for breach in one.breaches),
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


def _sender(ports: Ports) -> Callable[[int], None]:
    def send(order_id: int) -> None:
        send_order(order_id=order_id, ports=ports)

    return send


def _orders_process(hung: tuple[Trial, ...], other: Trial, done: Shared, places: int) -> None:
    """Be the worker of the queue `orders`: so many threads, each with a connection of its own."""
    with ThreadPoolExecutor(places) as threads:
        waiting = []
        for trial in hung:
            broker = _as_in_production(trial)
            ports = trial.ports(broker)
            legs = [trial.leg(broker, contract, Side.BUY, 2) for contract in trial.wings[2:4]]
            waiting += [threads.submit(_sender(ports), order_id) for order_id in trial.claim(add(*legs), ports, slot=3)]
        _wait(lambda: done[BOUGHT] < 0, seconds=PATIENCE)
        broker = _as_in_production(other)
        ports = other.ports(broker)
        decision = add(other.leg(broker, other.wings[0], Side.BUY, 2))
        for future in [threads.submit(_sender(ports), order_id) for order_id in other.claim(decision, ports, slot=3)]:
            future.result()
        done[BOUGHT] = time.monotonic()
        for future in waiting:
            future.result()
        done[ENDED] = time.monotonic()


def _exits_process(trial: Trial, done: Shared) -> None:
    """Be the worker of the queue `exits`."""
    broker = _as_in_production(trial)
    ports = trial.ports(broker)
    decision = unwind(trial.leg(broker, trial.wings[0], Side.SELL, 2, due_by_clock=True))
    with ThreadPoolExecutor(_EXITS) as threads:
        for future in [threads.submit(_sender(ports), order_id) for order_id in trial.claim(decision, ports, slot=4)]:
            future.result()
    done[EXITED] = time.monotonic()


def _books_process(trial: Trial, done: Shared) -> None:
    trial.look(_as_in_production(trial))
    done[LOOKED] = time.monotonic()


def _hedge_process(trials: tuple[Trial, ...], done: Shared) -> None:
    by_session = {trial.rows.session_id: trial for trial in trials}
    held: dict[int, Ports] = {}

    def ports_for(session: TradingSession) -> Ports:
        trial = by_session[session.pk]
        return held.setdefault(session.pk, trial.ports(_as_in_production(trial)))

    def sessions() -> list[TradingSession]:
        whole = TradingSession.objects.select_related("account", "calibration")
        return list(whole.filter(pk__in=by_session).order_by("pk"))  # those that hang are the first in line

    rules = ticks.Rules(ports_for=ports_for, plan_for=plan_of, policy=POLICY, enabled=True, sessions=sessions)
    ticks.check_margin(now=trials[0].script.start, rules=rules)
    done[CYCLED] = time.monotonic()
