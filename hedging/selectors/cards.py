"""Read a decision card's JSON into typed values. Every key may be missing; what cannot be read is unknown, never zero."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from hedging.domain.reasons import REASON_TEXT, Reason
from hedging.models import Action, HedgeDecision


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition that a decision met or failed, with its figures."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ProjectedEntry:
    """What one coming entry would do to the margin. Rupees, and per cent of the budget.

    `at_order` is what the broker wants on top when the entry is sent, against the `free_margin` of that moment;
    `used_after` what is used once the entry is in the book.
    """

    portfolio: str
    at: datetime | None
    at_order: Decimal | None
    used_after: Decimal | None
    used_after_pct: Decimal | None
    free_margin: Decimal | None
    source: str

    @property
    def lacks_margin(self) -> bool:
        """Return whether the broker would refuse the entry for want of free margin."""
        return self.at_order is not None and self.free_margin is not None and self.at_order > self.free_margin

    def breaches(self, *, trigger_pct: Decimal) -> bool:
        """Return whether the entry passes the trigger or the broker's free margin: either is a need."""
        return self.lacks_margin or (self.used_after_pct is not None and self.used_after_pct > trigger_pct)


@dataclass(frozen=True, slots=True)
class ChosenLeg:
    """One contract of a chosen set: units, and rupees a unit."""

    symbol: str
    quantity: int | None
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The set that a decision chose, and why it is the right one. `cost` and `charges` in rupees."""

    aim: str
    relaxation: str
    proven: bool | None
    cost: Decimal | None
    charges: Decimal | None
    utilization_after_pct: Decimal | None
    buys: tuple[ChosenLeg, ...]
    sells: tuple[ChosenLeg, ...]


@dataclass(frozen=True, slots=True)
class DecisionCard:
    """A decision with its reason in a sentence and its figures. `floor_pct` is what hedging cannot go below."""

    id: int
    kind: str
    at: datetime
    action: str
    reason: str
    text: str
    gates: tuple[Gate, ...]
    projection: tuple[ProjectedEntry, ...]
    projected_pct: Decimal | None
    floor_pct: Decimal | None
    binding: str
    unknown: str
    chosen: Chosen | None


def card_of(decision: HedgeDecision) -> DecisionCard:
    """Read a stored decision."""
    facts = _mapping(decision.facts)
    return DecisionCard(
        id=decision.pk,
        kind=decision.kind,
        at=decision.at,
        action=decision.action,
        reason=decision.reason,
        text=reason_text(decision.reason),
        gates=tuple(
            Gate(_text(gate.get("gate")), gate.get("passed") is True, _text(gate.get("detail")))
            for gate in _rows(decision.gates)
        ),
        projection=projection_of(facts),
        projected_pct=number(facts.get("projected_pct")),
        floor_pct=number(facts.get("floor_pct")),
        binding=_text(facts.get("binding")),
        unknown=_text(facts.get("unknown")),
        chosen=_chosen(facts.get("chosen")),
    )


def reason_text(reason: str) -> str:
    """Return the sentence of a reason code; the code itself where an older release wrote one that we do not know."""
    try:
        return REASON_TEXT[Reason(reason)]
    except ValueError:
        return reason


def projection_of(facts: Mapping[str, Any]) -> tuple[ProjectedEntry, ...]:
    """Return the coming entries of a card's facts, in the card's order."""
    return tuple(
        ProjectedEntry(
            portfolio=_text(row.get("portfolio")),
            at=moment(row.get("at")),
            at_order=number(row.get("at_order")),
            used_after=number(row.get("used_after")),
            used_after_pct=number(row.get("used_after_pct")),
            free_margin=number(facts.get("free_margin")),
            source=_text(row.get("source")),
        )
        for row in _rows(facts.get("projection"))
    )


def verdict(*, entry: ProjectedEntry, card: DecisionCard, trigger_pct: Decimal, buy_is_live: bool) -> str:
    """Say in a few words what follows from a projected entry: a hedge, none, or why not."""
    if not entry.breaches(trigger_pct=trigger_pct):
        return "not known" if entry.used_after_pct is None else "no hedge needed"
    if card.action == Action.ADD:
        return "hedge planned"
    if buy_is_live:
        return "hedge on its way"
    return f"not hedged: {card.text}"


def number(value: object) -> Decimal | None:
    """Read a figure of a card; None when it is absent or no finite number."""
    if value is None or isinstance(value, bool):
        return None
    try:
        figure = Decimal(str(value))
    except InvalidOperation:
        return None
    return figure if figure.is_finite() else None


def moment(value: object) -> datetime | None:
    """Read an instant of a card; None when it is absent, unreadable or without a zone."""
    try:
        read = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return read if read.tzinfo is not None else None


def _chosen(value: object) -> Chosen | None:
    facts = _mapping(value)
    if not facts:
        return None
    return Chosen(
        aim=_text(facts.get("aim")),
        relaxation=_text(facts.get("relaxation")),
        proven=facts["proven"] if isinstance(facts.get("proven"), bool) else None,
        cost=number(facts.get("cost")),
        charges=number(facts.get("charges")),
        utilization_after_pct=number(facts.get("utilization_after_pct")),
        buys=_legs(facts.get("buys")),
        sells=_legs(facts.get("sells")),
    )


def _legs(value: object) -> tuple[ChosenLeg, ...]:
    legs = []
    for row in _rows(value):
        quantity = number(row.get("quantity"))
        legs.append(
            ChosenLeg(_text(row.get("symbol")), None if quantity is None else int(quantity), number(row.get("price")))
        )
    return tuple(legs)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _rows(value: object) -> Iterable[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return "" if value is None else str(value)
