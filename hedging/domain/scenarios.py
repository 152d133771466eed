"""Scenarios: what the book loses in each of the 16 SPAN scenarios, without our hedges, with them, and after a decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hedging.domain.decided import AddHedge, Decision, Hold, LegOrder
from hedging.domain.facts import CycleFacts
from hedging.domain.instruments import Index
from hedging.domain.margin import MarginLine, Pool, PoolMargin, Universe, rupees
from hedging.domain.pricing import FloatArray
from hedging.domain.risk import MOVES, SCENARIOS, VOLATILITY_SHIFTS


@dataclass(frozen=True, slots=True)
class ScenarioLoss:
    """One scenario: its name, where the index would be, and the rupees lost there; a gain is negative.

    `after` is the loss once what was decided is done, `None` where nothing is to be done.
    """

    label: str
    level: Decimal
    without: Decimal
    held: Decimal
    after: Decimal | None


@dataclass(frozen=True, slots=True)
class TierLosses:
    """The 16 losses of one index, product and scan tier, such as "NIFTY NRML expiring", in SPAN's order."""

    name: str
    losses: tuple[ScenarioLoss, ...]


@dataclass(frozen=True, slots=True)
class BookRisk:
    """What the engine makes of one book in rupees: scan risk (the worst loss of each tier, added up) and whole margin."""

    scan: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class Scenarios:
    """Losses of the book with `entries` in it, in three shapes; `after` is `None` where nothing is to be done."""

    entries: tuple[str, ...]
    tiers: tuple[TierLosses, ...]
    without: BookRisk
    held: BookRisk
    after: BookRisk | None


def scenario_losses(facts: CycleFacts, decision: Decision) -> Scenarios:
    """Return the losses of the book with the decision's entries in it (every coming one, where it holds).

    The largest loss of each tier, at least 0, is what the engine counts as scan risk. Raises `ValueError` where no chain
    was read, or a line of the book has no price.
    """
    entries = decision.entries if isinstance(decision, AddHedge) else facts.coming
    legs = () if isinstance(decision, Hold) else decision.legs
    book = (*facts.book(), *(line for entry in entries for line in entry.lines))
    trades = _trades(facts, legs)
    universe = Universe.of((*book, *trades), market=facts.market, parameters=facts.parameters)
    held = universe.quantities(book)
    shapes = [held - _own(facts, universe, held), held]
    if trades:
        shapes.append(held + universe.quantities(trades))
    pools = [universe.pools(units) for units in shapes]
    risks = [_risk(found) for found in pools]
    return Scenarios(
        entries=tuple(entry.portfolio for entry in entries),
        tiers=tuple(_tiers(facts, pools)),
        without=risks[0],
        held=risks[1],
        after=risks[2] if trades else None,
    )


def scenario_label(number: int) -> str:
    """Return a scenario as people read it: the move in scan ranges, and where volatility goes."""
    move, shift = MOVES[number], VOLATILITY_SHIFTS[number]
    thirds = round(abs(move) * 3)
    size = f"{thirds // 3}" if thirds % 3 == 0 else f"{thirds}/3"
    sign = "+" if move > 0 else "−"
    moved = f"{sign}{size}" if thirds else "0"
    return f"{moved}, vol {'up' if shift > 0 else 'down'}" if shift else f"{moved}, extreme"


def _trades(facts: CycleFacts, legs: Iterable[LegOrder]) -> tuple[MarginLine, ...]:
    product = facts.session.product
    return tuple(
        MarginLine(
            leg.contract,
            leg.side.sign * leg.quantity,
            facts.price_of(leg.contract, leg.reference_price) or leg.reference_price,
            product,
        )
        for leg in legs
    )


def _own(facts: CycleFacts, universe: Universe, held: FloatArray) -> FloatArray:
    """Return the units of our wings; what the broker no longer shows cannot be taken out of the book again."""
    shown = {position.contract for position in facts.positions or () if position.product is facts.session.product}
    own = held * 0
    for wing in facts.held:
        if wing.contract in shown:
            row = universe.row(wing.contract, facts.session.product)
            own[row] = min(float(wing.quantity), max(0.0, float(held[row])))
    return own


def _risk(pools: Mapping[Pool, PoolMargin]) -> BookRisk:
    return BookRisk(
        scan=rupees(sum(pool.scan for pool in pools.values())), total=rupees(sum(pool.total for pool in pools.values()))
    )


def _tiers(facts: CycleFacts, pools: Sequence[Mapping[Pool, PoolMargin]]) -> Iterable[TierLosses]:
    without, held, *after = pools
    for (index, product), pool in held.items():
        for expiring in pool.tiers:
            name = f"{index} {product} {'expiring' if expiring else 'later'}"
            columns = [shape[index, product].tiers[expiring] for shape in (without, held, *after)]
            yield TierLosses(
                name,
                tuple(
                    ScenarioLoss(
                        label=scenario_label(number),
                        level=_level(facts, index, MOVES[number]),
                        without=rupees(columns[0][number]),
                        held=rupees(columns[1][number]),
                        after=rupees(columns[2][number]) if after else None,
                    )
                    for number in range(SCENARIOS)
                ),
            )


def _level(facts: CycleFacts, index: Index, move: float) -> Decimal:
    return rupees(float(facts.market.spots[index]) * (1 + move * facts.parameters.price_scan_fraction))
