"""Run trials with real processes on the database that is named, and print one JSON object a line.

`python -m tests.reliability kills --database '{"NAME": …}' [--cells 12] [--seed 1] [--point …] [--fault …]`, or `races`.
Started by the tests as a process of its own: it forks, and so must have one thread.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from itertools import product
from random import Random

import django

django.setup()

from django.db import connections  # noqa: E402 - after the setup

from hedging.chaos.store import use  # noqa: E402
from tests.reliability.alerts import run_alerts  # noqa: E402
from tests.reliability.cells import FAULTS, POINTS, Ground, run_cell  # noqa: E402
from tests.reliability.isolation import HANGING_POSTS, run_isolation  # noqa: E402
from tests.reliability.races import RACES, run_race  # noqa: E402


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("trial", choices=("kills", "races", "isolation", "alerts"))
    parser.add_argument("--database", type=json.loads, required=True)
    parser.add_argument("--cells", type=int, default=0, help="how many of the matrix, drawn by seed; 0 is all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--point", action="append", choices=sorted(POINTS))
    parser.add_argument("--fault", action="append", choices=sorted(FAULTS))
    parser.add_argument("--race", action="append", choices=sorted(RACES))
    parser.add_argument("--control", action="store_true", help="send again after the restart, which must fail")
    options = parser.parse_args()
    use({**connections["default"].settings_dict, **options.database})
    if options.trial == "kills":
        _kills(options)
    if options.trial == "races":
        _races(options)
    if options.trial == "alerts":
        print(json.dumps(asdict(run_alerts(Ground()))))  # noqa: T201
    if options.trial == "isolation":
        ground = Ground()
        for how in ({"hanging": False}, {"hanging": True}, {"hanging": True, "places": HANGING_POSTS}):
            print(json.dumps(asdict(run_isolation(ground, **how))), flush=True)  # noqa: T201


def _races(options: argparse.Namespace) -> None:
    ground = Ground()
    for name in options.race or RACES:
        for naive in (False, True):
            print(json.dumps(asdict(run_race(ground, name=name, naive=naive))), flush=True)  # noqa: T201


def _kills(options: argparse.Namespace) -> None:
    cells = list(product(options.point or POINTS, options.fault or FAULTS))
    if options.cells:
        cells = Random(options.seed).sample(cells, min(options.cells, len(cells)))
    ground = Ground()
    for point, fault in cells:
        found = run_cell(ground, point=point, fault=fault, control=options.control)
        print(json.dumps(asdict(found)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
