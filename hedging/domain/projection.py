"""Projection: what margin each coming entry will need, from every source there is, and whether that is too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from hedging.domain.engine_figures import EngineFigures, figures_along, units_along
from hedging.domain.entries import ComingEntry, in_time_order, order_moments
from hedging.domain.exposure import Cover, cover_of, exposures
from hedging.domain.history import LAST_SAMPLES, LEAST_SAMPLES, PastJump, experience
from hedging.domain.instruments import Index
from hedging.domain.margin import MarginLine, MarginMarket, MarginParameters, MarketUnknown, Universe, rupees
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.plausible import LEAST_SHARE
from hedging.domain.policy import HedgePolicy

HUNDRED = Decimal(100)
MAX_BROKER_AGE_SECONDS = 10
AGREED_PCT = Decimal(1)
"""Broker and engine agree when they lie within this share of the budget; an engine this right needs no second opinion."""


class Source(StrEnum):
    """Where a figure comes from."""

    BROKER = "broker"
    ENGINE = "engine"
    HISTORY = "history"
    CONSTANTS = "constants"


@dataclass(frozen=True, slots=True)
class BrokerIncrement:
    """The broker's basket answer for a coming entry, made comparable by the caller: rupees *added to the present book*.

    Cumulative: it covers this entry and every coming one before it. `at_order` is gross of the entry's own premium credit;
    `None` where the broker says only what is used afterwards. `age_seconds` is wall time since the answer.
    """

    used_after: Decimal
    at_order: Decimal | None
    age_seconds: float


@dataclass(frozen=True, slots=True)
class BasketConstant:
    """Rupees of margin for each basket of an index and days to expiry, without and with wings."""

    unhedged: Decimal
    hedged: Decimal


SEED_CONSTANTS: Mapping[tuple[Index, int], BasketConstant] = {
    (Index.SENSEX, 0): BasketConstant(Decimal("366666.67"), Decimal("160000.00")),
    (Index.NIFTY, 0): BasketConstant(Decimal("433333.33"), Decimal("186666.67")),
    (Index.NIFTY, 1): BasketConstant(Decimal(320000), Decimal(140000)),
    (Index.NIFTY, 2): BasketConstant(Decimal(320000), Decimal(140000)),
}
"""The seed system's numbers: a last resort, used only when nothing better is known."""


@dataclass(frozen=True, slots=True)
class SourceFigure:
    """One source's view of an entry: rupees used once it is in, and rupees added to now's margin at its worst order."""

    source: Source
    used_after: Decimal | None
    at_order: Decimal | None
    plausible: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class EntryProjection:
    """The two figures of one coming entry, everything before it included, buffer included.

    `used_after` is compared with the budget, `at_order` (an addition to the present margin) with free margin now.
    `used_offset` and `order_offset` are decided figure minus our engine's, in rupees: the optimizer's anchor.
    `spread_pct`: how far plausible sources lie apart, in percent of budget. `added` and `added_at_order` are what the entry
    takes by itself, without buffer: the forecast that its real jump is held against. `None` is unknown, never 0.
    """

    entry: ComingEntry
    used_after: Decimal | None
    utilization_after_pct: Decimal | None
    at_order: Decimal | None
    decided_by: tuple[Source, ...]
    sources: tuple[SourceFigure, ...]
    spread_pct: Decimal | None
    used_offset: Decimal
    order_offset: Decimal
    added: Decimal | None
    added_at_order: Decimal | None
    over_trigger: bool | None
    over_free_margin: bool | None


@dataclass(frozen=True, slots=True)
class Projection:
    """The coming entries in time order. `need` is `None` when it cannot be known, and `reason` then says why.

    `book_margin` is what our engine says that the present book takes (rupees, no premium), `None` where it cannot say.
    """

    used_now: Decimal | None
    utilization_now_pct: Decimal | None
    free_margin: Decimal | None
    entries: tuple[EntryProjection, ...]
    need: bool | None
    reason: str = ""
    book_margin: Decimal | None = None

    @property
    def worst(self) -> EntryProjection | None:
        """Return the entry with the highest utilization after it, or `None` without entries or knowledge."""
        known = [entry for entry in self.entries if entry.used_after is not None]
        return max(known, key=lambda entry: entry.used_after or Decimal(0), default=None)

    @property
    def used_offset(self) -> Decimal:
        """Return the largest used offset of the entries: what to add to the engine's figure to be on the safe side."""
        return max((entry.used_offset for entry in self.entries), default=Decimal(0))

    @property
    def order_offset(self) -> Decimal:
        """Return the largest at-order offset of the entries."""
        return max((entry.order_offset for entry in self.entries), default=Decimal(0))


@dataclass(frozen=True, slots=True)
class ProjectionInputs:
    """What a projection is made from. `book` holds every line of the account, `used_now` the session's used margin.

    `broker` and keys of entries go by `ComingEntry.portfolio`. `budget`, `used_now`, `free_margin` in rupees. `past` are
    the measured jumps of this account and mode, newest first.
    """

    book: Sequence[MarginLine]
    coming: Sequence[ComingEntry]
    market: MarginMarket
    parameters: MarginParameters
    profile: MarginProfile
    policy: HedgePolicy
    budget: Decimal
    used_now: Decimal | None
    free_margin: Decimal | None
    broker: Mapping[str, BrokerIncrement] = field(default_factory=dict)
    constants: Mapping[tuple[Index, int], BasketConstant] = field(default_factory=lambda: SEED_CONSTANTS)
    past: Sequence[PastJump] = ()


def project(inputs: ProjectionInputs) -> Projection:
    """Return both figures of each coming entry, cumulative in time order, decided by the worst plausible source.

    Plausible are the broker's answer up to 10 seconds old, an engine calibrated to under 5 %, and, unless these two agree
    or the engine is known to be right within 1 %, a history of at least three entries like it. Where none is there, the worse of an uncalibrated engine and a shorter history decides, and the
    constants where there is neither. The buffer comes on top.
    Raises `ValueError` for a budget that is not positive.
    """
    if inputs.budget <= 0:
        raise ValueError(f"The budget must be positive, got {inputs.budget}.")
    engine, book_margin, engine_note = _engine_figures(inputs)
    made: list[EntryProjection] = []
    for position, entry in enumerate(in_time_order(inputs.coming)):
        before = made[-1] if made else None
        figures = engine.get(position)
        made.append(_project_entry(inputs, position, entry, figures, engine_note=engine_note, before=before))
    entries = tuple(made)
    used_now, free_margin = inputs.used_now, inputs.free_margin
    utilization = None if used_now is None else used_now / inputs.budget * HUNDRED
    need, reason = _need(inputs, entries, utilization)
    return Projection(used_now, utilization, free_margin, entries, need, reason, book_margin)


def _need(
    inputs: ProjectionInputs, entries: Sequence[EntryProjection], utilization: Decimal | None
) -> tuple[bool | None, str]:
    if utilization is None:
        return None, "The used margin is unknown: no baseline, or no fresh funds."
    if inputs.free_margin is None:
        return None, "The broker's free margin is unknown."
    unknown = [e.entry.portfolio for e in entries if e.over_trigger is None or e.over_free_margin is None]
    if unknown:
        return None, f"No source knows the margin of {', '.join(unknown)}."
    if utilization > inputs.policy.utilization_trigger_pct:
        return True, "The present book is over the trigger."
    over = [e.entry.portfolio for e in entries if e.over_trigger]
    if over:
        return True, f"Over the trigger after {', '.join(over)}."
    short = [e.entry.portfolio for e in entries if e.over_free_margin]
    if short:
        return True, f"Free margin would not cover the order of {', '.join(short)}."
    return False, "Every coming entry stays under the trigger and within free margin."


def _engine_figures(inputs: ProjectionInputs) -> tuple[dict[int, EngineFigures], Decimal | None, str]:
    moments = tuple(order_moments(inputs.coming))
    try:
        universe = Universe.of(
            (*inputs.book, *(line for moment in moments[-1:] for line in moment.added)),
            market=inputs.market,
            parameters=inputs.parameters,
        )
    except MarketUnknown as error:
        return {}, None, str(error)
    now = universe.quantities(inputs.book)
    margins = universe.totals(units_along(universe, now, moments))
    margin_now = universe.total(now)
    found = figures_along(moments, margins, margin_now=margin_now, profile=inputs.profile)
    return dict(enumerate(found)), inputs.profile.scale * rupees(margin_now), ""


def _project_entry(
    inputs: ProjectionInputs,
    position: int,
    entry: ComingEntry,
    engine: EngineFigures | None,
    *,
    engine_note: str,
    before: EntryProjection | None,
) -> EntryProjection:
    sources = (
        _broker_figure(inputs, entry, engine),
        _engine_figure(inputs, engine, engine_note),
        _history_figure(inputs, position, engine),
        _constants_figure(inputs, position),
    )
    deciding = _deciding(inputs, sources)
    buffer = inputs.profile.buffer(budget=inputs.budget, safety_buffer_pct=inputs.policy.safety_buffer_pct)
    used = [figure.used_after for figure in deciding if figure.used_after is not None]
    order = [figure.at_order for figure in deciding if figure.at_order is not None]
    used_after = max(used) + buffer if used else None
    at_order = max(order) + buffer if order else None
    percent = None if used_after is None else used_after / inputs.budget * HUNDRED
    engine_used = sources[1].used_after
    level = inputs.used_now if before is None else _less(before.used_after, buffer)
    earlier = Decimal(0) if before is None else _less(level, inputs.used_now)
    return EntryProjection(
        entry=entry,
        used_after=used_after,
        utilization_after_pct=percent,
        at_order=at_order,
        decided_by=tuple(figure.source for figure in deciding),
        sources=sources,
        spread_pct=(max(used) - min(used)) / inputs.budget * HUNDRED if used else None,
        used_offset=buffer if used_after is None or engine_used is None else used_after - engine_used,
        order_offset=buffer if at_order is None or engine is None else at_order - engine.added_at_order,
        added=_less(_less(used_after, buffer), level),
        added_at_order=_less(_less(at_order, buffer), earlier),
        over_trigger=None if percent is None else percent > inputs.policy.utilization_trigger_pct,
        over_free_margin=None if at_order is None or inputs.free_margin is None else at_order > inputs.free_margin,
    )


def _deciding(inputs: ProjectionInputs, sources: Sequence[SourceFigure]) -> tuple[SourceFigure, ...]:
    known = [figure for figure in sources if figure.at_order is not None]
    plausible = tuple(figure for figure in known if figure.plausible)
    if plausible:
        # History knows neither today's strikes nor its wings: it is no witness against those who do and are right.
        computed = tuple(figure for figure in plausible if figure.source in {Source.BROKER, Source.ENGINE})
        return computed if _agreed(inputs, computed) else plausible
    # Better the worse of an uncalibrated engine and a short history, with a doubled buffer, than figures that know
    # neither spot nor strikes nor this account.
    informed = tuple(figure for figure in known if figure.source is not Source.CONSTANTS)
    return informed or tuple(known)


def _agreed(inputs: ProjectionInputs, computed: Sequence[SourceFigure]) -> bool:
    """Return whether broker and calibrated engine say the same, or the engine alone is known to be as right as that."""
    if not any(figure.source is Source.ENGINE for figure in computed):
        return False
    if len(computed) == 1:
        return inputs.profile.error_pct is not None and inputs.profile.error_pct <= AGREED_PCT
    used = [figure.used_after or Decimal(0) for figure in computed]
    return max(used) - min(used) <= inputs.budget * AGREED_PCT / HUNDRED


def _broker_figure(inputs: ProjectionInputs, entry: ComingEntry, engine: EngineFigures | None) -> SourceFigure:
    answer = inputs.broker.get(entry.portfolio)
    if answer is None:
        return SourceFigure(Source.BROKER, None, None, plausible=False, note="no basket answer")
    if answer.age_seconds > MAX_BROKER_AGE_SECONDS:
        note = f"basket answer is {answer.age_seconds:.0f} s old"
        return SourceFigure(Source.BROKER, None, None, plausible=False, note=note)
    at_order = answer.at_order
    note = ""
    if at_order is None:
        at_order, note = answer.used_after, "at order taken from used afterwards"
        if engine is not None:
            at_order += max(Decimal(0), engine.added_at_order - engine.added_used)
    # Some adapters drop a leg that they do not know, without a word: what is left is no answer to the question.
    believed = engine is None or engine.added_used <= 0 or answer.used_after >= engine.added_used * LEAST_SHARE
    if not believed:
        note = "basket answer is less than half of what our engine says: not believed"
    used_after = _plus(inputs.used_now, answer.used_after)
    return SourceFigure(Source.BROKER, used_after, at_order, plausible=believed, note=note)


def _engine_figure(inputs: ProjectionInputs, engine: EngineFigures | None, note: str) -> SourceFigure:
    if engine is None:
        return SourceFigure(Source.ENGINE, None, None, plausible=False, note=note)
    error = inputs.profile.error_pct
    return SourceFigure(
        Source.ENGINE,
        _plus(inputs.used_now, engine.added_used),
        engine.added_at_order,
        plausible=inputs.profile.trusted,
        note="not calibrated" if error is None else f"calibrated to {error} %",
    )


def _history_figure(inputs: ProjectionInputs, position: int, engine: EngineFigures | None) -> SourceFigure:
    entries = in_time_order(inputs.coming)[: position + 1]
    added, fewest = Decimal(0), LAST_SAMPLES
    for entry in entries:
        known = experience(inputs.past, entry, cover=_cover(inputs, entry, entries))
        if known is None:
            note = f"nothing like {entry.portfolio} was measured yet"
            return SourceFigure(Source.HISTORY, None, None, plausible=False, note=note)
        added += known.per_basket * entry.baskets
        fewest = min(fewest, known.samples)
    # Jumps tell what is used afterwards; what the order itself needs beyond that, the engine knows.
    beyond = Decimal(0) if engine is None else max(Decimal(0), engine.added_at_order - engine.added_used)
    return SourceFigure(
        Source.HISTORY,
        _plus(inputs.used_now, added),
        added + beyond,
        plausible=fewest >= LEAST_SAMPLES,
        note=f"median of the last {fewest}" if fewest > 1 else "the last one",
    )


def _constants_figure(inputs: ProjectionInputs, position: int) -> SourceFigure:
    entries = in_time_order(inputs.coming)[: position + 1]
    added = Decimal(0)
    for entry in entries:
        constant = inputs.constants.get((entry.index, entry.dte))
        if constant is None:
            note = f"no fallback number for {entry.index} {entry.dte}DTE"
            return SourceFigure(Source.CONSTANTS, None, None, plausible=False, note=note)
        added += entry.baskets * (
            constant.unhedged if _cover(inputs, entry, entries) is Cover.BARE else constant.hedged
        )
    return SourceFigure(
        Source.CONSTANTS, _plus(inputs.used_now, added), added, plausible=False, note="fallback numbers for a basket"
    )


def _cover(inputs: ProjectionInputs, entry: ComingEntry, so_far: Sequence[ComingEntry]) -> Cover:
    after = exposures(inputs.book, *(earlier.lines for earlier in so_far))
    return cover_of(after, index=entry.index, expiry=entry.expiry, product=entry.product)


def _less(figure: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if figure is None or other is None else figure - other


def _plus(used_now: Decimal | None, added: Decimal) -> Decimal | None:
    return None if used_now is None else used_now + added
