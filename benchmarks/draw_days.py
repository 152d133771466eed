"""Draw one simulated day of each family as SVG: index, implied volatility, utilization with nobody hedging.

`python -m benchmarks.draw_days docs/pictures`. Each is the NIFTY expiry Tuesday of the seed timetable, ₹10,00,000 of cash, and
the first seed that gives the family. The same version draws the same bytes.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal
from html import escape
from itertools import count
from pathlib import Path

import numpy as np

from hedging.domain.instruments import ContractSpec, Index, Right, Side
from hedging.simulator.day import IST, ScheduledEntry, SimulatedDay
from hedging.simulator.exchange import Exchange
from hedging.simulator.families import Family, family_of
from hedging.simulator.orders import Origin
from hedging.simulator.truth import TRIGGER_PCT

DAY = date(2026, 12, 1)
STEP = 30  # seconds from point to point
WIDTH, LEFT, RIGHT = 760, 58, 12
PANELS = ((44, 150), (214, 80), (314, 110))  # top and height
HEIGHT = 462
_STEPS = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1_000, 2_000)
INK, PALE, UP, DOWN, BLUE, RED = "#222", "#ddd", "#1a7f37", "#8250df", "#0969da", "#cf222e"
TIMETABLE = (
    ("09:16:00", "14:15:00"),
    ("09:24:00", "14:00:00"),
    ("09:29:00", "14:15:00"),
    ("10:16:30", "13:15:00"),
    ("13:53:30", None),
    ("14:11:00", None),
    ("14:16:00", None),
    ("14:25:00", None),
    ("14:28:00", None),
    ("14:35:00", None),
)


@dataclass(slots=True)
class Told:
    """What is drawn of a day: a figure for each step, and marks as (second of the day, what)."""

    title: str
    seconds: list[int] = field(default_factory=list)
    published: list[float] = field(default_factory=list)
    fair: list[float] = field(default_factory=list)
    implied: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)
    stops: list[tuple[int, Right]] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    previous_close: float = 0.0


def expiry_tuesday() -> SimulatedDay:
    """Return the seed timetable's NIFTY expiry day as plain values."""
    spec = ContractSpec(Index.NIFTY, 65, Decimal(50), Decimal("0.05"), 1800, 1, Decimal(200), Decimal(1000))
    entries = tuple(
        ScheduledEntry(
            f"entry {n}", Index.NIFTY, DAY, time.fromisoformat(enters), time.fromisoformat(leaves) if leaves else None
        )
        for n, (enters, leaves) in enumerate(TIMETABLE, start=1)
    )
    return SimulatedDay(
        date=DAY, specs={Index.NIFTY: spec}, expiries={Index.NIFTY: (DAY, DAY + timedelta(days=7))}, entries=entries
    )


def tell(family: Family) -> Told:
    """Live through the first day of a family and note what is drawn."""
    seed = 7 if family is Family.CALM else next(s for s in count(1) if family_of(seed=s, day=DAY) is family)
    day = expiry_tuesday()
    exchange = Exchange(day=day, seed=seed, cash=Decimal(1_000_000))
    market, path = exchange.market, exchange.market.paths[Index.NIFTY]
    told = Told(title=f"{family.value.capitalize()} — seed {seed}, {DAY:%d-%b-%Y}", previous_close=path.previous_close)
    for second in range(0, market.grid_seconds, STEP):
        exchange.advance_to(market.moment(second))
        told.seconds.append(second)
        told.published.append(float(path.spot[second]))
        told.fair.append(float(path.fair[second]))
        told.implied.append(float(path.implied[second]) * 252**0.5 * 100.0)
        told.used.append(exchange.truth.utilised() / float(exchange.account.cash) * 100.0)
    exits = {day.moment(plan.exit_time) for plan in day.entries if plan.exit_time}
    for trade in exchange.trades:
        at = market.moment(trade.at_us // 1_000_000)
        on_time = any(timedelta(0) <= at - exit_at < timedelta(seconds=60) for exit_at in exits)
        undone = any(0 <= trade.at_us // 1_000_000 - _second(row["time"]) < 30 for row in exchange.strategist.refusals)
        if trade.origin is Origin.STRATEGIST and trade.ticket.side is Side.BUY and not (on_time or undone):
            told.stops.append((trade.at_us // 1_000_000, trade.ticket.contract.right))
    told.entries = [_second(row["time"]) for row in exchange.strategist.jumps]
    told.refused = [_second(row["time"]) for row in exchange.strategist.refusals]
    return told


def _second(text: str) -> int:
    at = time.fromisoformat(text)
    return (at.hour * 60 + at.minute) * 60 + at.second - (9 * 60 + 15) * 60


class Sheet:
    """A drawing of one day, panel by panel."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            f'<text x="{LEFT}" y="20" font-size="15" fill="{INK}">{escape(told.title)}</text>',
        ]
        for hour in range(10, 16):
            x = self.x(_second(f"{hour:02}:00:00"))
            self.line(x, PANELS[0][0], x, PANELS[-1][0] + PANELS[-1][1], PALE)
            self.text(x, HEIGHT - 22, f"{hour}:00", anchor="middle")
        start, end = self.x(_second("15:15:00")), self.x(_second("15:30:00"))
        top, bottom = PANELS[0][0], PANELS[-1][0] + PANELS[-1][1]
        self.parts.insert(
            2,
            f'<rect x="{start:.1f}" y="{top}" width="{end - start:.1f}" height="{bottom - top}" fill="#f3f0e8"/>',
        )

    def x(self, second: float) -> float:
        """Return the place of a second of the day."""
        return LEFT + second / self.told.seconds[-1] * (WIDTH - LEFT - RIGHT)

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str, *, dashed: bool = False) -> None:
        """Draw a straight line."""
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dash}/>')

    def text(self, x: float, y: float, words: str, *, anchor: str = "start", colour: str = "#555") -> None:
        """Write a few words."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'
        )

    def curve(self, ys: list[float], colour: str, *, width: float = 1.4) -> None:
        """Draw a figure over the day; `ys` are places, not values."""
        points = " ".join(f"{self.x(s):.1f},{y:.1f}" for s, y in zip(self.told.seconds, ys, strict=True))
        self.parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>')

    def mark(self, x: float, y: float, colour: str, words: str) -> None:
        """Put a dot that tells its time when pointed at."""
        self.parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}" stroke="#fff"><title>{escape(words)}</title></circle>'
        )

    def panel(self, number: int, values: list[float], words: str, *, extra: tuple[float, ...] = ()) -> Panel:
        """Open a panel whose scale holds all values."""
        top, height = PANELS[number]
        low, high = min(*values, *extra), max(*values, *extra)
        pad = (high - low) * 0.06 or 1.0
        self.text(LEFT + 4, top - 4, words)
        self.line(LEFT, top, LEFT, top + height, "#999")
        self.line(LEFT, top + height, WIDTH - RIGHT, top + height, "#999")
        panel = Panel(top=top, height=height, low=low - pad, high=high + pad)
        step = next(s for s in _STEPS if (high - low) / s < 4.0)
        for n in range(int(panel.low // step) + 1, int(panel.high // step) + 1):
            self.text(LEFT - 5, panel.y(n * step) + 4, f"{n * step:,}", anchor="end")
            self.line(LEFT - 3, panel.y(n * step), LEFT, panel.y(n * step), "#999")
        return panel


@dataclass(frozen=True, slots=True)
class Panel:
    """The scale of one panel."""

    top: float
    height: float
    low: float
    high: float

    def y(self, value: float) -> float:
        """Return the place of a value."""
        return self.top + self.height * (self.high - value) / (self.high - self.low)


def draw(told: Told) -> str:
    """Return the day as SVG text."""
    sheet = Sheet(told)
    index = sheet.panel(
        0, told.fair, "NIFTY, with stops of calls (green) and puts (violet)", extra=(told.previous_close,)
    )
    sheet.line(LEFT, index.y(told.previous_close), WIDTH - RIGHT, index.y(told.previous_close), "#aaa", dashed=True)
    sheet.curve([index.y(v) for v in told.fair], "#aaa", width=1.0)
    sheet.curve([index.y(v) for v in told.published], INK)
    for second, right in told.stops:
        level = float(np.interp(second, told.seconds, told.fair))
        words = f"{right.value} stopped at {_clock(second)}"
        sheet.mark(sheet.x(second), index.y(level), UP if right is Right.CE else DOWN, words)
    implied = sheet.panel(1, told.implied, "volatility implied for the day, % a year", extra=(8.0, 11.0))
    sheet.curve([implied.y(v) for v in told.implied], BLUE)
    used = sheet.panel(
        2, told.used, "utilization unhedged, %; entries made (blue) and refused (red)", extra=(0.0, 100.0)
    )
    sheet.line(LEFT, used.y(TRIGGER_PCT), WIDTH - RIGHT, used.y(TRIGGER_PCT), RED, dashed=True)
    sheet.curve([used.y(v) for v in told.used], INK)
    for colour, marks, word in ((BLUE, told.entries, "entered"), (RED, told.refused, "refused")):
        for second in marks:
            level = float(np.interp(second, told.seconds, told.used))
            sheet.mark(sheet.x(second), used.y(level), colour, f"{word} at {_clock(second)}")
    shaded = "shaded: the index is in its closing auction; grey: the level off which options are priced"
    sheet.text(WIDTH - RIGHT, HEIGHT - 6, shaded, anchor="end")
    return "\n".join([*sheet.parts, "</svg>", ""])


def _clock(second: int) -> str:
    return (expiry_tuesday().moment(time(9, 15)).astimezone(IST) + timedelta(seconds=second)).strftime("%H:%M:%S")


def picture_name(family: Family) -> str:
    """Return the file name of a family's picture."""
    return f"day-{family.value.replace(' ', '-')}.svg"


def main() -> None:
    """Draw every family into the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for family in Family:
        target = folder / picture_name(family)
        target.write_text(draw(tell(family)), encoding="utf-8")
        print(target)


if __name__ == "__main__":
    main()
