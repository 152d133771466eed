"""The values that selectors return: frozen, typed, in rupees and per cent, ready for a page, an answer or a message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from hedging.selectors.books import BookComparison
from hedging.selectors.cards import DecisionCard, Gate, ProjectedEntry
from hedging.selectors.jumps import Forecast
from hedging.selectors.margin_model import MarginModel
from schedule.entries import ScheduledEntry


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A session as it stands. `automatic` is what is in force: lid, toggle, trading state and `held_by` together.

    `held_by` says what keeps its orders here although it is switched on: a pre-flight, or live that is closed; "" for nothing.
    """

    id: int
    account: str
    trading_day: date
    index: str
    expiry: date
    dte: int
    mode: str
    mode_words: str
    world: str
    trading_state: str
    state_reason: str
    enabled: bool
    lid_open: bool
    automatic: bool
    held_by: str
    baskets: int
    budget: Decimal
    baseline: Decimal | None
    baseline_at: datetime | None
    baseline_source: str
    trigger_pct: Decimal
    target_pct: Decimal
    exit_trigger_pct: Decimal
    lookahead_minutes: int
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Margin:
    """The latest reading. `used` None is unknown, and `unknown_reason` says why. Ages in market seconds."""

    at: datetime
    age_seconds: int
    used: Decimal | None
    budget: Decimal
    utilization_pct: Decimal | None
    headroom: Decimal | None
    free_margin: Decimal | None
    spot: Decimal | None
    unknown_reason: str


@dataclass(frozen=True, slots=True)
class Projection:
    """A coming entry and what follows from it (`verdict`)."""

    entry: ProjectedEntry
    verdict: str
    crosses: bool


@dataclass(frozen=True, slots=True)
class NextEntry:
    """The next entry of the timetable."""

    portfolio: str
    index: str
    expiry: date
    dte: int
    entry_at: datetime
    exit_at: datetime | None
    seconds_away: int


@dataclass(frozen=True, slots=True)
class ActiveHedge:
    """A hedge held by our own fills: units, rupees a unit, and rupees in all.

    `shorts` are the units sold on its side, which all hedges of that side cover together; `price` is the bid of the last
    decision that read prices, or the last trade where `price_is` says so; `gain` is against it, before charges. `None` is
    unknown.
    """

    symbol: str
    right: str
    expiry: date
    product: str
    quantity: int
    average_price: Decimal
    cost: Decimal
    since: datetime
    shorts: int | None
    covers: int | None
    price: Decimal | None
    price_is: str
    gain: Decimal | None


@dataclass(frozen=True, slots=True)
class Cost:
    """Rupees of the session's day. `spent` + `reserved` are held against `cap`; the rest is what the fills add up to."""

    cap: Decimal
    spent: Decimal
    reserved: Decimal
    left: Decimal
    paid: Decimal
    recovered: Decimal
    charges: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True)
class Breaker:
    """The circuit breakers of the account, in wall time: the one for purchases, and the one for exits."""

    is_open: bool
    open_until: datetime | None
    failures: int
    exits_open: bool = False
    exits_open_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Installation:
    """The trading state of the whole installation: who set it, why and when (wall time), and whether the file halts."""

    trading_state: str
    reason: str
    by: str
    at: datetime | None
    halt_file: bool


@dataclass(frozen=True, slots=True)
class Beat:
    """A worker's last sign of life, in wall time."""

    name: str
    wall_at: datetime
    age_seconds: int
    alive: bool


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """A slice that may still fill. `uncertain`: nobody knows whether the broker has it."""

    id: int
    transaction_id: int
    symbol: str
    side: str
    quantity: int
    limit_price: Decimal | None
    status: str
    uncertain: bool
    since: datetime


@dataclass(frozen=True, slots=True)
class DataAges:
    """How old what is shown is, in market seconds; `None` where there is nothing yet."""

    margin_seconds: int | None
    decision_seconds: int | None
    books_seconds: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that a person or a script asks about a session at market time `now`.

    `entries` is the timetable of the day, empty where `calendar_unknown` says why.
    """

    now: datetime
    session: SessionFacts
    margin: Margin | None
    decision: DecisionCard | None
    projections: tuple[Projection, ...]
    next_entry: NextEntry | None
    entries: tuple[ScheduledEntry, ...]
    calendar_unknown: str
    active_hedges: tuple[ActiveHedge, ...]
    cost: Cost
    margin_model: MarginModel
    breaker: Breaker
    installation: Installation
    heartbeats: tuple[Beat, ...]
    live_orders: tuple[LiveOrder, ...]
    forecasts: tuple[Forecast, ...]
    summary: dict[str, object]
    books: BookComparison

    @property
    def ages(self) -> DataAges:
        """Return how old the last reading, decision and comparison of the books are."""
        return DataAges(
            margin_seconds=None if self.margin is None else self.margin.age_seconds,
            decision_seconds=None if self.decision is None else int((self.now - self.decision.at).total_seconds()),
            books_seconds=None if self.books.read_at is None else int((self.now - self.books.read_at).total_seconds()),
        )

    @property
    def why(self) -> tuple[Gate, ...]:
        """Return the ordered gates of the latest decision: why it did what it did."""
        return self.decision.gates if self.decision is not None else ()
