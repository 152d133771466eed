"""The optimality campaign: random books on which the optimizer's cost must equal that of another way to find the least.

`make optimality`, or `python -m benchmarks.optimality [--books 1000] [--first 0] [--page docs/optimality.md]`. Every second
book is small and tried by brute force; the others go to a program written apart. Exits with 1 on any difference or missed aim.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.hedge_books import random_book
from benchmarks.hedge_peers import Reached, best_equal_pair, brute_force, cheapest_first, missed_rupees, plain_program
from hedging.domain.optimizer import solve
from hedging.domain.optimizer_types import Aim, HedgeProblem, HedgeSolution, Status

SAME_RUPEES = 1e-4


@dataclass(slots=True)
class Tally:
    """What a campaign saw. Ratios are costs of a rule of thumb over ours, where both reach the same aim."""

    books: int = 0
    small: int = 0
    whole_chain: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    aims: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    cheapest_first: list[float] = field(default_factory=list)
    equal_pair: list[float] = field(default_factory=list)
    fell_short: Counter[str] = field(default_factory=Counter)

    @property
    def clean(self) -> bool:
        """Return whether every book agreed, every answer met its aim, and every proof was finished."""
        return not (self.differences or self.missed or self.unproven)


def book(seed: int) -> HedgeProblem:
    """Return the campaign's book: an odd seed gives a small one, of two strikes a side and one lot an entry."""
    return random_book(seed, strikes=2, most_lots=1) if seed % 2 else random_book(seed)


def check(seed: int, tally: Tally) -> None:
    """Solve one book both ways and note what was seen."""
    asked, ours = book(seed), solve(book(seed))
    small = seed % 2 == 1
    tally.books += 1
    tally.small += small
    tally.answers[ours.status] += 1
    if not ours.proven:
        tally.unproven.append(f"book {seed}")
    if ours.status is Status.NOT_NEEDED:
        return
    peer = brute_force(asked) if small else plain_program(asked)
    if not same(ours, peer):
        tally.differences.append(
            f"book {seed}: ours {ours.aim} at {ours.cost:.4f}, the other {peer.aim} at {peer.cost}"
        )
    if ours.status is not Status.SOLVED:
        return
    tally.aims[ours.aim or Aim.FULL] += 1
    missed = missed_rupees(asked, ours)
    if missed:
        tally.missed.append(f"book {seed}: by ₹{missed:.2f}")
    if small:
        return
    tally.whole_chain += 1
    for name, rule, ratios in (
        ("cheapest first", cheapest_first, tally.cheapest_first),
        ("equal pair", best_equal_pair, tally.equal_pair),
    ):
        found = rule(asked)
        if found.aim is ours.aim and found.cost is not None and ours.cost > 0:
            ratios.append(found.cost / float(ours.cost))
        elif found.aim is not ours.aim:
            tally.fell_short[name] += 1


def same(ours: HedgeSolution, peer: Reached) -> bool:
    """Return whether both reach the same aim at the same cost."""
    if ours.aim is not peer.aim:
        return False
    return peer.cost is None or abs(float(ours.cost) - peer.cost) < SAME_RUPEES


def page(tally: Tally, first: int) -> str:
    """Return what was seen as a page of the documentation."""
    solved = tally.answers[Status.SOLVED]
    whole = tally.whole_chain
    aims = ", ".join(f"{aim} {count}" for aim, count in sorted(tally.aims.items()))
    answers = ", ".join(f"{status} {count}" for status, count in sorted(tally.answers.items()))
    return f"""# Is the hedge really the cheapest?

Written by `make optimality`; the same seeds give the same page. `tests/unit/test_optimality.py` runs a share of it.

{tally.books} random books (seeds {first} to {first + tally.books - 1}): NIFTY and SENSEX, on expiry day and one or two days
before it, two to five part-stopped straddles, one or two entries coming, hedges held in some, thin depth in some, three sizes
of cash and cost cap, three scales of the broker's margin, premium counted by a third of the brokers.

| what was checked | seen |
|---|---|
| small books, cost equal to brute force over every number of lots | {tally.small} |
| larger books, cost equal to a separately written program (z and SPAN as variables, every strike a column) | {tally.books - tally.small} |
| books on which aim or cost differed by more than ₹{SAME_RUPEES} | {len(tally.differences)} |
| answers that miss their aim when the margin engine prices the book after them, order by order | {len(tally.missed)} |
| answers whose proof was not finished | {len(tally.unproven)} |
| answers | {answers} |
| aims reached by the {solved} that were solved | {aims} |

What two rules of thumb pay for the same aim, as a ratio to the optimum, on the {whole} solved books with a whole chain on offer:

| rule | median | p95 | worst | books on which it reaches less |
|---|---|---|---|---|
| cheapest first: the cheapest strike of each side in equal lots, the next cheapest where that does not suffice | {_ratios(tally.cheapest_first)} | {tally.fell_short["cheapest first"]} of {whole} |
| the best pair of one call and one put in equal lots | {_ratios(tally.equal_pair)} | {tally.fell_short["equal pair"]} of {whole} |

Replacing far wings of our own is open to the optimizer alone. A book is small when it has two strikes a side on offer.
"""


def _ratios(seen: Sequence[float]) -> str:
    if len(seen) < 2:
        return "- | - | -"
    return f"{statistics.median(seen):.2f} | {statistics.quantiles(seen, n=20)[-1]:.2f} | {max(seen):.2f}"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--books", type=int, default=1000)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--page", type=Path, default=None)
    asked = options.parse_args()
    tally = Tally()
    for seed in range(asked.first, asked.first + asked.books):
        check(seed, tally)
        if tally.books % 100 == 0:
            print(f"{tally.books} books, {len(tally.differences)} differences", file=sys.stderr, flush=True)
    text = page(tally, asked.first)
    print(text)
    for problem in (*tally.differences, *tally.missed, *tally.unproven):
        print(problem)
    if asked.page is not None:
        asked.page.write_text(text)
    return 0 if tally.clean else 1


if __name__ == "__main__":
    sys.exit(main())
