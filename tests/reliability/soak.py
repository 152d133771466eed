"""Soak: a virtual day with real Celery, Redis and PostgreSQL under random `kill -9`; and whole days in one process.

`python -m tests.reliability.soak day [--minutes 40] [--speed 10] [--seed 1]`, `… days [--days 5]`; both print one JSON
object. `day` runs `manage.py up` in a folder of its own, kills a worker every 20 to 60 s, and wants a cycle decided within
60 s of wall time after each kill. At the end our tables are held against the exchange's report. `days` watches the memory of
one process through whole simulated days.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as datetime_time
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener
from zoneinfo import ZoneInfo

BASE = Path(__file__).parents[2]
WITHIN_SECONDS = 60
MARKET_CLOSE = datetime_time(15, 30)
IST = ZoneInfo("Asia/Kolkata")
SETTLE_SECONDS = 45
MB = 1 << 20
_direct = build_opener(ProxyHandler({}))


def _own_world(speed: float, port: int) -> Path:
    """Set the environment to a folder of its own, before Django reads it; return the folder."""
    ours = ("AUTO_HEDGE_", "HEDGE_", "OPENALGO_", "SIM_", "TELEGRAM_", "DATABASE_", "REDIS_")
    for name in [name for name in os.environ if name.startswith(ours)]:
        del os.environ[name]
    var = Path(tempfile.mkdtemp(prefix="auto-hedge-soak-")) / "var"
    os.environ |= {
        "AUTO_HEDGE_ENV_FILE": "",
        "VAR_DIR": str(var),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PORT": str(port),
        "SIM_SPEED": f"{speed:g}",
    }
    return var


def _resident(pid: int) -> int:
    """Return the bytes of memory that a process holds, 0 for one that is gone."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _slope(samples: list[tuple[float, float]]) -> float:
    """Return the least-squares slope of (x, y)."""
    if len(samples) < 3:
        return 0.0
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    across = sum((x - mean_x) ** 2 for x, _ in samples)
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / across if across else 0.0


# --- a day with real processes ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Soak:
    """A running installation, and who kills in it."""

    var: Path
    port: int
    seed: int
    kills: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def run(self, seconds: float) -> dict[str, Any]:
        """Live through so many seconds, with kills; then settle, and judge."""
        said = (self.var.parent / "up.log").open("w")
        up = subprocess.Popen([sys.executable, "manage.py", "up"], cwd=BASE, stdout=said, stderr=subprocess.STDOUT)
        try:
            self._wait(lambda: self._report() is not None and self._decisions() > 0, seconds=240)
            began = time.monotonic()
            self._kill_until(began + seconds)
            minutes = (time.monotonic() - began) / 60
            time.sleep(SETTLE_SECONDS)
            self._wait(self._nothing_live, seconds=120)
            return self._figures(minutes)
        finally:
            up.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                up.wait(60)
            if up.poll() is None:
                up.kill()
            said.close()

    def _kill_until(self, ends: float) -> None:
        dice = random.Random(self.seed)
        next_kill = time.monotonic() + dice.uniform(20, 60)
        while time.monotonic() < ends:
            time.sleep(1)
            self._sample()
            if time.monotonic() < next_kill or not self._cycles_come():
                continue
            workers = self._workers()
            if workers:
                name, pid = dice.choice(sorted(workers.items()))
                before = self._decisions()
                os.kill(pid, signal.SIGKILL)
                self.kills.append(name)
                self.waits.append(self._until_decided(before))
            next_kill = time.monotonic() + dice.uniform(20, 60)

    def _cycles_come(self) -> bool:
        """Return whether the market stays open for longer than a cycle may be late: after its close there is none."""
        clock = self._simulator("clock")
        if clock is None:
            return False
        now = datetime.fromisoformat(clock["now"]).astimezone(IST)
        close = datetime.combine(now.date(), MARKET_CLOSE, IST)
        return now + timedelta(seconds=WITHIN_SECONDS * clock["speed"]) < close

    def _until_decided(self, before: int) -> float:
        killed = time.monotonic()
        while time.monotonic() < killed + 2 * WITHIN_SECONDS:
            time.sleep(0.25)
            if self._decisions() > before:
                break
        return round(time.monotonic() - killed, 1)

    def _family(self) -> dict[str, int]:
        """Return the installation's own processes by name: those whose parent is the supervisor, and pool children."""
        from config.local.processes import members

        found: dict[str, int] = {}
        for pid in members(self.var / "lock" / "children"):
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                name = next((word.split("@")[0] for word in words if word.startswith("worker-")), "")
                name = name or next((part for part in ("gunicorn", "beat", "simulator") if part in words), "")
                if name:
                    found[name if name not in found else f"{name}, its pool"] = pid
        return found

    def _workers(self) -> dict[str, int]:
        return {name: pid for name, pid in self._family().items() if name.startswith("worker-")}

    def _sample(self) -> None:
        for name, pid in self._family().items():
            held = _resident(pid) / MB
            if held:
                self.memory.setdefault(f"{name} {pid}", []).append((time.monotonic() / 3600, held))

    def _decisions(self) -> int:
        from django.db import DatabaseError, connection

        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT coalesce(max(id), 0) FROM hedging_hedgedecision")
                return int(cursor.fetchone()[0])
        except DatabaseError:
            connection.close()
            return 0

    def _nothing_live(self) -> bool:
        from hedging.models import HedgeOrder

        return not HedgeOrder.objects.live().exists()

    def _report(self) -> dict[str, Any] | None:
        return self._simulator("report")

    def _simulator(self, page: str) -> dict[str, Any] | None:
        with suppress(OSError, ValueError), _direct.open(f"{self._address}/simulator/{page}", timeout=5) as it:
            said: dict[str, Any] = json.loads(it.read())
            return said
        return None

    @property
    def _address(self) -> str:
        return f"http://127.0.0.1:{self.port + 1}"

    def _wait(self, until: Callable[[], bool], *, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while not until():
            if time.monotonic() > ends:
                raise TimeoutError((self.var.parent / "up.log").read_text()[-2000:])
            time.sleep(1)

    def _figures(self, minutes: float) -> dict[str, Any]:
        report = self._report() or {}
        breaches = against_truth(report)
        late = [wait for wait in self.waits if wait > WITHIN_SECONDS]
        if late:
            breaches.append(f"no cycle within {WITHIN_SECONDS} s after a kill: {late}")
        # A slope wants a process that lived, beyond its warm-up. What a day leaves in memory comes by the hour of the market.
        speed = float(os.environ["SIM_SPEED"])
        slopes = {
            name: round(_slope(samples[60:]) / speed, 2)
            for name, samples in self.memory.items()
            if len(samples) > 60 + 1500
        }
        breaches += [
            f"{name} grows by {slope} MB an hour of the market" for name, slope in slopes.items() if slope >= 1.0
        ]
        return {
            "minutes": round(minutes, 1),
            "speed": speed,
            "kills": len(self.kills),
            "killed": {name: self.kills.count(name) for name in sorted(set(self.kills))},
            "longest_wait_for_a_cycle": max(self.waits, default=0.0),
            "decisions": self._decisions(),
            "hedges": report.get("hedges", {}),
            "memory_mb_an_hour": slopes or "too short to tell",
            "breaches": breaches,
        }


def against_truth(report: dict[str, Any]) -> list[str]:
    """Return where our tables differ from what the exchange says of the orders that came over HTTP."""
    from django.conf import settings

    from hedging.domain.instruments import Side
    from hedging.models import Fill, HedgeOrder, HedgeTransaction
    from sessions_app.models import TradingSession

    breaches: list[str] = []
    day = date.fromisoformat(report["date"])
    fills = Fill.objects.filter(order__trading_day=day).select_related("order__transaction")
    truth, known = report["hedges"], list(fills)
    sums = {
        side: sum((fill.price * fill.quantity for fill in known if fill.order.transaction.side == side), Decimal(0))
        for side in (Side.BUY, Side.SELL)
    }
    for what, ours, theirs in (
        ("trades", len(known), truth["trades"]),
        ("spend", float(sums[Side.BUY]), truth["spend"]),
        ("recovery", float(sums[Side.SELL]), truth["recovery"]),
    ):
        if abs(ours - theirs) > 0.005:
            breaches.append(f"{what}: {ours} in our tables, {theirs} at the exchange")
    for session in TradingSession.objects.filter(trading_day=day):
        cap = session.max_cost_per_day or settings.HEDGE_POLICY.max_cost_per_day
        if session.spent + session.reserved > cap:
            breaches.append(f"{session.spent} spent and {session.reserved} reserved of {cap}")
        live = sum((tx.reserve for tx in HedgeTransaction.objects.live().filter(session=session)), Decimal(0))
        if live != session.reserved:
            breaches.append(f"{session.reserved} reserved, live intents come to {live}")
        chosen = HedgeTransaction.objects.filter(session=session, due_by_clock=False, orders__sent_at__isnull=False)
        # What completes a purchase of which a leg failed is a part of it (orders.md, cooldown).
        chosen = chosen.exclude(decision__facts__has_key="completes")
        acted = sorted(set(chosen.values_list("decision_id", "created_at")), key=lambda row: row[1])
        cooldown = timedelta(seconds=session.cooldown_seconds or settings.HEDGE_POLICY.cooldown_seconds)
        breaches += [
            f"two actions {later - earlier} apart"
            for (_, earlier), (_, later) in pairwise(acted)
            if later - earlier < cooldown
        ]
    ids = list(
        HedgeOrder.objects.filter(trading_day=day)
        .exclude(broker_order_id=None)
        .values_list("broker_order_id", flat=True)
    )
    if len(ids) != len(set(ids)):
        breaches.append("an order of the broker is written down twice")
    return breaches


def soak_day(*, minutes: float, speed: float, port: int, seed: int) -> dict[str, Any]:
    """Run the installation for so long, with kills."""
    var = _own_world(speed, port)
    import django

    django.setup()
    from django.conf import settings

    try:
        return Soak(var, port, seed).run(60 * minutes)
    finally:
        shutil.rmtree(settings.PLACES.runtime, ignore_errors=True)
        shutil.rmtree(var.parent, ignore_errors=True)


# --- days in one process ------------------------------------------------------------------------------------------------------


def soak_days(*, days: int, seed: int) -> dict[str, Any]:
    """Run whole days one after the other in this process; watch its memory and hold each against its exchange."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import gc

    import django

    django.setup()
    from django.conf import settings

    from hedging.management.database import database_at_hand, prepare_database
    from hedging.management.simulated_day import SimulatedRun
    from hedging.models import HedgeOrder
    from hedging.simulator.exchange import Exchange
    from schedule.calendar import load_calendar
    from schedule.entries import entries_on

    breaches: list[str] = []
    samples: list[tuple[float, float]] = []
    seen: list[Exchange] = []

    def watch(exchange: Exchange, _: object) -> None:
        seen[:] = [exchange]

    with database_at_hand():
        prepare_database()
        calendar, day = load_calendar(), settings.SIM_DATE
        for number in range(days):
            while not calendar.is_trading_day(day) or not entries_on(day, calendar):
                day += timedelta(days=1)
            run = SimulatedRun(
                day=day, seed=seed + number, policy=settings.HEDGE_POLICY, watch=watch
            )  # fmt: skip
            run.run()
            breaches += [f"{day}: {breach}" for breach in against_truth(seen[0].report())]
            if HedgeOrder.objects.live().exists():
                breaches.append(f"{day}: an order is live after the day")
            seen.clear()
            gc.collect()
            samples.append(((number + 1) * 6.5, _resident(os.getpid()) / MB))
            day += timedelta(days=1)
    slope = round(_slope(samples[1:]), 2)  # what is imported and cached once comes with the first day
    if slope >= 1.0:
        breaches.append(f"memory grows by {slope} MB for each hour of the market")
    return {
        "days": days,
        "memory_mb": [round(held, 1) for _, held in samples],
        "memory_mb_an_hour": slope,
        "breaches": breaches,
    }


def write_soak(page: Path, *, what: str, found: dict[str, Any]) -> None:
    """Write the part of the page that tells of a soak."""
    from hedging.chaos.page import write_part
    from tests.reliability.page import soak_part

    name = "40-soak-day.md" if what == "day" else "41-soak-days.md"
    write_part(page, name=name, text=soak_part(what, found))


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("day", "days"))
    parser.add_argument("--minutes", type=float, default=40.0, help="wall time; a whole day at speed 10 takes 40")
    parser.add_argument("--speed", type=float, default=10.0)
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--port", type=int, default=28_080, help="of the page; the simulator takes the next one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page", type=Path, help="write what was found into this page")
    asked = parser.parse_args()
    if asked.what == "day":
        found = soak_day(minutes=asked.minutes, speed=asked.speed, port=asked.port, seed=asked.seed)
    else:
        found = soak_days(days=asked.days, seed=asked.seed)
    if asked.page is not None:
        write_soak(asked.page, what=asked.what, found=found)
    print(json.dumps(found))  # noqa: T201 - what the caller reads
    sys.exit(bool(found["breaches"]))


if __name__ == "__main__":
    main()
