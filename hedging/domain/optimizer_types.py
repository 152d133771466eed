"""The words of the optimizer: what it is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from hedging.domain.charges import ChargeRates
from hedging.domain.entries import ComingEntry
from hedging.domain.instruments import Contract, ContractSpec, Product
from hedging.domain.margin import MarginLine, MarginMarket, MarginParameters
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.policy import HedgePolicy, Relaxation


class Status(StrEnum):
    """What became of a problem."""

    SOLVED = "SOLVED"
    NOT_NEEDED = "NOT_NEEDED"
    NO_CANDIDATE_IN_BAND = "NO_CANDIDATE_IN_BAND"
    UNREACHABLE = "UNREACHABLE"


class Aim(StrEnum):
    """How far margin is brought down: the first reachable of these, in this order, is bought.

    `LEAST`, as low as buying can bring it, is no aim of its own: only a policy that says so buys it, when all others fail.
    """

    TARGET = "target"
    TRIGGER = "trigger"
    FULL = "full"
    LEAST = "least"


class Limit(StrEnum):
    """Which limit stands in the way: the aim could be reached if this one alone were lifted.

    `BUDGET` and `FREE_MARGIN`: lifting none of the others helps, margin itself is too high for that one.
    """

    BAND = "band"
    COST_CAP = "cost_cap"
    CASH = "cash"
    CAPACITY = "capacity"
    DEPTH = "depth"
    FREE_MARGIN = "free_margin"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A strike that could be bought, at a live ask in rupees a unit. `depth_lots` is `None` where nobody knows it."""

    contract: Contract
    ask: Decimal
    bid: Decimal | None = None
    depth_lots: int | None = None

    @property
    def mark(self) -> Decimal:
        """Return the price at which margin values it: the middle of bid and ask, else the ask."""
        return self.ask if self.bid is None else (self.ask + self.bid) / 2


@dataclass(frozen=True, slots=True)
class HeldWing:
    """A wing of ours: whole lots held by our fills, and the bid in rupees a unit (`None`: nobody bids)."""

    contract: Contract
    lots: int
    bid: Decimal | None
    depth_lots: int | None = None


class WingTrade(NamedTuple):
    """One strike of the answer: lots, and the ask (buys) or bid (sells) in rupees a unit."""

    contract: Contract
    lots: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class Alternative:
    """The cheapest sufficient action that does without one of the chosen strikes: what to do when that one fails.

    Money in rupees, as in `HedgeSolution`. `dearer` is how much more it costs than the chosen action, by the policy's
    objective: why it was not chosen.
    """

    without: Contract
    buys: tuple[WingTrade, ...]
    sells: tuple[WingTrade, ...]
    cost: Decimal
    dearer: Decimal
    utilization_after_pct: Decimal
    proven: bool

    @property
    def why_not(self) -> str:
        """Return why it was not chosen, in words."""
        return f"₹{self.dearer:.2f} dearer" if self.dearer > 0 else "costs the same"


@dataclass(frozen=True, slots=True)
class HedgeProblem:
    """Everything that decides which wings to buy for one index, expiry and product.

    `book` holds every line of the account, all indices and expiries, the held wings included; `coming` every entry due.
    `budget`, `used_now`, `free_margin`, `cash`, `cost_cap_left` and the offsets in rupees; unknown figures must be
    resolved before. `used_offset` and `order_offset` are what `Projection` adds to the engine's figures of coming entries.
    `pending` are buys in flight: they use capacity and release nothing. `needed_until`: when the hedge will no
    longer be needed (`None`: at expiry), for the policy that counts expected cost. `alternatives`: how many next-best
    actions are wanted beside the best; each costs a solve, so a live cycle asks for none.
    """

    spec: ContractSpec
    expiry: date
    product: Product
    book: tuple[MarginLine, ...]
    coming: tuple[ComingEntry, ...]
    wings: tuple[HeldWing, ...]
    market: MarginMarket
    parameters: MarginParameters
    policy: HedgePolicy
    profile: MarginProfile
    rates: ChargeRates
    budget: Decimal
    used_now: Decimal
    free_margin: Decimal
    candidates: tuple[Candidate, ...] = ()
    cash: Decimal = Decimal(0)
    cost_cap_left: Decimal = Decimal(0)
    used_offset: Decimal = Decimal(0)
    order_offset: Decimal = Decimal(0)
    pending: tuple[MarginLine, ...] = ()
    quarantined: frozenset[Contract] = frozenset()
    needed_until: datetime | None = None
    time_limit_seconds: float = 1.0
    alternatives: int = 0


@dataclass(frozen=True, slots=True)
class HedgeSolution:
    """The answer. Money in rupees, percentages of the budget; every figure after the action is re-priced by the engine.

    `cost` is premium paid less premium received plus charges; `charges` the charges in it; `expected_cost` what of it is
    expected to be lost by the time the hedge is not needed any more, where the policy counts that. `used_after`,
    `utilization_after_pct` and `at_order_after` are the worst of all coming entries, offsets included.
    `floor_pct`: the least utilization that buying could reach, set when no aim is reachable. `would_do`: strikes outside
    the permitted band that would have done. `alternatives`, cheapest first, only where the problem asks for them.
    """

    status: Status
    proven: bool
    utilization_before_pct: Decimal
    at_order_before: Decimal
    used_after: Decimal
    utilization_after_pct: Decimal
    at_order_after: Decimal
    aim: Aim | None = None
    relaxation: Relaxation | None = None
    buys: tuple[WingTrade, ...] = ()
    sells: tuple[WingTrade, ...] = ()
    cost: Decimal = Decimal(0)
    charges: Decimal = Decimal(0)
    expected_cost: Decimal | None = None
    floor_pct: Decimal | None = None
    binding: Limit | None = None
    would_do: tuple[Contract, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
