"""Timeline: both figures of every coming entry and exit of the day, with the hedges held, without them, and their floor.

Everything is seen from now: strikes, prices and the index as they are, the engine's differences on top of the broker's
present number, no safety buffer (but in what `lots_needed` keeps). On expiry day nothing else matters to SPAN, since its
look-ahead leaves intrinsic value. The near projection (`projection.project`) adds the broker's own answers and the buffer,
and knows no exits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import numpy as np

from hedging.domain.engine_figures import EngineFigures, figures_along, units_along
from hedging.domain.entries import ComingEntry, OrderMoment, PlannedExit, order_moments
from hedging.domain.floor import NearestWings
from hedging.domain.instruments import Contract, ContractSpec, Product, Right
from hedging.domain.margin import MarginLine, MarginMarket, MarginParameters, Universe, rupees
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.policy import HedgePolicy
from hedging.domain.pricing import FloatArray

HUNDRED = Decimal(100)


class MomentKind(StrEnum):
    """What happens at a moment of the day."""

    NOW = "now"
    ENTRY = "entry"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class DayFigures:
    """Design §5's two figures: rupees used afterwards and its percent of budget; rupees asked on top of now's margin.

    `None` is unknown, never 0; an exit asks for nothing at its order, so its `at_order` is `None` as well.
    """

    used_after: Decimal | None
    utilization_pct: Decimal | None
    at_order: Decimal | None


@dataclass(frozen=True, slots=True)
class DayMoment:
    """One moment: `held` with the hedges of now, `bare` without them, `floor` the least that hedging could reach.

    `beyond_saving`: an entry whose floor is over 100 % of budget or over free margin. It is expected to be refused: the
    floors after it are without it, while `held` and `bare` count every entry.
    """

    kind: MomentKind
    portfolio: str
    at: datetime
    held: DayFigures
    bare: DayFigures
    floor: DayFigures
    beyond_saving: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """The rest of the day in order of time; the first moment is now."""

    moments: tuple[DayMoment, ...]

    @property
    def beyond_saving(self) -> tuple[DayMoment, ...]:
        """Return the entries that no hedge can save."""
        return tuple(moment for moment in self.moments if moment.beyond_saving)


@dataclass(frozen=True, slots=True)
class DayInputs:
    """What a day is drawn from. `book` holds every line of the account, our `wings` (units) included.

    `coming`: every entry still to come today, priced now; its `exit_at` is drawn too. `exits`: portfolios that are in the
    book already. `asks`: strikes that may be bought, rupees a unit. `used_offset` and `order_offset` are rupees that the
    broker is known to count on top of our engine.
    """

    book: tuple[MarginLine, ...]
    coming: tuple[ComingEntry, ...]
    exits: tuple[PlannedExit, ...]
    wings: Mapping[Contract, int]
    asks: Mapping[Contract, Decimal]
    spec: ContractSpec
    expiry: date
    product: Product
    market: MarginMarket
    parameters: MarginParameters
    profile: MarginProfile
    policy: HedgePolicy
    budget: Decimal
    used_now: Decimal | None
    free_margin: Decimal | None
    used_offset: Decimal = Decimal(0)
    order_offset: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Step:
    """The name of one entry or exit of the day."""

    kind: MomentKind
    portfolio: str
    at: datetime


@dataclass(slots=True)
class _Day:
    """The inputs turned into arrays once; every question is then rows of units and one call of the engine."""

    inputs: DayInputs
    universe: Universe
    columns: dict[tuple[Contract, Product], int]
    book: FloatArray
    margin_now: float
    own: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.own = np.zeros(len(self.book))
        for contract, units in self.inputs.wings.items():
            column = self.columns.get((contract, self.inputs.product))
            if column is not None:
                # What the broker no longer shows cannot be taken out of the book again.
                self.own[column] = min(float(units), max(0.0, float(self.book[column])))


def draw_day(inputs: DayInputs) -> Timeline:
    """Return the figures of now and of every coming entry and exit, by time; entries before exits of the same second.

    "Without the hedges" takes our wings out of the book and recovers nothing for them; the floor covers every bare short
    by the nearest permitted wing (`floor.NearestWings`) and pays nothing for it, so it may be too low, never too high.
    Raises `ValueError` for a budget that is not positive, `MarketUnknown` where an index has no spot.
    """
    if inputs.budget <= 0:
        raise ValueError(f"The budget must be positive, got {inputs.budget}.")
    day = _day(inputs)
    covers = NearestWings(
        columns=day.columns,
        asks=inputs.asks,
        spec=inputs.spec,
        expiry=inputs.expiry,
        product=inputs.product,
        market=inputs.market,
        parameters=inputs.parameters,
        policy=inputs.policy,
    )
    moments = _moments(inputs)
    held_units = units_along(day.universe, day.book, moments)
    present = (day.book - day.own)[None, :]
    covered_now = present + covers.covering(present, [inputs.market.now])
    margins = day.universe.totals(np.vstack([held_units, held_units - day.own, present, covered_now]))
    count = len(moments)
    held = figures_along(moments, margins[:count], margin_now=day.margin_now, profile=inputs.profile)
    bare = figures_along(moments, margins[count:-2], margin_now=day.margin_now, profile=inputs.profile)
    steps = _steps(moments)
    floors, lost = _floors(day, covers, moments, dict(zip(steps, held, strict=True)))
    found = [_now(day, bare_margin=float(margins[-2]), covered_margin=float(margins[-1]))]
    for step, with_them, without in zip(steps, held, bare, strict=True):
        found.append(
            DayMoment(
                kind=step.kind,
                portfolio=step.portfolio,
                at=step.at,
                held=_figures(inputs, step, with_them),
                bare=_figures(inputs, step, without),
                floor=_figures(inputs, step, floors[step]),
                beyond_saving=step in lost,
            )
        )
    return Timeline(tuple(found))


def lots_needed(inputs: DayInputs) -> dict[Right, int]:
    """Return the lots of our wings on each side without which some coming moment would pass the trigger or free margin.

    Of the wings held the nearest to the money count first, as many on both sides, fewest first. Where even all of them
    do not bring a moment under both limits, all are needed: whatever is sold would have to be bought again. An exit
    between now and an entry counts as done; one that does not happen costs a second purchase, not a breach, because
    each entry is projected again before it comes, with the safety buffer on top: so both limits keep it free here too, else
    what is sold now would be bought back then. Unknown used or free margin needs all. Raises like `draw_day`.
    """
    day = _day(inputs)
    lot = inputs.spec.lot
    spot = inputs.market.spots[inputs.spec.index]
    sides = {
        right: sorted(
            (
                (abs(contract.strike - spot), int(day.own[column]) // lot, column)
                for (contract, product), column in day.columns.items()
                if contract.right is right and product is inputs.product and day.own[column] >= lot
            ),
        )
        for right in Right
    }
    totals = {right: sum(lots for _, lots, _ in wings) for right, wings in sides.items()}
    moments = _moments(inputs)
    if inputs.used_now is None or inputs.free_margin is None or not moments:
        return totals if moments else dict.fromkeys(Right, 0)
    units = units_along(day.universe, day.book, moments) - day.own
    buffer = inputs.profile.buffer(budget=inputs.budget, safety_buffer_pct=inputs.policy.safety_buffer_pct)
    trigger = inputs.budget * inputs.policy.utilization_trigger_pct / HUNDRED
    most = trigger - inputs.used_now - inputs.used_offset - buffer
    most_at_order = inputs.free_margin - inputs.order_offset - buffer
    is_exit = [moment.is_exit for moment in moments if moment.completes_entry]

    def within(lots: int) -> bool:
        kept = np.zeros(len(day.own))
        for wings in sides.values():
            left = lots
            for _, held, column in wings:
                kept[column] = min(left, held) * lot
                left -= min(left, held)
        margins = day.universe.totals(units + kept)
        found = figures_along(moments, margins, margin_now=day.margin_now, profile=inputs.profile)
        return all(
            figures.added_used <= most and (gone or figures.added_at_order <= most_at_order)
            for figures, gone in zip(found, is_exit, strict=True)
        )

    low, high = 0, max(totals.values())
    while low < high:
        middle = (low + high) // 2
        if within(middle):
            high = middle
        else:
            low = middle + 1
    return {right: min(low, totals[right]) for right in Right}


def _day(inputs: DayInputs) -> _Day:
    prices: dict[tuple[Contract, Product], Decimal] = {}
    lines = (*inputs.book, *(line for entry in inputs.coming for line in entry.lines))
    for line in (*lines, *(line for gone in inputs.exits for line in gone.lines)):
        prices.setdefault((line.contract, line.product), line.price)
    for contract, ask in inputs.asks.items():
        prices.setdefault((contract, inputs.product), ask)
    universe = Universe(prices=prices, market=inputs.market, parameters=inputs.parameters)
    book = universe.quantities(inputs.book)
    columns = {key: column for column, key in enumerate(prices)}
    return _Day(inputs, universe, columns, book, universe.total(book))


def _moments(inputs: DayInputs, refused: Set[_Step] = frozenset()) -> tuple[OrderMoment, ...]:
    """Return the moments of the day; what is `refused` never comes, and its exit finds nothing to take along."""
    coming, leaving = [], []
    for entry in inputs.coming:
        comes = _Step(MomentKind.ENTRY, entry.portfolio, entry.at) not in refused
        if comes:
            coming.append(entry)
        if entry.exit_at is not None:
            leaving.append(PlannedExit(entry.portfolio, entry.exit_at, entry.lines if comes else ()))
    return tuple(order_moments(coming, (*inputs.exits, *leaving)))


def _steps(moments: Sequence[OrderMoment]) -> tuple[_Step, ...]:
    return tuple(
        _Step(MomentKind.EXIT if moment.is_exit else MomentKind.ENTRY, moment.portfolio, moment.at)
        for moment in moments
        if moment.completes_entry
    )


def _ends(moments: Sequence[OrderMoment]) -> Iterator[int]:
    """Yield for each moment where its entry or exit ends: wings are bought for all of an entry before its first order."""
    end = len(moments)
    places = []
    for place in reversed(range(len(moments))):
        if moments[place].completes_entry:
            end = place
        places.append(end)
    return reversed(places)


def _floors(
    day: _Day, covers: NearestWings, moments: Sequence[OrderMoment], held: Mapping[_Step, EngineFigures]
) -> tuple[dict[_Step, EngineFigures], set[_Step]]:
    """Return the least figures of each step, and the entries that even these cannot save.

    One entry after the other: what cannot be saved is refused, and leaves its room to those after it.
    """
    inputs = day.inputs
    settled: dict[_Step, EngineFigures] = {}
    lost: set[_Step] = set()
    while True:
        figures = _covered(day, covers, moments)
        refused = None
        for step, covered in zip(_steps(moments), figures, strict=True):
            if step in settled:
                continue
            settled[step] = least = _least(covered, held[step])
            if step.kind is MomentKind.ENTRY and _beyond(inputs, least):
                refused = step
                break
        if refused is None:
            break
        lost.add(refused)
        moments = _moments(inputs, lost)
    return settled, lost


def _covered(day: _Day, covers: NearestWings, moments: Sequence[OrderMoment]) -> tuple[EngineFigures, ...]:
    units = units_along(day.universe, day.book, moments) - day.own
    ends = list(_ends(moments))
    wings = covers.covering(units[ends], [moment.at for moment in moments])
    margins = day.universe.totals(units + wings)
    return figures_along(moments, margins, margin_now=day.margin_now, profile=day.inputs.profile)


def _least(covered: EngineFigures, held: EngineFigures) -> EngineFigures:
    return EngineFigures(
        covered.portfolio,
        min(covered.added_used, held.added_used),
        min(covered.added_at_order, held.added_at_order),
    )


def _beyond(inputs: DayInputs, floor: EngineFigures) -> bool:
    over_budget = (
        inputs.used_now is not None and inputs.used_now + floor.added_used + inputs.used_offset > inputs.budget
    )
    return over_budget or (
        inputs.free_margin is not None and floor.added_at_order + inputs.order_offset > inputs.free_margin
    )


def _now(day: _Day, *, bare_margin: float, covered_margin: float) -> DayMoment:
    inputs = day.inputs
    bare = inputs.profile.scale * rupees(bare_margin - day.margin_now)
    covered = inputs.profile.scale * rupees(covered_margin - day.margin_now)
    return DayMoment(
        kind=MomentKind.NOW,
        portfolio="",
        at=inputs.market.now,
        held=_plain(inputs, Decimal(0)),
        bare=_plain(inputs, bare),
        floor=_plain(inputs, min(Decimal(0), covered)),
    )


def _plain(inputs: DayInputs, added: Decimal) -> DayFigures:
    used = None if inputs.used_now is None else inputs.used_now + added
    return DayFigures(used, None if used is None else used / inputs.budget * HUNDRED, None)


def _figures(inputs: DayInputs, step: _Step, found: EngineFigures) -> DayFigures:
    plain = _plain(inputs, found.added_used + inputs.used_offset)
    at_order = None if step.kind is MomentKind.EXIT else found.added_at_order + inputs.order_offset
    return DayFigures(plain.used_after, plain.utilization_pct, at_order)
