"""Jumps: keep what was foretold of an entry or a hedge, measure what it really took, and tell when the two disagree.

Rows, not memory: a coming entry's row is renewed by every projection until it is due, and measured by whichever cycle
first sees its legs settled. Nothing is read for it that a cycle does not read anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max

from hedging.brokers.openalgo.symbols import format_symbol, parse_symbol
from hedging.domain.decision import Decision, Hold
from hedging.domain.exposure import Cover, cover_of, exposures
from hedging.domain.facts import SETTLES_WITHIN, CycleFacts
from hedging.domain.instruments import Index, Product, Side
from hedging.domain.jump import (
    GIVE_UP_AFTER,
    Seen,
    Units,
    change,
    change_of_used,
    seen_of_entry,
    seen_of_hedge,
    units_of,
)
from hedging.domain.margin import MarginLine, MarginMarket, MarketUnknown
from hedging.engine import alerts
from hedging.engine.plan import DayPlan
from hedging.engine.static_hedge import wings_of
from hedging.engine.written import insert
from hedging.models import Action, HedgeDecision, HedgeTransaction, JumpKind, MarginJump
from sessions_app.models import TradingSession

PAISA = Decimal("0.01")

BookRow = list[Any]  # [symbol, product, signed units, price or None] as the row's JSON holds it


# --- before ------------------------------------------------------------------------------------------------------------


def foretell(*, session: TradingSession, facts: CycleFacts, card: Mapping[str, Any]) -> None:
    """Keep this cycle's projection of every coming entry as its forecast, in place of the one before. One statement.

    Nothing is kept while used margin or the book is unknown: the reading before stays.
    """
    if facts.used is None or facts.positions is None or not facts.coming:
        return
    told = {row["portfolio"]: row for row in card.get("projection", ())}
    rows = []
    for entry in facts.coming:
        projected = told.get(entry.portfolio, {})
        legs = [
            [format_symbol(leg.contract), entry.product.value, leg.side.sign * leg.quantity, str(leg.price)]
            for leg in entry.legs
        ]
        rows.append(
            MarginJump(
                session=session,
                mode=session.mode,
                kind=JumpKind.ENTRY,
                subject=entry.portfolio,
                at=entry.at,
                forecast=_money(projected.get("forecast")),
                forecast_at_order=_money(projected.get("forecast_at_order")),
                forecast_source=projected.get("source", ""),
                before=facts.used,
                baskets=entry.baskets,
                index=entry.index.value,
                dte=entry.dte,
                book=_book(facts, legs=legs) | {"static": wings_of(entry, facts=facts)},
            )
        )
    renewed = [field.attname for field in MarginJump._meta.concrete_fields if field.attname not in _NAMING]
    MarginJump.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["session", "kind", "subject"], update_fields=renewed
    )


_MOVED_BEFORE = "not measured: other positions had changed just before, and funds may have been behind them"

_NAMING = {"id", "session_id", "kind", "subject"}


def expect_release(*, card: HedgeDecision, decision: Decision, facts: CycleFacts, session: TradingSession) -> None:
    """Keep what a hedge action is to do to used margin of the book before it; nothing for a hold. One statement.

    After the orders are on their way: it is for looking back only, and they are short of time. Where a process ends in between
    nothing was foretold of that action.
    """
    if isinstance(decision, Hold) or card.action == Action.HOLD:  # its claim may have been denied
        return
    if not decision.legs or facts.used is None or facts.positions is None:
        return
    product = facts.session.product
    legs = tuple(
        MarginLine(leg.contract, leg.side.sign * leg.quantity, leg.reference_price, product) for leg in decision.legs
    )
    forecast, note = _engine_change(facts, legs)
    jump = MarginJump(
        session=session,
        mode=session.mode,
        kind=JumpKind.HEDGE,
        subject=str(card.pk),
        at=facts.now,
        forecast=forecast,
        forecast_source=note,
        before=facts.used,
        baskets=session.baskets,
        index=session.index,
        dte=session.dte,
        book=_book(facts, legs=[_row(line) for line in legs]),
    )
    insert([jump])


def _engine_change(facts: CycleFacts, legs: tuple[MarginLine, ...]) -> tuple[Decimal | None, str]:
    try:
        moved = change_of_used(
            book=facts.book(), legs=legs, market=facts.market, parameters=facts.parameters, profile=facts.profile
        )
    except (MarketUnknown, ValueError):  # a sale by hand needs no chain
        return None, ""
    return moved.quantize(PAISA), "engine"


def _book(facts: CycleFacts, *, legs: list[BookRow]) -> dict[str, Any]:
    chain = facts.chain
    close = None if chain is None else chain.previous_close
    return {
        "spot": None if chain is None else str(chain.spot),
        "previous_close": None if close is None else str(close),
        "at": facts.now.isoformat(),
        "settling": bool(facts.settling_seconds),
        "before": _lines(facts),
        "legs": legs,
    }


def _lines(facts: CycleFacts) -> list[BookRow]:
    rows = []
    for position in facts.positions or ():
        price = facts.price_of(position.contract, position.last)
        symbol, product = format_symbol(position.contract), position.product.value
        rows.append([symbol, product, position.quantity, None if price is None else str(price)])
    return sorted(rows, key=lambda row: (row[0], row[1]))


def _row(line: MarginLine) -> BookRow:
    return [format_symbol(line.contract), line.product.value, line.quantity, str(line.price)]


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


# --- after -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Action:
    """What became of a hedge action: units filled by our own trades, rupees a unit, the last fill, what is still live."""

    filled: Units
    lines: tuple[MarginLine, ...]
    wanted: Units
    last_fill: datetime | None
    live: bool


@dataclass(frozen=True, slots=True)
class _Reading:
    """This cycle's view of the book: net units (`None` is unknown), and whether it can be believed to be at rest."""

    session: TradingSession
    facts: CycleFacts
    held: Units | None
    wall_now: datetime

    @property
    def at_rest(self) -> bool:
        return self.held is not None and self.facts.used is not None and not self.facts.in_flight

    def moved(self, jump: MarginJump) -> Units:
        return change(_units(jump.book["before"]), self.held or {})

    def why_not(self, seen: Seen | None) -> str:
        if seen is not None:
            return f"not measured: {_WHY_NOT[seen]}"
        if self.facts.in_flight:
            return "not measured: an order of ours was in flight meanwhile"
        return "not measured: funds or positions could not be read in time"


def measure(
    *, session: TradingSession, facts: CycleFacts, due: Sequence[int], plan: DayPlan, wall_now: datetime
) -> None:
    """Measure the jumps `due` by this cycle's readings, or note why one cannot be told. One query, two with hedges.

    A jump is believed only where the book changed by its own legs and nothing else between the two readings.
    """
    if not due:
        return
    held = None if facts.positions is None else units_of(facts.positions)
    reading = _Reading(session, facts, held, wall_now)
    jumps = list(MarginJump.objects.filter(pk__in=due).order_by("at", "id"))
    actions = _actions([jump for jump in jumps if jump.kind == JumpKind.HEDGE])
    for jump in jumps:
        if jump.kind == JumpKind.ENTRY:
            _measure_entry(jump, reading, beside=_due_beside(jump, facts, plan))
        else:
            _measure_hedge(jump, reading, actions.get(jump.subject))


def _measure_entry(jump: MarginJump, reading: _Reading, *, beside: list[str]) -> None:
    if beside:
        _give_up(jump, f"due together with {', '.join(beside)}: what each took cannot be told apart")
        return
    waited = reading.facts.now - jump.at
    if waited < SETTLES_WITHIN:
        return
    seen = seen_of_entry(reading.moved(jump), _units(jump.book["legs"])) if reading.at_rest else None
    if seen is Seen.ALL:
        if _had_just_moved(jump):
            _give_up(jump, _MOVED_BEFORE)
            return
        with transaction.atomic():
            if _settle(jump, reading, at=jump.at):
                alerts.about_forecast(jump, session=reading.session, wall_now=reading.wall_now)
    elif waited > GIVE_UP_AFTER:
        _give_up(jump, reading.why_not(seen))


def _had_just_moved(jump: MarginJump) -> bool:
    """Return whether the book changed shortly before the reading before: positions show a fill, and funds not yet. One query.

    A fill of ours is known by itself; what others did is seen on the cards of these seconds.
    """
    if jump.book.get("settling"):
        return True
    read_at = datetime.fromisoformat(jump.book["at"])
    cards = HedgeDecision.objects.filter(session_id=jump.session_id, at__range=(read_at - SETTLES_WITHIN, read_at))
    shorts = [shorts for shorts in cards.values_list("facts__shorts", flat=True) if shorts is not None]
    return any(other != shorts[0] for other in shorts)


def _due_beside(jump: MarginJump, facts: CycleFacts, plan: DayPlan) -> list[str]:
    """Return the other entries of the index that fell due between this jump's two readings."""
    read_at = datetime.fromisoformat(jump.book["at"])
    return [
        entry.portfolio
        for entry in plan.entries
        if entry.index == jump.index and entry.portfolio != jump.subject and read_at < entry.entry_at <= facts.seen_at
    ]


def _measure_hedge(jump: MarginJump, reading: _Reading, action: _Action | None) -> None:
    if action is not None and action.live:
        return
    if action is None or action.last_fill is None:
        _give_up(jump, "nothing was filled")
        return
    waited = reading.facts.now - action.last_fill
    if waited < SETTLES_WITHIN:
        return
    seen = seen_of_hedge(reading.moved(jump), action.filled) if reading.at_rest else None
    if seen is Seen.ALL:
        if _had_just_moved(jump):
            _give_up(jump, _MOVED_BEFORE)
            return
        if action.filled != action.wanted:
            jump.forecast, jump.note = _forecast_of_part(jump, reading.facts, action), "partly filled"
        with transaction.atomic():
            if _settle(jump, reading, at=action.last_fill):
                book = reading.facts.positions or ()
                alerts.about_release(
                    jump, session=reading.session, bought=action.lines, book=book, wall_now=reading.wall_now
                )
    elif waited > GIVE_UP_AFTER:
        _give_up(jump, reading.why_not(seen))


def _forecast_of_part(jump: MarginJump, facts: CycleFacts, action: _Action) -> Decimal | None:
    """Return what the engine foretells for the part that filled, on the book and at the spot of the decision."""
    spot, close = _money(jump.book["spot"]), _money(jump.book["previous_close"])
    lines = _margin_lines(jump.book["before"])
    if spot is None or lines is None:
        return None
    index = Index(jump.index)
    market = MarginMarket(
        spots={index: spot},
        now=datetime.fromisoformat(jump.book["at"]),
        previous_closes={} if close is None else {index: close},
    )
    try:
        return change_of_used(
            book=tuple(line for line in lines if line.contract.index is index),
            legs=action.lines,
            market=market,
            parameters=facts.parameters,
            profile=facts.profile,
        ).quantize(PAISA)
    except MarketUnknown:
        return None


def _settle(jump: MarginJump, reading: _Reading, *, at: datetime) -> bool:
    """Store the reading after; return whether this call did. The caller's alert joins the transaction."""
    session, facts = reading.session, reading.facts
    jump.at, jump.after, jump.measured_at = at, facts.used, facts.now
    cover = cover_of(
        exposures(facts.positions or ()),
        index=facts.session.index,
        expiry=session.expiry,
        product=facts.session.product,
    )
    jump.hedged = cover is not Cover.BARE
    jump.book = jump.book | {"after": _lines(facts), "after_at": facts.now.isoformat()}
    fields = ("at", "after", "measured_at", "hedged", "book", "forecast", "note")
    changed = MarginJump.objects.filter(pk=jump.pk, after=None, note="").update(
        **{name: getattr(jump, name) for name in fields}
    )
    return bool(changed)


def _give_up(jump: MarginJump, note: str) -> None:
    MarginJump.objects.filter(pk=jump.pk, after=None).update(note=note[:200])


def give_up_all(*, session: TradingSession) -> None:
    """Close what the day leaves unmeasured, and say so. One statement."""
    MarginJump.objects.filter(session=session, after=None, note="").update(
        note="the day ended before it could be measured"
    )


_WHY_NOT = {
    Seen.NONE: "its legs never came into the book",
    Seen.PART: "only a part of its legs came into the book, or some of them left it again at once",
    Seen.OTHER: "other positions changed meanwhile, such as a stop or an exit",
}


def _actions(jumps: Iterable[MarginJump]) -> dict[str, _Action]:
    ids = [int(jump.subject) for jump in jumps]
    if not ids:
        return {}
    rows = HedgeTransaction.objects.filter(decision_id__in=ids).annotate(last_fill=Max("orders__fills__at"))
    by_decision: dict[str, list[Any]] = {}
    for row in rows.order_by("id"):
        by_decision.setdefault(str(row.decision_id), []).append(row)
    return {subject: _action(found) for subject, found in by_decision.items()}


def _action(rows: Sequence[Any]) -> _Action:
    filled: dict[Any, int] = {}
    wanted: dict[Any, int] = {}
    lines = []
    for row in rows:
        key, sign = (row.contract, Product(row.product)), Side(row.side).sign
        wanted[key] = wanted.get(key, 0) + sign * row.quantity
        if row.filled_quantity:
            filled[key] = filled.get(key, 0) + sign * row.filled_quantity
            lines.append(MarginLine(key[0], sign * row.filled_quantity, row.average_price or Decimal(0), key[1]))
    fills = [row.last_fill for row in rows if row.last_fill is not None]
    return _Action(filled, tuple(lines), wanted, max(fills, default=None), any(row.is_live for row in rows))


def _units(rows: Iterable[BookRow]) -> Units:
    return units_of(
        MarginLine(parse_symbol(symbol), quantity, Decimal(0), Product(product))
        for symbol, product, quantity, _ in rows
    )


def _margin_lines(rows: Iterable[BookRow]) -> tuple[MarginLine, ...] | None:
    known = list(rows)
    if any(price is None for *_, price in known):
        return None
    return tuple(
        MarginLine(parse_symbol(symbol), quantity, Decimal(price), Product(product))
        for symbol, product, quantity, price in known
    )
