"""Page: what was tried, how often, and what is not covered, as a part of docs/reliability.md.

The page is put together from parts in `docs/reliability/`, one file for each proof; the command of a proof writes its own
part and then the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hedging.chaos.controls import CONTROLS
from hedging.chaos.judge import RULES
from hedging.chaos.replies import FAULTS

HEAD = """# Reliability

What was tried against the order protocol ([protocol.md](protocol.md)), how often, and what is not covered. The parts below
are written by the commands that they name; running those again rewrites them.
"""
PARTS = "reliability"
OURS = "10-simulation.md"
COMPARED = "20-postgresql.md"

_INTRODUCTION = """## Deterministic simulation

Written by `manage.py chaos --schedules {schedules} --seed {seed} --page docs/reliability.md`.

A *schedule* is a few minutes to a day of one account: one to three decisions, and what goes wrong around them. Everything
after the decision is production code, unchanged: the claim, the sender, the state machine, reconcile, the day's end. The
optimizer is replaced by a script. The gateway, the broker and the exchange are simulated, the clock is virtual, and every
chance comes from the seed, so that `manage.py chaos --explain --seed N` tells a schedule again step by step. Several
workers are under way at once: they take turns at each reading, each write, each pause, and may be killed there or at a
commit. The verdict is by what the simulated exchange really accepted and traded, not by our tables.

**{schedules} schedules, {breaches} with a breach**, in {seconds} s: {rate:.0f} a second in {jobs} processes.
"""

_NOT_COVERED = """### What is assumed, and not covered

- An order reaches the exchange within 115 s of its POST or never. One that surfaces after the 150 s of the quarantine is
  found (alert, buying stops), but its reserve had been released by then.
- A row in transit shows its neighbour's status for less than 5 s, a trade is in the trade book within 4 s, and nothing trades
  after a cancel took effect. A fill that a broker reports later than that, after a next attempt was sent, is recorded
  and told, and may exceed the intent: with trades up to 40 s late, 2 in 800 schedules bought 65 more than was wanted.
- A person does not order the same contract, quantity and odd price within the seconds between our reading of the book and
  the arrival of our order. Copies made after ours is in the book are covered: they end in review.
- A person does not sell a hedge between our reading of the positions and the arrival of our sale (at most 120 s): with such
  sales let in, about 1 in 600 schedules sold a lot that was no longer there.
- A quarter of the schedules has a book that shows an average price once an order has traded. That a server answers an empty book
  where its broker failed is caught at the wire (the funds must be readable beside it), with tests of its own and not here; an
  adapter that masks the funds as well would pass for an account without orders.
- A trade row that grows on an order which is over, and two orders at the broker for one POST that was answered with a refusal, have
  tests of their own and are in no schedule.
- A trade row holds what was traded, or, in a fifth of the schedules, all that an order has traded at one price. An adapter that
  writes the order's whole quantity into each would be believed.
- In memory the tables are SQLite's: row locks and triggers are not there, one statement at a time is. `--compare`
  holds the end of the same seeds against PostgreSQL; races on real locks are tried with real processes.
- In memory the ORM's statements are composed once for each shape of a question and asked again with other values. The side
  of `--compare` on PostgreSQL composes every one.
- The order rate's row is one PostgreSQL statement; in memory the same arithmetic stands in for it.
"""


def write_page(page: Path, *, figures: Mapping[str, Any], tally: Mapping[str, int], seed: int, jobs: int) -> None:
    """Write this proof's part beside `page`, and put the page together from all parts."""
    rate = figures["schedules"] / max(figures["seconds"], 0.1)
    introduction = _INTRODUCTION.format(seed=seed, rate=rate, jobs=jobs, **figures)
    lines = [introduction, "| control | must breach | breached |", "|---|---|---|"]
    for name, control in figures["negative_controls"].items():
        share = 100 * control["breached"] / control["schedules"]
        words = CONTROLS[name].words
        must = f"> {100 * CONTROLS[name].must_breach:.0f} %"
        lines.append(f"| {words} | {must} | {control['breached']} of {control['schedules']} ({share:.0f} %) |")
    lines += ["", "The invariants:", ""]
    lines += [f"- {words}" for words in RULES.values()]
    lines += ["", "| what happened to an order's POST | how often |", "|---|---|"]
    posts = {f"POST: {fault.name}" for fault in FAULTS}
    lines += [f"| {fault.name} | {tally.get(f'POST: {fault.name}', 0)} |" for fault in FAULTS]
    lines += ["", "| what else happened | how often |", "|---|---|"]
    lines += [f"| {what} | {count} |" for what, count in sorted(tally.items()) if what not in posts]
    write_part(page, name=OURS, text="\n".join([*lines, "", _NOT_COVERED]))


def write_comparison(page: Path, *, compared: int, seed: int, differing: int, seconds: float) -> None:
    """Write the part of the comparison with PostgreSQL, and put the page together from all parts."""
    text = f"""## The same schedules on PostgreSQL

Written by `manage.py chaos --schedules {compared} --seed {seed} --compare --page docs/reliability.md`.

Each schedule runs in memory and on PostgreSQL, where the ORM composes every statement, and constraints, types and the order
rate's row are the real ones. Afterwards every column of sessions, cards, intents, orders, fills, adjustments, audit
lines, alerts and margin snapshots must be the same in both; keys count as the place of their row in its table.

**{compared} schedules, {differing} tables that differ**, in {seconds:.0f} s: {compared / max(seconds, 0.1):.1f} a second.

Not covered: one transaction, which is undone, holds a whole schedule on PostgreSQL too. Its workers never wait for each
other's locks, and what PostgreSQL does at a commit (the chain of the audit trail) is not done. The races and the killed
processes below commit.
"""
    write_part(page, name=COMPARED, text=text)


def write_part(page: Path, *, name: str, text: str) -> None:
    """Write one part of the page (its name orders it) and put the page together again."""
    folder = page.with_name(PARTS)
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text.rstrip() + "\n", encoding="utf-8")
    parts = [part.read_text(encoding="utf-8").rstrip() for part in sorted(folder.glob("*.md"))]
    page.write_text("\n\n".join([HEAD.rstrip(), *parts]) + "\n", encoding="utf-8")
