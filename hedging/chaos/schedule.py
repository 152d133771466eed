"""Schedule: run one seed from its script to its verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from hedging.chaos.controls import CONTROLS
from hedging.chaos.judge import judge
from hedging.chaos.rows import Dated, write_dated, write_rows
from hedging.chaos.script import script_of
from hedging.chaos.store import nothing_kept
from hedging.chaos.tables import Tables, tables_of
from hedging.chaos.witness import Breach
from hedging.chaos.world import World
from hedging.engine.execution import send_order


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one seed. `tally` counts what was tried; `story` and `tables` are there where they were asked for."""

    seed: int
    breaches: tuple[Breach, ...]
    tally: Counter[str]
    story: tuple[tuple[datetime, str], ...] = ()
    tables: Tables | None = None


_kept: dict[int, Dated] = {}


def keep_dated(*, place: int) -> None:
    """Write the reference rows of a place's day to stay: for a store that is this process's own."""
    _kept[place] = write_dated(script_of(0, place=place).day)


def run_seed(
    seed: int, *, control: str | None = None, told: bool = False, tables: bool = False, place: int = 0
) -> Verdict:
    """Run the schedule of `seed` on this process's database and judge it; nothing that it wrote is kept.

    `control` names a sender that is to fail. `place` keeps processes of one database apart.
    """
    script = script_of(seed, place=place)
    send = send_order if control is None else CONTROLS[control].send
    with nothing_kept():
        rows = write_rows(script, name=f"chaos {place}", dated=_kept.get(place) or write_dated(script.day))
        world = World(script=script, rows=rows, send=send, told=told)
        world.run()
        judge(witness=world.witness, gateway=world.gateway, rows=rows, script=script)
        return Verdict(
            seed=seed,
            breaches=tuple(world.witness.breaches),
            tally=world.kernel.tally,
            story=tuple(world.kernel.story or ()),
            tables=tables_of(rows) if tables else None,
        )
