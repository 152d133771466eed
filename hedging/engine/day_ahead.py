"""The day ahead: draw the rest of the day every five minutes, keep it on the card, warn of what no hedge can save."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from hedging.brokers.openalgo.symbols import parse_symbol
from hedging.domain.decision import considers_sales
from hedging.domain.entries import ComingEntry
from hedging.domain.facts import CycleFacts
from hedging.domain.instruments import Product
from hedging.domain.jump import change, units_of
from hedging.domain.margin import MarginLine
from hedging.domain.planned_exits import Standing, planned_exits
from hedging.domain.risk import IST
from hedging.domain.timeline import DayFigures, DayInputs, DayMoment, draw_day, lots_needed
from hedging.engine.gather import Gatherer
from hedging.engine.plan import DayPlan
from hedging.engine.static_hedge import note_ends
from hedging.models import CycleKind, HedgeDecision, JumpKind, MarginJump
from notifications.models import Alert, Severity, queue_alert
from sessions_app.models import TradingSession

EVERY_MINUTES = 5
BEAT_SECONDS = 30  # a margin check in these first seconds of such a minute draws
BEYOND_SAVING = "entry_beyond_saving"


def is_due(*, kind: CycleKind, facts: CycleFacts, plan: DayPlan) -> bool:
    """Return whether this cycle draws the day: a margin check every five minutes within our hours.

    Only while entries or exits of the timetable are still to come. It may cost one more read of the chain, no more.
    """
    if kind is not CycleKind.MARGIN_CHECK or facts.window is None:
        return False
    if all(max(e.entry_at, e.exit_at or e.entry_at) <= facts.now for e in plan.of(facts.session)):
        return False
    on_the_beat = facts.now.minute % EVERY_MINUTES == 0 and facts.now.second < BEAT_SECONDS
    return on_the_beat and facts.window.act_from <= facts.now < facts.window.act_until


def day_card(*, gatherer: Gatherer, session: TradingSession, plan: DayPlan, facts: CycleFacts) -> dict[str, Any]:
    """Return the rest of the day as a decision card keeps it; `unknown` says why nothing could be drawn.

    Nothing of it touches the decision: a chain read only for this one that fails leaves the decision as it is.
    """
    mine = plan.of(session)
    apart = [e.portfolio for e in plan.entries if e not in mine and e.entry_at > facts.seen_at]
    card: dict[str, Any] = {"at": facts.now.isoformat(), "not_of_this_session": apart, "unknown": "", "moments": []}
    try:
        priced, coming = gatherer.rest_of_day(facts)
        if priced.chain is not None:
            note_ends(session=session, plan=plan, chain=priced.chain, now=facts.now)
        inputs, unseen = _inputs(session, plan, priced, coming)
        drawn = draw_day(inputs)
    except ValueError as unknown:
        return card | {"unknown": str(unknown)}
    return card | {
        "spot": str(inputs.market.spots[facts.session.index]),
        "budget": str(inputs.budget),
        "free_margin": _money(inputs.free_margin),
        "trigger_pct": str(facts.policy.utilization_trigger_pct),
        "calibrated": inputs.profile.trusted,
        "kept_to_the_end": list(unseen),
        "moments": [_moment(moment) for moment in drawn.moments],
    }


def with_need(*, gatherer: Gatherer, session: TradingSession, plan: DayPlan, facts: CycleFacts) -> CycleFacts:
    """Return `facts` with the lots of our wings that the rest of the day needs, where a sale is looked at.

    Where the day cannot be drawn they stay unknown, and the sale counts every later entry with no exit between.
    """
    if facts.chain is None or facts.just_due or not considers_sales(facts):
        return facts
    try:
        priced, coming = gatherer.rest_of_day(facts)
        inputs, _ = _inputs(session, plan, priced, coming)
        return replace(facts, needed_later=lots_needed(inputs))
    except ValueError:  # `decide` and the card of the day name what is missing
        return facts


def warn(card: HedgeDecision, *, session: TradingSession, wall_now: datetime) -> None:
    """Queue an alert for each entry of the card's day that no hedge can save: once an entry and session.

    To be called in the card's own transaction. No query where there is nothing to tell.
    """
    day = card.facts.get("day") or {}
    lost = [moment for moment in day.get("moments", ()) if moment["beyond_saving"]]
    if not lost:
        return
    told = set(
        Alert.objects.filter(kind=BEYOND_SAVING, subject_kind="tradingsession", subject_id=session.pk).values_list(
            "facts__portfolio", flat=True
        )
    )
    for moment in lost:
        if moment["portfolio"] in told:
            continue
        at = datetime.fromisoformat(moment["at"])
        floor = moment["floor"]
        queue_alert(
            kind=BEYOND_SAVING,
            severity=Severity.CRITICAL if day["calibrated"] else Severity.WARNING,
            title=f"No hedge can save {moment['portfolio']} at {at.astimezone(IST):%H:%M}",
            happened_at=card.at,
            wall_now=wall_now,
            facts={
                "mode": card.mode,
                "portfolio": moment["portfolio"],
                "entry_at": moment["at"],
                "without_hedges_pct": moment["bare"]["used_after_pct"],
                "floor_pct": floor["used_after_pct"],
                "floor_at_order_rupees": floor["at_order"],
                "free_margin": day["free_margin"],
                "budget": day["budget"],
                "engine_calibrated": day["calibrated"],
            },
            subject_kind="tradingsession",
            subject_id=session.pk,
            account_id=session.account_id,
        )


def _inputs(
    session: TradingSession, plan: DayPlan, facts: CycleFacts, coming: tuple[ComingEntry, ...]
) -> tuple[DayInputs, tuple[str, ...]]:
    if facts.chain is None or facts.positions is None:
        raise ValueError(facts.unknown or "prices or positions could not be read")
    book = facts.book()
    exits, unseen = planned_exits(book, _standing(session, plan, facts), now=facts.now)
    inputs = DayInputs(
        book=book,
        coming=coming,
        exits=exits,
        wings={wing.contract: wing.quantity for wing in facts.held},
        asks={
            contract: quote.ask
            for contract, quote in facts.chain.quotes.items()
            if quote.ask is not None and not quote.crossed and contract not in facts.session.quarantine
        },
        spec=facts.spec,
        expiry=facts.session.expiry,
        product=facts.session.product,
        market=facts.market,
        parameters=facts.parameters,
        profile=facts.profile,
        policy=facts.policy,
        budget=facts.session.budget,
        used_now=facts.used,
        free_margin=facts.free_margin,
        used_offset=facts.used_correction,
        order_offset=facts.used_correction,
    )
    return inputs, unseen


def _standing(session: TradingSession, plan: DayPlan, facts: CycleFacts) -> list[Standing]:
    """Return the entries of today that are in the book, with the legs that were seen to come with each. One query."""
    entered = [e for e in plan.of(session) if e.entry_at <= facts.seen_at]
    if not any(e.exit_at is not None and e.exit_at > facts.now for e in entered):
        return []
    # A measured jump is one in which the book changed by the entry's own legs and nothing else.
    jumps = MarginJump.objects.filter(session=session, kind=JumpKind.ENTRY).exclude(after=None)
    seen = {subject: _legs(book) for subject, book in jumps.values_list("subject", "book")}
    return [Standing(e.portfolio, e.exit_at, seen.get(e.portfolio)) for e in entered]


def _legs(book: dict[str, Any]) -> dict[Any, int]:
    before, after = (
        units_of(
            MarginLine(parse_symbol(symbol), quantity, Decimal(0), Product(product))
            for symbol, product, quantity, _ in book[name]
        )
        for name in ("before", "after")
    )
    return change(before, after)


def _moment(moment: DayMoment) -> dict[str, Any]:
    return {
        "kind": moment.kind.value,
        "portfolio": moment.portfolio,
        "at": moment.at.isoformat(),
        "held": _figures(moment.held),
        "bare": _figures(moment.bare),
        "floor": _figures(moment.floor),
        "beyond_saving": moment.beyond_saving,
    }


def _figures(figures: DayFigures) -> dict[str, str | None]:
    return {
        "used_after": _money(figures.used_after),
        "used_after_pct": _money(figures.utilization_pct),
        "at_order": _money(figures.at_order),
    }


def _money(value: Decimal | None) -> str | None:
    return None if value is None else str(value.quantize(Decimal("0.01")))
