"""How honest the forecasts are: simulated days with brokers and margin figures that the application is not told.

`python -m benchmarks.accuracy docs/accuracy.md --days 60` runs the days in as many processes as there are cores and
writes the page: each with books that are behind the fills, and once more with books that are not, to compare. The trials
are drawn from one fixed seed: the same version runs the same days.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

DRAW = 20_261_122
FIRST_SEED = 101
DAYS = ("2026-12-01", "2026-12-03", "2026-12-08", "2026-12-10", "2026-11-30", "2026-12-04", "2026-12-15", "2026-12-17")
TRUTHFUL = ("zerodha", "dhan", "fyers")
"""Profiles whose basket call tells what a coming entry adds to the book that is there."""

BEHIND_SECONDS = 20.0
"""How far positions and funds are behind a fill at the most: what is told of real brokers."""
COOLDOWNS = (120, 15)
"""Seconds, in turns: the default, and one that is over before the books show what was bought."""


def trials(count: int, *, behind: float = BEHIND_SECONDS) -> list[dict[str, Any]]:
    """Return the first `count` trials: day, seed, broker, figures of the clearing corporation, and the lag of the books."""
    from hedging.simulator.profiles import PROFILES  # noqa: PLC0415 - the parent process needs no more of the project

    rng = np.random.default_rng(DRAW)
    names = sorted(PROFILES)
    drawn = []
    for number in range(count):
        elm = float(rng.choice([0.015, 0.02, 0.025]))
        drawn.append(
            {
                "day": DAYS[number % len(DAYS)],
                "seed": FIRST_SEED + number,
                "profile": names[number % len(names)],
                "behind": behind,
                "cooldown": COOLDOWNS[number // len(DAYS) % len(COOLDOWNS)],
                "margin": {
                    "price_scan": round(float(rng.uniform(0.085, 0.11)), 4),
                    "elm_rate": elm,
                    "elm_deep_rate": round(elm + float(rng.choice([0.0, 0.01, 0.015])), 4),
                    "elm_expiry_extra": float(rng.choice([0.01, 0.02, 0.03])),
                },
            }
        )
    return drawn


def run_share(share: Sequence[dict[str, Any]]) -> None:
    """Run trials one after the other, and print each as one JSON line. In a process of its own."""
    import django  # noqa: PLC0415

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.conf import settings  # noqa: PLC0415
    from django.db import transaction  # noqa: PLC0415

    from benchmarks.accuracy_day import Trial, run_trial  # noqa: PLC0415
    from hedging.management.database import database_at_hand, prepare_database  # noqa: PLC0415
    from hedging.simulator.margin import MarginParameters  # noqa: PLC0415

    with database_at_hand():
        prepare_database()
        for plan in share:
            trial = Trial(
                date.fromisoformat(plan["day"]),
                plan["seed"],
                plan["profile"],
                MarginParameters(**plan["margin"]),
                plan["behind"],
                plan["cooldown"],
            )
            with transaction.atomic():
                seen = run_trial(trial, policy=settings.HEDGE_POLICY)
                transaction.set_rollback(True)
            print(json.dumps(seen), flush=True)


def run_all(plans: Sequence[dict[str, Any]], *, processes: int, keep: Path | None) -> list[dict[str, Any]]:
    """Run the trials in `processes` processes, each with a database of its own; return what they showed, by seed.

    Every day is appended to `keep` as a JSON line as soon as it is over, so that a run that is stopped was not in vain.
    """
    seen: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="accuracy-") as folder:
        workers = []
        for number in range(processes):
            env = os.environ | {"VAR_DIR": f"{folder}/{number}", "PYTHONPATH": str(Path.cwd())}
            share = json.dumps(plans[number::processes])
            command = [sys.executable, "-m", "benchmarks.accuracy", "--share", share]
            workers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env))  # noqa: S603
        # A pipe holds some dozens of lines only: read all workers by turns, each has as many trials as the others.
        for turn in range(max(len(plans[number::processes]) for number in range(processes))):
            for number, worker in enumerate(workers):
                if turn < len(plans[number::processes]) and worker.stdout is not None:
                    line = worker.stdout.readline()
                    if not line:
                        raise SystemExit(f"a process stopped before its trial {turn + 1}: its error is above")
                    seen.append(json.loads(line))
                    if keep is not None:
                        with keep.open("a", encoding="utf-8") as file:
                            file.write(line)
                    sys.stderr.write(f"{len(seen)}/{len(plans)} {_told(seen[-1])}\n")
        for worker in workers:
            worker.wait()
    return sorted(seen, key=lambda row: (-row["behind"], int(row["seed"])))


def _told(row: dict[str, Any]) -> str:
    figures = row["figures"]
    needless = sum(hedge["needless"] for hedge in row["hedges"])
    errors = [abs(e["error_of_budget_pct"]) for e in row["entries"] if e["error_of_budget_pct"] is not None]
    worst = f"{max(errors):.1f} %" if errors else "none"
    return (
        f"{row['day']} seed {row['seed']} {row['profile']:10} behind {row['behind']:g} s made {figures['entries_made']} "
        f"missed {figures['entries_refused']} unavoidable {figures['entries_unavoidably_refused']} "
        f"hedges {len(row['hedges'])} needless {needless} worst error {worst} ({figures['seconds']} s)"
    )


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of a group of days: counts, shares and error percentiles (None without a sample)."""
    entries = [entry for row in rows for entry in row["entries"]]
    hedges = [hedge for row in rows for hedge in row["hedges"] if hedge["judged"] and hedge["bought"]]
    needless = sum(hedge["needless"] for hedge in hedges)
    over = sum(entry["utilization"] > 100 for entry in entries)
    # The first entry of a day is forecast before anything is known of this account but what it says of itself.
    errors = [abs(e["error_of_budget_pct"]) for e in entries if e["error_of_budget_pct"] is not None]
    relative = [abs(e["error_of_used_pct"]) for e in entries if e["error_of_used_pct"] is not None]
    return {
        "days": len(rows),
        "entries": len(entries),
        "missed": sum(row["figures"]["entries_refused"] for row in rows) + over,
        "unavoidable": sum(row["figures"]["entries_unavoidably_refused"] for row in rows),
        "hedges": len(hedges),
        "needless": needless,
        "needless_pct": round(100 * needless / len(hedges), 1) if hedges else None,
        "paid": round(sum(row["figures"]["spend"] for row in rows)),
        "forecasts": len(errors),
        "error_p50": _percentile(errors, 50),
        "error_p95": _percentile(errors, 95),
        "error_of_used_p95": _percentile(relative, 95),
    }


def _percentile(values: Sequence[float], at: float) -> float | None:
    return round(float(np.percentile(values, at)), 2) if values else None


def page(seen: Sequence[dict[str, Any]]) -> str:
    """Return the page of what was seen."""
    rows, at_once = ([row for row in seen if bool(row["behind"]) is behind] for behind in (True, False))
    profiles = sorted({row["profile"] for row in rows})
    groups = [(name, [row for row in rows if row["profile"] == name]) for name in profiles]
    truthful = [row for row in rows if row["profile"] in TRUTHFUL]
    groups += [
        ("**truthful basket call**", truthful),
        ("**all**", rows),
        ("all, had the books shown fills at once", at_once),
    ]
    table = "\n".join(_line(name, summary(group)) for name, group in groups if group)
    days = "\n".join(
        f"| {row['day']} | {row['seed']} | {row['family']} | {row['profile']} | {_percent(row, 'price_scan', 9.3)} | "
        f"{_percent(row, 'elm_rate', 2)} / {_percent(row, 'elm_deep_rate', 3)} / {_percent(row, 'elm_expiry_extra', 2)} | "
        f"{row['figures']['entries_made']} | {row['figures']['entries_refused']} | "
        f"{row['figures']['entries_unavoidably_refused']} | {row['figures']['peak_utilization']:.1f} | "
        f"{sum(h['needless'] for h in row['hedges'])} of {len(row['hedges'])} |"
        for row in rows
    )
    return PAGE.format(
        count=len(rows),
        table=table,
        days=days,
        truthful=", ".join(TRUTHFUL),
        behind=BEHIND_SECONDS,
        usual=COOLDOWNS[0],
        short=COOLDOWNS[1],
    )


def _percent(row: dict[str, Any], name: str, usual: float) -> str:
    return f"{row['margin'].get(name, usual / 100) * 100:g}"


def _line(name: str, s: dict[str, Any]) -> str:
    cells: Iterable[Any] = (
        name,
        s["days"],
        s["entries"],
        s["missed"],
        s["unavoidable"],
        s["hedges"],
        s["needless"],
        "–" if s["needless_pct"] is None else f"{s['needless_pct']} %",
        s["paid"],
        "–" if s["error_p50"] is None else f"{s['error_p50']} %",
        "–" if s["error_p95"] is None else f"{s['error_p95']} %",
        "–" if s["error_of_used_p95"] is None else f"{s['error_of_used_p95']} %",
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


PAGE = """# Accuracy

Made by `make accuracy`; the same version runs the same days and writes the same page.

## Method

{count} simulated days of the seed timetable through the production engine, everything real but the sockets. Before each,
a draw that the application is not told sets the broker (what `/margin` and `/funds` mean, or no `/margin` at all) and the
clearing corporation's figures: price scan range 8.5–11 %, exposure margin (ELM) 1.5–2.5 %, deep out of the money up to
1.5 points more, on expiry day 1–3 points more. The application starts each day with its defaults (9.3 %, 2 %, 3 %,
+2 %), calibrates by what the broker answers, and learns from fills. The judge is the simulator's own margin, which
shares no code with ours.

As at real brokers, order book and trade book show a fill at once, and positions and funds only later, whoever traded: each
of the two hears of each fill after 0–{behind:g} seconds of its own, drawn by the day's seed, and of no fill before an earlier
one. Whether an order is taken, and `/margin`, go by the account as it is. The last row of the table is of the same days with
books that show everything at once. On every other eight days the cooldown between hedge actions is {short} seconds instead of
{usual}, so that nothing but the wait for the books keeps a hedge from being bought a second time.

- **missed**: entries refused although hedging within the policy could have let them in, and entries after which the true
  use stood above 100 % of the budget.
- **unavoidable**: refused, and by the simulator's judge no permitted hedge could have prevented it.
- **hedges**: buying actions made for a coming entry. **needless**: the true use after each of those entries would have
  stayed at least one point under the trigger without the action, and no order would have been refused.
- **paid**: premium of everything that was bought, in rupees; a hedge that is bought twice, or larger than it need be, shows here.
- **forecast error**: the last forecast of an entry's change of used margin before its order, less the true change; in
  percent of the budget, and (last column) of what is truly used after the entry.

| broker | days | entries | missed | unavoidable | hedges | needless | | paid | error p50 | p95 | p95 of used |
|---|---|---|---|---|---|---|---|---|---|---|---|
{table}

Truthful basket call: {truthful}.

## Every day

| day | seed | family | broker | scan % | ELM % / deep / expiry | made | missed | unavoidable | peak % | needless |
|---|---|---|---|---|---|---|---|---|---|---|
{days}
"""


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", nargs="?", type=Path)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="append every day as a JSON line here")
    parser.add_argument("--share", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.share is not None:
        run_share(options.share)
        return
    plans = trials(options.days) + trials(options.days, behind=0.0)
    seen = run_all(plans, processes=min(options.processes, options.days), keep=options.keep)
    if options.page:
        options.page.write_text(page(seen), encoding="utf-8")
    rows, at_once = seen[: options.days], seen[options.days :]
    truthful = [row for row in rows if row["profile"] in TRUTHFUL]
    for name, group in (("truthful", truthful), ("all", rows), ("at once", at_once)):
        print(name, json.dumps(summary(group)))


if __name__ == "__main__":
    main()
