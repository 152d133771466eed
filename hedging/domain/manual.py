"""Manual orders as values: what a person wants, what a preview shows of it, and what is confirmed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from hedging.domain.guards import Gate
from hedging.domain.instruments import Contract, Right, Side
from hedging.domain.projection import Source
from hedging.domain.reasons import Reason

MOST_LEGS = 20
"""Legs of one action: each costs a read of its ladder."""
MOST_SLICES = 10
"""Slices under the freeze quantity that one leg may be cut into."""


def in_lots(count: int) -> str:
    """Return so many lots in words."""
    return f"{count} lot{'' if count == 1 else 's'}"


class Deed(StrEnum):
    """What a person wants done."""

    BUY = "buy"
    EXIT = "exit"

    @property
    def side(self) -> Side:
        """Return the side of its orders."""
        return Side.BUY if self is Deed.BUY else Side.SELL

    @property
    def reason(self) -> Reason:
        """Return the reason that its decision carries."""
        return Reason.ADD_BY_HAND if self is Deed.BUY else Reason.UNWIND_BY_HAND


@dataclass(frozen=True, slots=True)
class WantedLeg:
    """One contract and the lots of it; of an exit `None` means all that is held."""

    contract: Contract
    lots: int | None

    def __post_init__(self) -> None:
        """Raise `ValueError` for fewer than one lot."""
        if self.lots is not None and self.lots < 1:
            raise ValueError(f"lots must be at least 1, got {self.lots}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One manual action of one or several legs, of one side. An exit without legs means every hedge that is held.

    `even_so` says that the person knows what the overridable checks say, and wants it all the same.
    Raises `ValueError` for a purchase without legs or lots, for a contract that is named twice, and for too many legs.
    """

    deed: Deed
    legs: tuple[WantedLeg, ...]
    even_so: bool = False

    def __post_init__(self) -> None:
        """Check the legs."""
        if self.deed is Deed.BUY and (not self.legs or any(leg.lots is None for leg in self.legs)):
            raise ValueError("a purchase names at least one contract, and its lots")
        if len(self.legs) > MOST_LEGS:
            raise ValueError(f"at most {MOST_LEGS} legs in one action, got {len(self.legs)}")
        if len({leg.contract for leg in self.legs}) < len(self.legs):
            raise ValueError("a contract is named twice: add its lots up")


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of a manual order: the gate, what would make it pass, and the figures that decided it.

    `overridable`: a person may say that it shall be done even so; every other closed gate stays closed.
    """

    gate: Gate
    fix: str = ""
    facts: Mapping[str, str | int] = field(default_factory=dict)
    overridable: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a manual order is not taken: the code, a sentence with the figure, the fix, the figures by name."""

    reason: Reason
    text: str
    fix: str
    facts: Mapping[str, str | int]
    overridable: bool

    @property
    def shown(self) -> str:
        """Return what "even so" is said of: the strike or the units, too; rupees and percent are others with every price."""
        return f"{self.reason}: {self.text}" if self.reason in _SAID_OF_FIGURES else self.reason.value


_SAID_OF_FIGURES = frozenset({Reason.DENY_QUARANTINED, Reason.DENY_UNCOVERS_SHORT, Reason.DENY_BEYOND_CAPACITY})


@dataclass(frozen=True, slots=True)
class LegPreview:
    """One leg as it would be ordered now. Prices in rupees a unit, money in rupees; `None` is unknown, never 0.

    `limit_price` is the touch that the order is priced from, `worst_price` what no slice may pass. `premium` is what its
    ladder gives for the quantity, up to the worst price; `worst_cost` what the cap sets aside (0 for a sale).
    `lots_at_hand` trade without passing the worst price; `held` are units that are ours, less what is being sold.
    """

    contract: Contract
    symbol: str
    side: Side
    lots: int
    quantity: int
    slices: int
    bid: Decimal | None
    ask: Decimal | None
    limit_price: Decimal | None
    worst_price: Decimal | None
    premium: Decimal | None
    charges: Decimal | None
    worst_cost: Decimal
    lots_at_hand: int
    held: int


@dataclass(frozen=True, slots=True)
class MarginEffect:
    """Used margin before and after, rupees and percent of the budget; `None` is unknown. `source` says who counted.

    `projected_after_pct` adds the entries within the lookahead, by our engine; `None` where none is due or it is unknown.
    """

    used_before: Decimal | None
    used_after: Decimal | None
    before_pct: Decimal | None
    after_pct: Decimal | None
    source: Source | None
    note: str
    projected_after_pct: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """Everything that a person must see before confirming. Money in rupees; `now` is market time.

    Of a purchase `cash` is premium and charges together, paid; of an exit premium less charges, received. `worst_cost` is
    what the cap must hold. `capacity_lots` are the lots that could still be bought on each side before longs exceed
    shorts, coming entries and live buys counted. `refusals` is empty when it may be confirmed; `overridden` are those that
    stand no more since the person wants it even so.
    """

    wanted: Wanted
    session_id: int
    mode: str
    now: datetime
    spot: Decimal | None
    legs: tuple[LegPreview, ...]
    premium: Decimal | None
    charges: Decimal | None
    cash: Decimal | None
    worst_cost: Decimal
    cost_left: Decimal
    free_margin: Decimal | None
    margin: MarginEffect
    capacity_lots: Mapping[Right, int]
    gates: tuple[Gate, ...]
    refusals: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    policy_version: str
    overridden: tuple[Refusal, ...] = ()

    @property
    def allowed(self) -> bool:
        """Return whether it may be confirmed as it stands."""
        return not self.refusals


@dataclass(frozen=True, slots=True)
class QuotedLeg:
    """A leg as it was shown: lots, the touch and the worst price, rupees a unit."""

    contract: Contract
    lots: int
    limit_price: Decimal
    worst_price: Decimal


@dataclass(frozen=True, slots=True)
class Quoted:
    """What a preview promised, and a confirmation is held to. `overridden` is what was shown and wanted even so."""

    session_id: int
    deed: Deed
    even_so: bool
    policy_version: str
    legs: tuple[QuotedLeg, ...]
    overridden: frozenset[str] = frozenset()


def quoted(preview: Preview) -> Quoted:
    """Return what `preview` promises. Raises `ValueError` for one that is refused, which promises nothing."""
    legs: list[QuotedLeg] = []
    for leg in preview.legs:
        if leg.limit_price is None or leg.worst_price is None:
            raise ValueError(f"{leg.symbol} has no price")
        legs.append(QuotedLeg(leg.contract, leg.lots, leg.limit_price, leg.worst_price))
    if not preview.allowed:
        raise ValueError(f"refused: {preview.refusals[0].text}")
    return Quoted(
        preview.session_id,
        preview.wanted.deed,
        preview.wanted.even_so,
        preview.policy_version,
        tuple(legs),
        frozenset(refusal.shown for refusal in preview.overridden),
    )


def as_card(preview: Preview) -> dict[str, Any]:
    """Return the preview's figures as a decision card keeps them."""
    margin = preview.margin
    return {
        "deed": preview.wanted.deed.value,
        "even_so": preview.wanted.even_so,
        "policy_version": preview.policy_version,
        "premium": _text(preview.premium),
        "charges": _text(preview.charges),
        "cash": _text(preview.cash),
        "worst_cost": _text(preview.worst_cost),
        "utilization_before_pct": _text(margin.before_pct),
        "utilization_after_pct": _text(margin.after_pct),
        "projected_after_pct": _text(margin.projected_after_pct),
        "margin_by": "" if margin.source is None else margin.source.value,
        "margin_note": margin.note,
        "warnings": list(preview.warnings),
        "refusals": [
            {"reason": r.reason.value, "text": r.text, "fix": r.fix, "facts": dict(r.facts)} for r in preview.refusals
        ],
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value.quantize(Decimal("0.01")))
