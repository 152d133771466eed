"""Facts: everything that one cycle knows when it decides. Read by the engine, judged by `decision.decide`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import ceil

from hedging.domain.charges import ChargeRates
from hedging.domain.entries import ComingEntry
from hedging.domain.history import PastJump
from hedging.domain.instruments import Contract, ContractSpec, Index, Product, Right, Side
from hedging.domain.margin import MarginLine, MarginMarket
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.policy import HedgePolicy
from hedging.domain.projection import BrokerIncrement
from hedging.domain.risk import MarginParameters
from hedging.domain.snapshot import Chain, Depth, Funds, Position

HUNDRED = Decimal(100)
SETTLES_WITHIN = timedelta(seconds=30)
"""Market time in which positions and funds may be behind a fill that the trade book shows."""
MOST_COMPLETIONS = 2
"""How often in a row a purchase of which a leg failed is completed within the cooldown."""


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """The session's row as the decision sees it. Money in rupees; `last_action_at` is market time.

    `trading_state` is the one in force, the tighter of the session's and the installation's; `state_reason` says why.
    """

    index: Index
    expiry: date
    dte: int
    product: Product
    budget: Decimal
    baseline: Decimal | None
    automation: bool
    trading_state: str
    spent: Decimal
    reserved: Decimal
    last_action_at: datetime | None
    quarantine: frozenset[Contract]
    state_reason: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """The instants of the trading day between which we act, and its close."""

    act_from: datetime
    act_until: datetime
    closes_at: datetime


@dataclass(frozen=True, slots=True)
class OwnWing:
    """A hedge that is surely ours: net units by our own fills, less what is already being sold."""

    contract: Contract
    quantity: int


@dataclass(frozen=True, slots=True)
class InFlight:
    """An intent of ours that may still fill: the units not filled yet."""

    contract: Contract
    side: Side
    quantity: int
    uncertain: bool


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The last action, where it was a purchase that is over and was not bought whole.

    `entries`: whom it was for, by portfolio. `completes`: how many actions before it were completed by it, one by another.
    `bought`: what it was to buy. `one_sided`: the account has wings on one side at most, which release nothing.
    """

    entries: frozenset[str]
    completes: int
    bought: frozenset[Contract] = frozenset()
    one_sided: bool = True


@dataclass(frozen=True, slots=True)
class LaterEntry:
    """An entry of the timetable that is still to come today: when, and how many units it sells on each side.

    `units` is `None` where its legs cannot be read: what it needs is unknown.
    """

    portfolio: str
    at: datetime
    units: Mapping[Right, int] | None


@dataclass(frozen=True, slots=True)
class CycleFacts:
    """One cycle's knowledge. A reading that failed is `None`, and `unknown` says which and why.

    `now` is when the cycle began, `seen_at` the moment after its books were read: an entry due by then may be in them.
    `coming` are entries due within the lookahead but for those (`waiting`, by name) that a scheduled exit comes before,
    `soon` those within the exit buffer, waiting ones too, `later` all still to come today: each of the session's own index
    and expiry. `just_due` tells that an entry, of whichever, fell due so recently that its orders may still be on the way,
    `just_exited` that one was to leave the book in the last minutes. `used_correction` (rupees) is what the broker's basket
    call found the engine to underestimate; `past` are measured jumps of used margin, newest first; `chain` is `None` when
    no price was needed, and `chain_age_seconds` is wall time from its request to the decision. `depths` are the ladders of
    strikes that were chosen, `None` where one could not be read; `needed_until` is the last exit of the timetable, `None`
    when it is at expiry. `needed_later` are the lots of our wings on each side that the rest of the day needs by its
    timeline, `None` where that was not drawn. `cleared` tells that the pre-flight lets us act, and `preflight` what it
    said; `live_closed` what keeps the orders of a live session here, "" for nothing; `still_seconds` how long the index
    price has not moved. `unfinished` is what the cooldown's action left to complete, if anything; `filled_at` the market time
    at which the last fill of the session's orders was written down.
    """

    now: datetime
    seen_at: datetime
    session: SessionFacts
    policy: HedgePolicy
    spec: ContractSpec
    parameters: MarginParameters
    charges: ChargeRates
    profile: MarginProfile
    enabled: bool
    window: Window | None
    breaker_open: bool
    reconciled: bool
    funds: Funds | None
    used: Decimal | None
    free_margin: Decimal | None
    positions: tuple[Position, ...] | None
    held: tuple[OwnWing, ...]
    in_flight: tuple[InFlight, ...]
    coming: tuple[ComingEntry, ...]
    soon: tuple[ComingEntry, ...]
    later: tuple[LaterEntry, ...]
    just_due: bool
    just_exited: bool
    chain: Chain | None = None
    chain_age_seconds: float = 0.0
    increments: Mapping[str, BrokerIncrement] = field(default_factory=dict)
    depths: Mapping[Contract, Depth | None] = field(default_factory=dict)
    needed_until: datetime | None = None
    needed_later: Mapping[Right, int] | None = None
    used_correction: Decimal = Decimal(0)
    past: tuple[PastJump, ...] = ()
    waiting: tuple[str, ...] = ()
    unknown: str = ""
    exit_breaker_open: bool = False
    cleared: bool = True
    preflight: str = ""
    live_closed: str = ""
    still_seconds: float = 0.0
    unfinished: Unfinished | None = None
    filled_at: datetime | None = None

    @property
    def completing(self) -> bool:
        """Return whether a purchase now would complete the last action within its cooldown, for an entry still to come."""
        last = self.unfinished
        if last is None or last.completes >= MOST_COMPLETIONS or not self.cooldown_left_seconds:
            return False
        return any(entry.portfolio in last.entries for entry in self.coming)

    @property
    def utilization_pct(self) -> Decimal | None:
        """Return what is used now in percent of the budget; `None` is unknown."""
        return None if self.used is None else self.used / self.session.budget * HUNDRED

    @property
    def chain_is_stale(self) -> bool:
        """Return whether the prices are older than the policy lets a decision rest on."""
        return self.chain is not None and self.chain_age_seconds > self.policy.max_quote_age_seconds

    @property
    def cost_left(self) -> Decimal:
        """Return the rupees that the day's cost cap still leaves."""
        return self.policy.max_cost_per_day - self.session.spent - self.session.reserved

    @property
    def cooldown_left_seconds(self) -> int:
        """Return the seconds until the next hedge action may start; 0 when it may now."""
        if self.session.last_action_at is None:
            return 0
        ready = self.session.last_action_at + timedelta(seconds=self.policy.cooldown_seconds)
        return max(0, ceil((ready - self.now).total_seconds()))

    @property
    def settling_seconds(self) -> int:
        """Return for how many seconds more positions and funds may be behind our last fill; 0 when they show it."""
        if self.filled_at is None:
            return 0
        return max(0, ceil((self.filled_at + SETTLES_WITHIN - self.now).total_seconds()))

    @property
    def positions_show_ours(self) -> bool:
        """Return whether the position book shows at least what our fills say that we hold."""
        shown = {(line.contract, line.product): line.quantity for line in self.positions or ()}
        return all(shown.get((wing.contract, self.session.product), 0) >= wing.quantity for wing in self.held)

    @property
    def market(self) -> MarginMarket:
        """Return the market that margins are computed in; raises `ValueError` when no chain was read."""
        if self.chain is None:
            raise ValueError("no chain was read for this cycle")
        closes = {} if self.chain.previous_close is None else {self.chain.index: self.chain.previous_close}
        return MarginMarket(spots={self.chain.index: self.chain.spot}, now=self.now, previous_closes=closes)

    def price_of(self, contract: Contract, fallback: Decimal | None = None) -> Decimal | None:
        """Return a contract's market price from the chain, else `fallback`, else `None`."""
        quote = None if self.chain is None else self.chain.quotes.get(contract)
        mark = None if quote is None else quote.mark
        return fallback if mark is None else mark

    def book(self) -> tuple[MarginLine, ...]:
        """Return every position of the session's index as margin lines; raises `ValueError` for one without a price."""
        lines = []
        for position in self.positions or ():
            if position.contract.index is not self.session.index:
                continue
            price = self.price_of(position.contract, position.last)
            if price is None or price <= 0:
                raise ValueError(f"no price for {position.contract} in the book")
            lines.append(MarginLine(position.contract, position.quantity, price, position.product))
        return tuple(lines)
