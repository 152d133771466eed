"""Static hedge: keep, of prices that are read anyway, what a bot that always hedges would have paid and got; add it up at the close.

It is told beside what our hedging cost (`hedging/domain/static_hedge.py` says what such a bot does). Nothing of it touches a decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hedging.brokers.base import BrokerError
from hedging.brokers.openalgo.symbols import format_symbol, parse_symbol
from hedging.domain.entries import ComingEntry
from hedging.domain.facts import CycleFacts
from hedging.domain.instruments import Contract, Index, Right, Side
from hedging.domain.snapshot import Chain
from hedging.domain.static_hedge import Fate, Kept, Wing, day_of, paid_for, settled_for, sold_for, wings_for
from hedging.engine.plan import DayPlan, ReferenceMissing, plan_of
from hedging.engine.ports import Ports
from hedging.models import JumpKind, MarginJump
from schedule.entries import ScheduledEntry
from sessions_app.models import TradingSession

KEY = "always_hedge"
"""Under which a closed session's summary holds the day of the static bot."""
PRICED_BEFORE = timedelta(minutes=2)
"""Market time before an entry in which its wings' prices must have been read."""
END_BEFORE, END_AFTER = timedelta(seconds=330), timedelta(minutes=1)
"""Market time around an exit in which a bid counts as that of the exit: the chain is read every five minutes."""


def wings_of(entry: ComingEntry, *, facts: CycleFacts) -> dict[str, Any] | None:
    """Return the wings that a static bot would buy with an entry, as its jump keeps them; `None` where no chain was read.

    `wings` are [symbol, units, ask] and `None` where no strike of a side was in the band.
    """
    if facts.chain is None or facts.chain_is_stale:
        return None
    units: dict[Right, int] = {}
    for leg in entry.legs:
        if leg.side is Side.SELL:
            units[leg.contract.right] = units.get(leg.contract.right, 0) + leg.quantity
    wings = wings_for(units, chain=facts.chain, policy=facts.policy, spec=facts.spec)
    rows = None if wings is None else [[format_symbol(w.contract), w.quantity, str(w.ask)] for w in wings]
    return {"at": facts.now.isoformat(), "wings": rows}


def note_ends(*, session: TradingSession, plan: DayPlan, chain: Chain, now: datetime) -> None:
    """Keep what the static bot's wings would bring now, for entries whose exit is near. No query where none is."""
    near = [
        entry.portfolio
        for entry in plan.of(session)
        if entry.exit_at is not None and entry.exit_at - END_BEFORE <= now <= entry.exit_at + END_AFTER
    ]
    if not near:
        return
    for jump in MarginJump.objects.filter(session=session, kind=JumpKind.ENTRY, subject__in=near).order_by("id"):
        static = jump.book.get("static")
        bids = None if static is None else _bids(static["wings"] or (), chain)
        if bids:
            kept = static | {"end": {"at": now.isoformat(), "bids": bids}}
            MarginJump.objects.filter(pk=jump.pk).update(book=jump.book | {"static": kept})


def static_day(*, session: TradingSession, now: datetime, ports: Ports) -> dict[str, Any] | None:
    """Return the day of the static bot so far, as a summary keeps it; `None` where nothing was due or the plan is not known.

    Reads the index once more where wings settle today. `whole` tells that no entry of the day is unknown.
    """
    try:
        plan = plan_of(session)
    except ReferenceMissing:
        return None
    due = [entry for entry in plan.of(session) if entry.entry_at <= now]
    if not due:
        return None
    books = dict(MarginJump.objects.filter(session=session, kind=JumpKind.ENTRY).values_list("subject", "book"))
    statics = {entry.portfolio: _static_of(entry, books.get(entry.portfolio)) for entry in due}
    settles = any(e.exit_at is None and (statics[e.portfolio] or {}).get("wings") for e in due)
    over = plan.hours is not None and now >= plan.hours.closes and session.expiry == session.trading_day
    spot = _spot(session, ports) if settles and over else None
    day = day_of(_kept(entry, statics[entry.portfolio], plan=plan, spot=spot) for entry in due)
    return {
        "entries": day.entries,
        **{fate.value: count for fate, count in day.fates.items()},
        "paid": str(day.paid.quantize(Decimal("0.01"))),
        "got_back": str(day.got_back.quantize(Decimal("0.01"))),
        "whole": day.whole,
    }


def _bids(wings: Any, chain: Chain) -> dict[str, str | None]:
    """Return each wing's bid, `None` where nobody bids; nothing at all where one of them is not quoted or crossed."""
    found: dict[str, str | None] = {}
    for symbol, _, _ in wings:
        quote = chain.quotes.get(parse_symbol(symbol))
        if quote is None or quote.crossed:
            return {}
        found[symbol] = None if quote.sale_price is None else str(quote.sale_price)
    return found


def _static_of(entry: ScheduledEntry, book: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return what was kept of an entry's wings, `None` where it was read too long before the entry."""
    static: Mapping[str, Any] | None = (book or {}).get("static")
    if static is None or datetime.fromisoformat(static["at"]) < entry.entry_at - PRICED_BEFORE:
        return None
    return static


def _spot(session: TradingSession, ports: Ports) -> Decimal | None:
    """Return the index after the close, where wings settle; `None` when it cannot be read."""
    try:
        return ports.broker.chain(Index(session.index), session.expiry, 1).spot
    except BrokerError:
        return None


def _kept(entry: ScheduledEntry, static: Mapping[str, Any] | None, *, plan: DayPlan, spot: Decimal | None) -> Kept:
    if static is None:
        return Kept(Fate.NO_PRICE)
    if static["wings"] is None:
        return Kept(Fate.NO_STRIKE)
    rates, spec = plan.charges, plan.spec
    wings = [Wing(parse_symbol(symbol), units, Decimal(ask)) for symbol, units, ask in static["wings"]]
    paid = sum((paid_for(wing, rates=rates, spec=spec) for wing in wings), Decimal(0))
    if entry.exit_at is None:
        settled = None if spot is None else [settled_for(w.contract, w.quantity, spot=spot) for w in wings]
    else:
        bids = _end_bids(static)
        settled = (
            None if bids is None else [sold_for(w.quantity, bids[w.contract], rates=rates, spec=spec) for w in wings]
        )
    if settled is None:
        return Kept(Fate.NO_END, paid=paid)
    return Kept(Fate.KNOWN, paid=paid, got_back=sum(settled, Decimal(0)))


def _end_bids(static: Mapping[str, Any]) -> dict[Contract, Decimal | None] | None:
    end = static.get("end")
    if end is None:
        return None
    return {parse_symbol(symbol): None if bid is None else Decimal(bid) for symbol, bid in end["bids"].items()}
