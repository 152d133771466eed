"""Runner: many seeds in several processes, each with a store of its own, and what they came to together."""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hedging.chaos.schedule import Verdict

CHUNK = 25


@dataclass(frozen=True, slots=True)
class Store:
    """Where schedules live: in memory, or in the PostgreSQL database that `config` (Django's words) describes."""

    config: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """Return `memory` or `postgres`."""
        return "memory" if self.config is None else "postgres"


@dataclass(slots=True)
class Findings:
    """What many schedules came to: how many, what was tried how often, and every breach as (seed, rule, words)."""

    schedules: int = 0
    breached: int = 0
    breaches: list[tuple[int, str, str]] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)

    def add(self, other: Findings) -> None:
        """Take in what a part came to."""
        self.schedules += other.schedules
        self.breached += other.breached
        self.breaches += other.breaches
        self.tally += other.tally


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_many(
    seeds: Sequence[int],
    *,
    pool: ProcessPoolExecutor,
    control: str | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Findings:
    """Run the schedules of `seeds` in the processes of a `pool_of` and judge them; `progress` hears how many are done."""
    found = Findings()
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    for done in as_completed([pool.submit(_run_chunk, chunk, control) for chunk in chunks]):
        found.add(done.result())
        progress(found.schedules)
    found.breaches.sort()
    return found


def explain(seed: int, *, store: Store, control: str | None = None) -> Verdict:
    """Run one schedule and return its verdict with its story."""
    with pool_of(store, jobs=1) as pool:
        return pool.submit(_run_told, seed, control).result()


def compare(seeds: Sequence[int], *, stores: tuple[Store, Store], progress: Callable[[int], None]) -> Iterator[str]:
    """Yield a line for every table of every seed that ends differently in the two stores."""
    with pool_of(stores[0], jobs=1) as one, pool_of(stores[1], jobs=1) as other:
        pairs = [(seed, one.submit(_run_tables, seed), other.submit(_run_tables, seed)) for seed in seeds]
        for number, (seed, first, second) in enumerate(pairs, start=1):
            tables, others = first.result(), second.result()
            progress(number)
            for name, rows in tables.items():
                if rows != others[name]:
                    yield f"seed {seed}, {name}: {_difference(rows, others[name])}"


def _difference(rows: Sequence[Sequence[str]], others: Sequence[Sequence[str]]) -> str:
    if len(rows) != len(others):
        alone = [row for row in rows if row not in others] + [row for row in others if row not in rows]
        return f"{len(rows)} rows in one, {len(others)} in the other: {alone[:1]}"
    for number, (row, other) in enumerate(zip(rows, others, strict=True), start=1):
        for value, another in zip(row, other, strict=True):
            if value != another:
                return f"row {number}: {value} against {another}"
    return "nothing that can be named"


@contextmanager
def pool_of(store: Store, *, jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Yield processes, each with a store of its own, that are ready for schedules after a few seconds.

    Whoever leaves early, by Ctrl-C or an error, waits for what has begun and for nothing else.
    """
    # Spawned, not forked: a child must share neither a database connection nor a lock with us.
    context = get_context("spawn")
    places = context.Queue()
    for place in range(jobs):
        places.put(place)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare, initargs=(store, places))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


_place = 0


def _prepare(store: Store, places: Any) -> None:
    """Make a spawned process ready: Django, its store, and nothing of this installation's lids in the way."""
    import django  # noqa: PLC0415

    django.setup()
    from django.conf import settings  # noqa: PLC0415

    from hedging.chaos.store import use, use_memory  # noqa: PLC0415 - models can be imported from here on

    global _place  # noqa: PLW0603 - one figure of this process, set once
    _place = places.get()
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the process that waits for us
    settings.AUTO_HEDGE_DRY_RUN, settings.AUTO_HEDGE_ENABLED = False, True
    if store.config is None:
        use_memory()
        from hedging.chaos.schedule import keep_dated  # noqa: PLC0415

        keep_dated(place=_place)
    else:
        use(store.config)
    gc.freeze()
    gc.disable()  # a chunk collects what it left when it is done


def _run_chunk(seeds: Sequence[int], control: str | None) -> Findings:
    from hedging.chaos.schedule import run_seed  # noqa: PLC0415

    found = Findings()
    for seed in seeds:
        verdict = run_seed(seed, control=control, place=_place)
        found.schedules += 1
        found.breached += bool(verdict.breaches)
        found.breaches += [(seed, breach.rule, breach.words) for breach in verdict.breaches]
        found.tally += verdict.tally
    gc.collect()
    return found


def _run_told(seed: int, control: str | None) -> Verdict:
    from hedging.chaos.schedule import run_seed  # noqa: PLC0415

    return run_seed(seed, control=control, told=True, place=_place)


def _run_tables(seed: int) -> Any:
    from hedging.chaos.schedule import run_seed  # noqa: PLC0415

    return run_seed(seed, tables=True, place=_place).tables
