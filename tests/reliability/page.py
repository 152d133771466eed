"""Page: what was tried with real processes, as parts of docs/reliability.md."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from hedging.chaos.page import write_part

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
Found = list[dict[str, Any]]

_KILLS = """## Real processes, killed

Written by `make chaos` (`RELIABILITY=full pytest tests/reliability`); `make test` runs a share of {share} cells.

A worker claims, sends and reconciles by production code against PostgreSQL and, over HTTP, the simulator in a process of
its own. It ends by `os._exit` (or `SIGKILL`) at a crash point; fresh processes carry on until nothing is live. Commits,
sockets and calls are wrapped from outside: production has no hook. Time is one shared clock that the trial lets jump. The
verdict is by the exchange's orders and trades, with the rules of the simulation above.

**{cells} cells ({points} crash points x {faults} fates of the POST), {breaches} with a breach**; the crash point was come
to in {reached} (where nothing was placed there is no fill to record and nothing to cancel). The control, a worker that
sends again after its restart, doubles the order.

| crash point | cells | reached | POSTs | breaches |
|---|---|---|---|---|
"""
_KILLS_NOT = """
Not covered: a disk that is really full (the commit fails as it would), a kernel or power failure with `fsync` off, and a
loss of what the server wrote and the database forgot. Alerts sent but not marked, and Telegram down for an hour, are a
trial of their own: every alert comes, the one that was sent when its worker died comes twice.
"""


def write_kills(found: Found, *, share: int) -> None:
    """Write the part of the kill matrix."""
    points: dict[str, Found] = defaultdict(list)
    for cell in found:
        points[cell["point"]].append(cell)
    text = _KILLS.format(
        share=share,
        cells=len(found),
        points=len(points),
        faults=len({cell["fault"] for cell in found}),
        breaches=sum(bool(cell["breaches"]) for cell in found),
        reached=sum(cell["reached"] for cell in found),
    )
    for point, cells in points.items():
        reached, posts = sum(cell["reached"] for cell in cells), sum(cell["posts"] for cell in cells)
        breached = sum(bool(cell["breaches"]) for cell in cells)
        text += f"| {point} | {len(cells)} | {reached} | {posts} | {breached} |\n"
    fates = ", ".join(sorted({cell["fault"] for cell in found} - {"none"}))
    write_part(PAGE, name="30-kills.md", text=f"{text}\nThe fates: acknowledged, {fates}.\n{_KILLS_NOT}")


def write_races(found: Found) -> None:
    """Write the part of the races."""
    text = """## Races

Written by `make chaos`; `make test` runs all of them. So many processes, connected and let go at one moment, at one row of
PostgreSQL; beside each the naive way (look, then store), which must overstep.

| race | processes | allowed | happened | the naive way |
|---|---|---|---|---|
"""
    naive = {race["race"]: race for race in found if race["naive"]}
    for race in found:
        if not race["naive"]:
            beside = naive[race["race"]]
            text += (
                f"| {race['race']} | {race['racers']} | {race['allowed']} | {race['happened']} "
                f"| {beside['happened']} of {beside['allowed']} |\n"
            )
    write_part(PAGE, name="31-races.md", text=text)


def write_isolation(calm: dict[str, Any], hung: dict[str, Any], full: dict[str, Any]) -> None:
    """Write the part of the hanging sets."""
    text = f"""## POSTs that hang

Written by `make chaos`; `make test` runs it too. Both POSTs of a CE+PE set hang for 30 s (the gateway drips its answer), in
two accounts at the same moment, in the worker of the queue `orders`: with its {hung["places"]} places, and with {full["places"]}, which are
full then. Seconds until the other work was done, all of it before any of the four POSTs had its answer:

| work | POSTs answered | POSTs hanging | hanging in every place |
|---|---|---|---|
"""
    names = {
        "reconcile": "reconcile, with the cancel of a resting order",
        "exit": "an exit of an account that hangs",
        "cycles": "cycles of all three accounts",
        "purchase": "a purchase of the third account",
    }
    for what, words in names.items():
        in_full = full[what] if full[what] else "waits for a place"
        text += f"| {words} | {calm[what]} | {hung[what]} | {in_full} |\n"
    text += f"""
Exits have a queue, a process and {hung["places"]} places of their own, cancels go out with the books. Not covered: purchases of more
accounts at once than `orders` has places for wait for the first answer, at most 35 s; so do exits among themselves.
"""
    write_part(PAGE, name="32-isolation.md", text=text)


def soak_part(what: str, found: dict[str, Any]) -> str:
    """Return the part of a soak."""
    breaches = "\n".join(f"- BREACH: {breach}" for breach in found["breaches"]) or "No breach."
    if what == "days":
        held = ", ".join(f"{held}" for held in found["memory_mb"])
        return (
            f"## Days in one process\n\nWritten by `make soak`. {found['days']} whole simulated days, one after the other "
            f"in one process. Memory after each: {held} MB; from the second on {found['memory_mb_an_hour']} MB for each "
            f"hour of the market (bar: below 1).\n\n{breaches}\n"
        )
    killed = ", ".join(f"{name} {count}" for name, count in found["killed"].items())
    return f"""## A day under `kill -9`

Written by `make soak`. `manage.py up` with Celery, Redis and PostgreSQL, the simulator at {found["speed"]:g} times real
speed, for {found["minutes"]} minutes of wall time (a whole day takes 40). Workers were killed at random, {found["kills"]}
times ({killed}); the longest wait for the next decided cycle was {found["longest_wait_for_a_cycle"]} s of wall time (bar: 60).
{found["decisions"]} cycles were decided. At the end fills, spend, reserve, cap and cooldown were held against the
exchange's report.

{breaches}

Memory, MB for each hour of the market, of processes that lived for 25 minutes or more: {found["memory_mb_an_hour"]}.
"""
