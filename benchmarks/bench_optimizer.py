"""How long the cheapest hedge takes, proof included, beside a plain program and the cheapest-first rule in the same run.

`make bench`, or `python -m benchmarks.bench_optimizer [--books 150]`. Figures are printed, never judged: a busy machine is slow
for every column, so read the ratio too. Everything runs on one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.hedge_books import eligible_book, random_book
from benchmarks.hedge_peers import cheapest_first, plain_program
from hedging.domain import highs
from hedging.domain.optimizer import solve
from hedging.domain.optimizer_types import HedgeProblem

BUDGETS = {"10 + 10 strikes": "p50 < 10, p99 < 40", "40 + 40 strikes": "p99 < 600"}


@contextmanager
def timed_highs() -> Iterator[list[float]]:
    """Collect the seconds of each call of HiGHS (scipy's wrapper included)."""
    spent: list[float] = []
    namespace = vars(highs)
    original = namespace["milp"]

    def timed(*args: Any, **options: Any) -> Any:
        begins = time.perf_counter()
        answer = original(*args, **options)
        spent.append(time.perf_counter() - begins)
        return answer

    namespace["milp"] = timed
    try:
        yield spent
    finally:
        namespace["milp"] = original


@dataclass(slots=True)
class Times:
    """Seconds of each call: on the wall, and of processor (what the wall would show on an idle machine)."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def times(call: Callable[[HedgeProblem], object], books: list[HedgeProblem]) -> Times:
    """Return the times of the call on each book, the first of them solved once before."""
    call(books[0])
    found = Times()
    for asked in books:
        wall, cpu = time.perf_counter(), time.process_time()
        call(asked)
        found.wall.append(time.perf_counter() - wall)
        found.cpu.append(time.process_time() - cpu)
    return found


def line(name: str, seen: Times, note: str = "") -> str:
    wall, cpu = (np.percentile(np.array(each) * 1e3, [50, 99, 100]) for each in (seen.wall, seen.cpu))
    return f"  {name:<34}" + "".join(f"{figure:>8.1f}" for figure in (*wall, *cpu)) + f"  {note}"


def bench(title: str, books: list[HedgeProblem], peers: int) -> None:
    print(f"{title}: {len(books)} books" + (f", budget in ms {BUDGETS[title]}" if title in BUDGETS else ""))
    print(f"  {'ms':<34}{'p50':>8}{'p99':>8}{'max':>8}{'cpu p50':>8}{'p99':>8}{'max':>8}")
    with timed_highs() as spent:
        ours = times(solve, books)
    print(line("the optimizer, proof included", ours, f"{sum(spent) / sum(ours.wall):.0%} of it in HiGHS"))
    plain = times(plain_program, books[:peers])
    print(line("plain program, same optimum", plain, f"median {_ratio(plain, ours):.1f} times ours"))
    rule = times(cheapest_first, books[:peers])
    print(line("cheapest-first rule, no optimum", rule, f"median {_ratio(rule, ours):.1f} times ours"))
    print()


def _ratio(peer: Times, ours: Times) -> float:
    return float(np.median(np.array(peer.cpu) / np.array(ours.cpu[: len(peer.cpu)])))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--books", type=int, default=150)
    count = options.parse_args().books
    peers = max(1, count // 3)
    bench("10 + 10 strikes", [eligible_book(seed, 10) for seed in range(count)], peers)
    replacing = [eligible_book(seed, 10, most_lots=60, replacing=True) for seed in range(count)]
    bench("10 + 10 strikes, up to 60 lots, far wings to replace", replacing, peers)
    bench("40 + 40 strikes", [eligible_book(seed, 40) for seed in range(count)], peers)
    replacing = [eligible_book(seed, 40, most_lots=60, replacing=True) for seed in range(count)]
    bench("40 + 40 strikes, up to 60 lots, far wings to replace", replacing, peers)
    bench(
        "the whole chain in the usual band, unreachable ones too", [random_book(seed) for seed in range(count)], peers
    )


if __name__ == "__main__":
    main()
