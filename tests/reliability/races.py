"""Races: 32 processes at one row, each with production's statement, and beside them the naive way, which must fail."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

from django.db import connections

from hedging.brokers.base import BrokerError, OrderRequest
from hedging.domain.instruments import Product, Side
from hedging.domain.reasons import Reason
from hedging.engine import breaker, lease
from hedging.engine.execution import send_order
from hedging.engine.standing import standing_of
from hedging.models import HedgeDecision, HedgeTransaction
from hedging.selectors import holdings
from sessions_app.models import AccountLease, Breaker, BreakerKind, TradingSession
from tests.integration.engine_world import add, unwind
from tests.reliability.cells import POLICY, Ground, Trial
from tests.reliability.processes import race

RACERS = 32
FITTING = 5
EVERY_LOOK = 60.0
"""Seconds that a naive racer waits for the looks of the others, so that its look is stale by its deed on any machine."""


@dataclass(frozen=True, slots=True)
class Raced:
    """One race: what was allowed, what happened, and what was found wrong."""

    race: str
    naive: bool
    racers: int
    allowed: int
    happened: int
    seconds: float
    breaches: tuple[str, ...] = ()


# --- the cap ----------------------------------------------------------------------------------------------------------


def _naive_looks() -> Callable[[], object]:
    """Return what a naive racer calls between its look and its deed: it ends once all of them have looked."""
    looks = multiprocessing.get_context("fork").Barrier(RACERS)
    return lambda: looks.wait(EVERY_LOOK)


def _cap(ground: Ground, *, naive: bool) -> Raced:
    """Claim as often as it goes; the cap holds five claims. Who is denied because another came first tries again."""
    trial = ground.trial("cap")
    with trial.gateway:
        cost = _price_of_one(trial)
        policy = replace(POLICY, max_cost_per_day=cost * FITTING + cost / 2)
        claim = partial(_naive_cap, _naive_looks()) if naive else _claim_until_denied
        race(lambda number: claim(trial, number, policy.max_cost_per_day, cost), racers=RACERS)
        session = TradingSession.objects.get(pk=trial.rows.session_id)
        claimed = HedgeTransaction.objects.filter(session=session).count()
        happened = round(session.reserved / cost) if not naive else int(session.summary.get("claims", 0))
        breaches = []
        if not naive and (session.reserved > policy.max_cost_per_day or claimed != happened):
            breaches.append(f"{session.reserved} reserved of {policy.max_cost_per_day} by {claimed} claims")
    return Raced("cost cap", naive, RACERS, FITTING, happened, 0.0, tuple(breaches))


def _price_of_one(trial: Trial) -> Decimal:
    """Return what one claim reserves: all of them are for the same contract at the same price in these races."""
    from hedging.engine.intents import worst_cost

    broker = trial.gateway.broker()
    leg = trial.leg(broker, trial.wings[0], Side.BUY, 1)
    cost = worst_cost(leg, trial.rows.facts(now=trial.clock.now(), policy=POLICY))
    connections.close_all()
    return cost


def _claim_until_denied(trial: Trial, number: int, cap: Decimal, _cost: Decimal) -> str:
    broker = trial.gateway.broker()
    ports = trial.ports(broker)
    policy = replace(POLICY, max_cost_per_day=cap)
    first = trial.leg(broker, trial.wings[0], Side.BUY, 1)
    leg = replace(first, contract=trial.wings[number])  # a contract for each, at one price: only the cap is in the way
    for attempt in range(400):
        trial_slot = 1000 * number + attempt
        if trial.claim(add(leg), ports, slot=trial_slot, policy=policy):
            return "claimed"
        reason = HedgeDecision.objects.get(session_id=trial.rows.session_id, slot=trial_slot).reason
        if reason != Reason.DENY_COOLDOWN:
            return reason
    return "gave up"


def _naive_cap(all_looked: Callable[[], object], trial: Trial, _number: int, cap: Decimal, cost: Decimal) -> bool:
    """Look whether it fits, then store the new sum: the way that overspends."""
    session = TradingSession.objects.get(pk=trial.rows.session_id)
    fits = session.reserved + cost <= cap
    all_looked()
    if fits:
        session.reserved += cost
        session.save(update_fields=["reserved"])
        _count(trial)
    return fits


def _count(trial: Trial) -> None:
    """Count truly, for the judge: what the naive way did is not to be read from the row that it spoils."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            f"UPDATE {TradingSession._meta.db_table} SET summary = jsonb_set(summary, '{{claims}}', "  # noqa: S608 - our table
            "to_jsonb(coalesce((summary->>'claims')::int, 0) + 1)) WHERE id = %s",
            [trial.rows.session_id],
        )


# --- the cooldown -----------------------------------------------------------------------------------------------------


def _cooldown(ground: Ground, *, naive: bool) -> Raced:
    """Act at once, in 32 processes; within the cooldown there is one action, of two wings."""
    trial = ground.trial("cooldown", policy=replace(POLICY, cooldown_seconds=300))
    all_looked = _naive_looks()
    with trial.gateway:

        def claim(number: int) -> bool:
            broker = trial.gateway.broker()
            first = trial.leg(broker, trial.wings[0], Side.BUY, 1)
            legs = (
                replace(first, contract=trial.wings[(2 * number) % 40]),
                replace(first, contract=trial.wings[(2 * number + 1) % 40]),
            )
            acted = False
            for attempt in range(3):
                done = trial.claim(
                    add(*legs), trial.ports(broker), slot=1000 * number + attempt, policy=trial.script.policy
                )
                acted = acted or bool(done)
            return acted

        def naively(_: int) -> bool:
            session = TradingSession.objects.get(pk=trial.rows.session_id)
            now = trial.clock.now()
            ready = session.last_action_at is None or now >= session.last_action_at + timedelta(seconds=300)
            all_looked()
            if ready:
                session.last_action_at = now
                session.save(update_fields=["last_action_at"])
            return ready

        acted = race(naively if naive else claim, racers=RACERS)
        legs = HedgeTransaction.objects.filter(session_id=trial.rows.session_id).count()
        breaches = () if naive or legs == 2 else (f"{legs} legs claimed, a set has 2",)
    return Raced("cooldown", naive, RACERS, 1, sum(acted), 0.0, breaches)


# --- an exit ----------------------------------------------------------------------------------------------------------


def _exit(ground: Ground, *, naive: bool) -> Raced:
    """Sell the same wing from 32 processes; it is sold once, and the account is never short."""
    trial = ground.trial("exit")
    all_looked = _naive_looks()
    with trial.gateway:
        trial.run(trial.buy)
        trial.run(trial.settle)

        def sell(number: int) -> bool:
            broker = trial.gateway.broker()
            ports = trial.ports(broker)
            leg = trial.leg(broker, trial.wings[0], Side.SELL, 2, due_by_clock=number % 2 == 0)
            ids = trial.claim(unwind(leg), ports, slot=None if number % 3 else number)
            for order_id in ids:
                send_order(order_id=order_id, ports=ports)
            return bool(ids)

        def naively(_: int) -> bool:
            broker = trial.gateway.broker()
            rows = trial.rows
            held = holdings(account_id=rows.account_id, mode=rows.mode, day=trial.script.day)
            net = sum(p.quantity for p in broker.positions() if p.contract == trial.wings[0])
            price = broker.depth(trial.wings[0]).bids[0].price
            all_looked()
            if not held or net < held[0].quantity:
                return False
            request = OrderRequest(trial.wings[0], Product.NRML, Side.SELL, held[0].quantity, price)
            return bool(broker.place(request).order_id)

        sold = race(naively if naive else sell, racers=RACERS)
        if naive:
            trial.clock.jump(5)
        else:
            trial.run(trial.settle)
        truth = trial.judge() if not naive else trial.gateway.truth()
        short = min(truth.net.get(trial.wings[0], 0), 0)
        breaches = tuple(trial.breaches) if not naive else (f"net {short}",) * bool(short)
    return Raced("exit", naive, RACERS, 1, sum(sold), 0.0, breaches)


# --- the breaker's probe ------------------------------------------------------------------------------------------------


def _probe(ground: Ground, *, naive: bool) -> Raced:
    """Find the breaker's minute over in 32 processes; one of them asks the server."""
    trial = ground.trial("probe")
    all_looked = _naive_looks()
    with trial.gateway:
        rows = trial.rows
        Breaker.objects.create(
            account_id=rows.account_id, kind=BreakerKind.ORDERS, failures=3, open_until=trial.clock.wall()
        )

        def probe(_: int) -> None:
            ports = trial.ports(trial.gateway.broker())
            standing = standing_of(rows.session_id)
            breaker.probe_if_due(account_id=rows.account_id, standing=standing, now=trial.clock.now(), ports=ports)

        def naively(_: int) -> None:
            row = Breaker.objects.get(account_id=rows.account_id)
            all_looked()
            if row.open_until is None:
                return
            try:
                trial.gateway.broker().funds()
            except BrokerError:
                return
            row.open_until = None
            row.save(update_fields=["open_until"])

        race(naively if naive else probe, racers=RACERS)
        asked = trial.gateway.truth().calls.get("funds", 0)
        left = Breaker.objects.filter(account_id=rows.account_id, open_until__isnull=False).count()
    return Raced("breaker's probe", naive, RACERS, 1, asked, 0.0, ("the breaker stayed open",) * left)


# --- the lease ----------------------------------------------------------------------------------------------------------


def _lease(ground: Ground, *, naive: bool) -> Raced:
    """Take the account in 32 processes, three times: one has it at a time, under a number of its own."""
    trial = ground.trial("lease")
    all_looked = _naive_looks()
    with trial.gateway:
        account, wall = trial.rows.account_id, trial.clock.wall()

        def take(_: int, *, after: timedelta) -> list[int]:
            number = lease.take(account_id=account, wall_now=wall + after)
            return [] if number is None else [number]

        def naively(_: int) -> list[int]:
            row, _made = AccountLease.objects.get_or_create(
                account_id=account, defaults={"number": 0, "holder": "", "until": wall}
            )
            free = row.until <= wall
            all_looked()
            if not free:
                return []
            row.number, row.until = row.number + 1, wall + lease.HELD_FOR
            row.save()
            return [row.number]

        rounds = [naively] if naive else [partial(take, after=timedelta(seconds=46 * n)) for n in range(3)]
        numbers = [number for one in rounds for taken in race(one, racers=RACERS) for number in taken]
    doubled = len(numbers) - len(set(numbers))
    breaches = (f"{doubled} numbers were given twice",) if doubled and not naive else ()
    return Raced("lease", naive, RACERS, 1 if naive else 3, len(numbers), 0.0, breaches)


RACES: Mapping[str, Callable[..., Raced]] = {
    "cap": _cap,
    "cooldown": _cooldown,
    "exit": _exit,
    "probe": _probe,
    "lease": _lease,
}


def run_race(ground: Ground, *, name: str, naive: bool) -> Raced:
    """Run one race; whatever happened beyond what is allowed is a breach, of the naive way too."""
    began = time.monotonic()
    raced = RACES[name](ground, naive=naive)
    over = raced.happened - raced.allowed
    told = (f"{raced.happened} of {raced.allowed} allowed",) if over > 0 else ()
    return replace(raced, seconds=round(time.monotonic() - began, 2), breaches=(*raced.breaches, *told))
