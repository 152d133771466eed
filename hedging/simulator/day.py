"""The day to simulate, as plain values: contracts, expiries, hours, the timetable. Nothing here knows a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

from hedging.domain.instruments import ContractSpec, Index, Product, Right, Side

CalendarDate = date  # the class below has a field called `date`
IST = timezone(timedelta(hours=5, minutes=30), "IST")


@dataclass(frozen=True, slots=True)
class LegTemplate:
    """One leg of an entry. `offset` counts strike steps from the money, positive out of the money; `lots` per entry lot."""

    right: Right
    side: Side = Side.SELL
    offset: int = 0
    lots: int = 1


SHORT_STRADDLE = (LegTemplate(Right.CE), LegTemplate(Right.PE))


@dataclass(frozen=True, slots=True)
class ScheduledEntry:
    """One timetable row of the day, times in IST. `exit_time` `None` means held to its stop or to settlement."""

    portfolio: str
    index: Index
    expiry: date
    entry_time: time
    exit_time: time | None = None
    legs: tuple[LegTemplate, ...] = SHORT_STRADDLE
    lots: int = 1


@dataclass(frozen=True, slots=True)
class CarriedPosition:
    """A position carried in from an earlier day; its premium has been settled, so only its margin counts today."""

    symbol: str
    product: Product
    quantity: int
    average_price: Decimal


@dataclass(frozen=True, slots=True)
class JudgePolicy:
    """What the last relaxation of the hedging policy allows; a refusal is judged by it. Rupees and strike steps."""

    max_premium: float = 6.0
    min_premium: float = 0.30
    steps_beyond_outermost_short: int = 1
    cost_cap: float = 50_000.0


@dataclass(frozen=True, slots=True)
class SimulatedDay:
    """Everything that a simulated trading day is made of, beside its seed. Times are IST."""

    date: CalendarDate
    specs: Mapping[Index, ContractSpec]
    expiries: Mapping[Index, tuple[CalendarDate, ...]]
    entries: tuple[ScheduledEntry, ...] = ()
    opens: time = time(9, 15)
    closes: time = time(15, 40)
    index_closes: time = time(15, 30)
    starts: time = time(9, 14)
    ends: time = time(16, 0)
    holidays: tuple[tuple[CalendarDate, str], ...] = ()
    previous_close: Mapping[Index, Decimal] = field(default_factory=dict)
    carried: tuple[CarriedPosition, ...] = ()
    judge: JudgePolicy = JudgePolicy()

    def moment(self, at: time) -> datetime:
        """Return the UTC moment of an IST time of this day."""
        return datetime.combine(self.date, at, IST).astimezone(UTC)

    @property
    def start_at(self) -> datetime:
        """Return the moment at which the simulated clock starts."""
        return self.moment(self.starts)

    @property
    def end_at(self) -> datetime:
        """Return the moment at which the simulated clock stops: the day is over."""
        return self.moment(self.ends)

    def trading_days_until(self, expiry: CalendarDate) -> int:
        """Return how many trading days lie after this day, up to and including `expiry`."""
        closed = {day for day, _ in self.holidays}
        days = (self.date + timedelta(days=n) for n in range(1, (expiry - self.date).days + 1))
        return sum(1 for day in days if day.weekday() < 5 and day not in closed)


def day_to_json(day: SimulatedDay) -> dict[str, Any]:
    """Return the day as JSON-able values, so that a stored world needs no database to resume."""
    return {
        "date": day.date.isoformat(),
        "specs": [
            [
                s.index,
                s.lot,
                str(s.strike_step),
                str(s.tick),
                s.freeze_quantity,
                s.lots_per_basket,
                str(s.otm_min),
                str(s.otm_max),
            ]
            for s in day.specs.values()
        ],
        "expiries": {index: [e.isoformat() for e in dates] for index, dates in day.expiries.items()},
        "entries": [
            {
                "portfolio": e.portfolio,
                "index": e.index,
                "expiry": e.expiry.isoformat(),
                "entry_time": e.entry_time.isoformat(),
                "exit_time": e.exit_time.isoformat() if e.exit_time else None,
                "legs": [[leg.right, leg.side, leg.offset, leg.lots] for leg in e.legs],
                "lots": e.lots,
            }
            for e in day.entries
        ],
        "hours": [t.isoformat() for t in (day.opens, day.closes, day.index_closes, day.starts, day.ends)],
        "holidays": [[d.isoformat(), text] for d, text in day.holidays],
        "previous_close": {index: str(level) for index, level in day.previous_close.items()},
        "carried": [[c.symbol, c.product, c.quantity, str(c.average_price)] for c in day.carried],
        "judge": asdict(day.judge),
    }


def day_from_json(data: Mapping[str, Any]) -> SimulatedDay:
    """Rebuild the day that `day_to_json` wrote."""
    specs = {
        Index(row[0]): ContractSpec(
            index=Index(row[0]),
            lot=row[1],
            strike_step=Decimal(row[2]),
            tick=Decimal(row[3]),
            freeze_quantity=row[4],
            lots_per_basket=row[5],
            otm_min=Decimal(row[6]),
            otm_max=Decimal(row[7]),
        )
        for row in data["specs"]
    }
    entries = tuple(
        ScheduledEntry(
            portfolio=e["portfolio"],
            index=Index(e["index"]),
            expiry=date.fromisoformat(e["expiry"]),
            entry_time=time.fromisoformat(e["entry_time"]),
            exit_time=time.fromisoformat(e["exit_time"]) if e["exit_time"] else None,
            legs=tuple(LegTemplate(Right(r), Side(s), offset, lots) for r, s, offset, lots in e["legs"]),
            lots=e["lots"],
        )
        for e in data["entries"]
    )
    opens, closes, index_closes, starts, ends = (time.fromisoformat(text) for text in data["hours"])
    return SimulatedDay(
        date=date.fromisoformat(data["date"]),
        specs=specs,
        expiries={Index(i): tuple(date.fromisoformat(e) for e in dates) for i, dates in data["expiries"].items()},
        entries=entries,
        opens=opens,
        closes=closes,
        index_closes=index_closes,
        starts=starts,
        ends=ends,
        holidays=tuple((date.fromisoformat(d), text) for d, text in data["holidays"]),
        previous_close={Index(i): Decimal(level) for i, level in data["previous_close"].items()},
        carried=tuple(CarriedPosition(s, Product(p), q, Decimal(a)) for s, p, q, a in data["carried"]),
        judge=JudgePolicy(**data["judge"]),
    )
