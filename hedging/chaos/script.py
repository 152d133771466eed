"""Script: what one seed decides beforehand about a schedule: its day, its market, who acts when, and how much goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from random import Random

from hedging.domain.instruments import Contract, Index, Right
from hedging.domain.policy import HedgePolicy

FIRST_DAY = date(2036, 3, 4)  # far from every seeded row; reference rows of a schedule are its own
LOT = 65
FREEZE_LOTS = 2
TICK = Decimal("0.05")


class Act(StrEnum):
    """Who does what at a time of the schedule."""

    BUY = "buy"
    UNWIND = "unwind"
    REPLACE = "replace"
    EXIT_BY_HAND = "exit by hand"
    SELL_BY_CLOCK = "sell by clock"
    HALT = "halt"
    REDUCE = "reduce"
    RESUME = "resume"
    AUTOMATION_OFF = "automation off"
    PERSON_ORDERS = "a person orders the same"
    PERSON_SELLS = "a person sells our hedge"
    GATEWAY_DOWN = "OpenAlgo restarts"
    DATABASE_DOWN = "the database is gone"
    QUEUE_LOST = "Redis is flushed"
    PRICES_MOVE = "prices move"


@dataclass(frozen=True, slots=True)
class Deed:
    """One act at `after` seconds; `lots` where something is bought or sold, `legs` contracts of it.

    `twice`: published twice; of an operator: for the whole installation, not for the session.
    """

    after: float
    act: Act
    lots: int = 0
    legs: int = 1
    twice: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """One schedule, before it runs. Rates are chances for each point, read, nudge or row.

    `held_lots` of the first wing were bought in the morning. `leaks`: rows in transit show their neighbour's status, and
    there is a neighbour; `nameless`: they lack a symbol; `thin`: orders fill in parts;
    `averages`: the book shows the average price of what an order has traded, and no limit any more; `joins`: an order
    trades at one price, and the trade book has one row for all of it, which grows.
    """

    seed: int
    start: datetime
    day: date
    policy: HedgePolicy
    deeds: tuple[Deed, ...]
    ends_day: bool
    kill_rate: float
    commit_rate: float
    read_failure_rate: float
    nudge_loss_rate: float
    stall_rate: float
    leaks: bool
    nameless: bool
    thin: bool
    averages: bool
    joins: bool
    held_lots: int


def contracts(day: date) -> tuple[Contract, ...]:
    """Return the wings that a schedule trades: a call, a put, and a nearer one of each."""
    return tuple(
        Contract(Index.NIFTY, day, Decimal(strike), right)
        for strike, right in ((26500, Right.CE), (25500, Right.PE), (26400, Right.CE), (25600, Right.PE))
    )


def script_of(seed: int, *, place: int = 0) -> Script:
    """Write the script of a seed. `place` moves it to a day of its own, so that processes may share one database."""
    dice = Random(f"script {seed}")
    day = FIRST_DAY + timedelta(days=7 * place)
    ends_day = dice.random() < 0.1
    first = dice.uniform(5 * 3600, 5.2 * 3600) if not ends_day else dice.uniform(9.9 * 3600, 9.99 * 3600)
    rough = dice.random() < 0.5
    held_lots = dice.choices((0, 1, 2, 3), weights=(65, 15, 10, 10))[0]
    return Script(
        seed=seed,
        start=datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=round(first)),
        day=day,
        policy=_policy(dice),
        deeds=_deeds(dice, held_lots),
        ends_day=ends_day,
        kill_rate=dice.choice((0.0, 0.005, 0.02, 0.02, 0.1)) if rough else 0.0,
        commit_rate=dice.choice((0.0, 0.02, 0.08)) if rough else 0.0,
        read_failure_rate=dice.choices((0.0, 0.02, 0.1), weights=(6, 3, 1))[0],
        nudge_loss_rate=dice.choice((0.0, 0.1, 0.5)),
        stall_rate=dice.choice((0.0, 0.0, 0.0, 0.02, 0.06)),
        leaks=dice.random() < 0.5,
        nameless=dice.random() < 0.1,
        thin=dice.random() < 0.4,
        averages=dice.random() < 0.25,
        joins=dice.random() < 0.2,
        held_lots=held_lots,
    )


def _policy(dice: Random) -> HedgePolicy:
    return HedgePolicy(
        max_cost_per_day=Decimal(dice.choices((50_000, 1_500, 900), weights=(6, 2, 2))[0]),
        cooldown_seconds=dice.choice((0, 20, 120)),
        max_chases=dice.choice((0, 2, 5)),
        intent_valid_seconds=dice.choice((60, 240)),
    )


_EXITS = (Act.UNWIND, Act.EXIT_BY_HAND, Act.SELL_BY_CLOCK)


def _deeds(dice: Random, held_lots: int) -> tuple[Deed, ...]:
    twice = dice.random() < 0.08
    if held_lots and dice.random() < 0.85:
        first = dice.choice((*_EXITS, Act.REPLACE))
        deeds = [Deed(0.0, first, dice.randint(1, held_lots), 1, twice)]
        if dice.random() < 0.35:  # two exits at once
            deeds.append(Deed(dice.choice((0.0, 0.3, 4.0)), dice.choice(_EXITS), dice.randint(1, held_lots)))
    else:
        lots = dice.choices((1, 2, 3, 4), weights=(13, 4, 2, 1))[0]  # 4 are two slices of one quantity
        deeds = [Deed(0.0, Act.BUY, lots, dice.choices((1, 2), weights=(7, 1))[0], twice)]
    if dice.random() < 0.15:
        after = dice.choice((0.5, dice.uniform(1, 30), dice.uniform(30, 240), dice.uniform(240, 900)))
        act = dice.choice((Act.BUY, *_EXITS, Act.REPLACE))
        deeds.append(Deed(after, act, dice.choice((1, 1, 2, 3, 4)), 1, dice.random() < 0.25))
    last = max(deed.after for deed in deeds)
    for act, chance, latest in (
        (Act.HALT, 0.05, 60),
        (Act.REDUCE, 0.04, 60),
        (Act.AUTOMATION_OFF, 0.03, 30),
        (Act.PERSON_ORDERS, 0.2, 90),
        (Act.PERSON_SELLS, 0.1, 600),
        (Act.GATEWAY_DOWN, 0.05, 60),
        (Act.DATABASE_DOWN, 0.05, 40),
        (Act.QUEUE_LOST, 0.05, 20),
        (Act.PRICES_MOVE, 0.3, 60),
    ):
        if dice.random() < chance:
            after = dice.choice((0.2, dice.uniform(0, 3), dice.uniform(0, latest), last + dice.uniform(0, 3)))
            deeds.append(Deed(after, act, twice=dice.random() < 0.5))
            if act in {Act.HALT, Act.REDUCE} and dice.random() < 0.5:
                deeds.append(Deed(after + dice.uniform(5, 200), Act.RESUME))
    return tuple(sorted(deeds, key=lambda deed: deed.after))
