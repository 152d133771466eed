"""Run schedules of disasters over the order protocol, judge them by the gateway's truth, and say what was tried."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connections

from config.local.processes import LocalServerError
from config.schema import why_unreachable
from hedging.chaos.controls import CONTROLS
from hedging.chaos.page import write_comparison, write_page
from hedging.chaos.runner import Findings, Store, compare, cores, explain, pool_of, run_many
from hedging.management.database import database_at_hand, prepare_database

BAR = 30
SHOWN = 20
JUDGED = 300
"""A control that breaches in 56 of 100 schedules is below a half in one of eight runs of 100, in one of fifty of 300."""


class Command(BaseCommand):
    help = "Try the order protocol in seeded schedules of disasters; the last line is JSON with --json."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--schedules", type=int, default=1000, help="how many seeds, counted from --seed")
        parser.add_argument("--seed", type=int, default=1, help="the first seed")
        parser.add_argument("--jobs", type=int, default=cores(), help="processes")
        parser.add_argument("--store", choices=("memory", "postgres"), default="memory", help="where the rows live")
        parser.add_argument("--control", choices=sorted(CONTROLS), help="send as this control does, which must fail")
        parser.add_argument(
            "--controls",
            type=int,
            help=f"how many schedules each control runs (default: a tenth, {JUDGED} to 1000, no more than --schedules)",
        )
        parser.add_argument("--explain", action="store_true", help="tell one schedule step by step")
        parser.add_argument("--compare", action="store_true", help="compare the end state in memory and on PostgreSQL")
        parser.add_argument("--page", type=Path, help="write what was found into this page")
        parser.add_argument("--json", action="store_true", help="the last line is one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["schedules"] < 1 or options["jobs"] < 1:
            raise CommandError("--schedules and --jobs must be at least 1")
        try:
            with _stores(postgres=options["compare"] or options["store"] == "postgres") as stores:
                failed = self._run(options, stores)
        except KeyboardInterrupt:
            raise CommandError("stopped before the end: no verdict, no page", returncode=130) from None
        except LocalServerError as error:
            raise CommandError(str(error)) from None
        except OperationalError as error:
            raise CommandError(why_unreachable(error)) from None
        if failed:
            raise CommandError(failed)

    def _run(self, options: dict[str, Any], stores: dict[str, Store]) -> str:
        seeds = range(options["seed"], options["seed"] + options["schedules"])
        if options["explain"]:
            return self._explain(options, stores[options["store"]])
        if options["compare"]:
            return self._compare(options, stores, seeds)
        return self._judge(options, stores[options["store"]], seeds)

    def _judge(self, options: dict[str, Any], store: Store, seeds: range) -> str:
        began = time.monotonic()
        with pool_of(store, jobs=options["jobs"]) as pool:
            bar = self._bar(len(seeds), "schedules")
            found = run_many(seeds, pool=pool, control=options["control"], progress=bar)
            seconds = time.monotonic() - began
            controls = {} if options["control"] else self._controls(options, pool, seeds)
        figures = {
            "schedules": found.schedules,
            "seconds": round(seconds, 1),
            "breaches": found.breached,
            "negative_controls": {
                name: {"schedules": control.schedules, "breached": control.breached}
                for name, control in controls.items()
            },
        }
        for seed, rule, words in found.breaches[:SHOWN]:
            self.stdout.write(f"seed {seed}: {rule}: {words}")
        if options["page"] is not None:
            write_page(options["page"], figures=figures, tally=found.tally, seed=options["seed"], jobs=options["jobs"])
        self.stdout.write(json.dumps(figures) if options["json"] else _told(figures))
        return "" if options["control"] else _failed(found, controls)

    def _controls(self, options: dict[str, Any], pool: ProcessPoolExecutor, seeds: range) -> dict[str, Findings]:
        count = options["controls"]
        if count is None:
            count = min(1000, len(seeds), max(JUDGED, len(seeds) // 10))
        return {
            name: run_many(
                range(seeds.start, seeds.start + count), pool=pool, control=name, progress=self._bar(count, name)
            )
            for name in CONTROLS
            if count
        }

    def _explain(self, options: dict[str, Any], store: Store) -> str:
        verdict = explain(options["seed"], store=store, control=options["control"])
        for at, words in verdict.story:
            self.stdout.write(f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}  {words}")
        for breach in verdict.breaches:
            self.stdout.write(f"BREACH {breach.rule}: {breach.words}")
        figures = {"seed": verdict.seed, "breaches": len(verdict.breaches)}
        self.stdout.write(json.dumps(figures) if options["json"] else f"{len(verdict.breaches)} breaches")
        return ""

    def _compare(self, options: dict[str, Any], stores: dict[str, Store], seeds: range) -> str:
        pair = (stores["memory"], stores["postgres"])
        began = time.monotonic()
        differing = list(compare(seeds, stores=pair, progress=self._bar(len(seeds), "compared")))
        for line in differing[:SHOWN]:
            self.stdout.write(line)
        seconds = time.monotonic() - began
        if options["page"] is not None:
            write_comparison(
                options["page"], compared=len(seeds), seed=seeds.start, differing=len(differing), seconds=seconds
            )
        figures = {"compared": len(seeds), "seconds": round(seconds, 1), "differing_tables": len(differing)}
        told = f"{len(seeds)} schedules in memory and on PostgreSQL: {len(differing)} tables differ"
        self.stdout.write(json.dumps(figures) if options["json"] else told)
        return "memory and PostgreSQL differ" if differing else ""

    def _bar(self, count: int, what: str) -> Callable[[int], None]:
        if not sys.stderr.isatty():
            return lambda _: None

        def show(done: int) -> None:
            bar = "#" * round(BAR * done / count)
            self.stderr.write(f"\r[{bar:<{BAR}}] {done} of {count} {what}", ending="\n" if done >= count else "")
            self.stderr.flush()

        return show


@contextmanager
def _stores(*, postgres: bool) -> Iterator[dict[str, Store]]:
    """Give the stores by name; PostgreSQL only where it is wanted, since it may have to be started."""
    memory = Store()
    if not postgres:
        yield {"memory": memory}
        return
    with database_at_hand():
        prepare_database()
        yield {"memory": memory, "postgres": Store(dict(connections["default"].settings_dict))}


def _failed(found: Findings, controls: dict[str, Findings]) -> str:
    if found.breached:
        return f"{found.breached} of {found.schedules} schedules breached an invariant: --explain --seed tells one"
    weak = [
        name
        for name, control in controls.items()
        if control.schedules >= JUDGED and control.breached <= CONTROLS[name].must_breach * control.schedules
    ]
    return f"these controls breach too seldom, so the zeros prove little: {', '.join(weak)}" if weak else ""


def _told(figures: dict[str, Any]) -> str:
    lines = [f"{figures['schedules']} schedules in {figures['seconds']} s, {figures['breaches']} breached"]
    for name, control in figures["negative_controls"].items():
        lines.append(f"{name}: {control['breached']} of {control['schedules']} breached, as they must")
    return "\n".join(lines)
