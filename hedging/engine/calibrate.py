"""Calibrate: ask the probes before the open, settle what the book makes visible, learn from fills; keep what was found."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from hedging.brokers.base import BrokerError, MarginLeg, MarketReader, NotOffered
from hedging.brokers.dry_run import DryRunBroker
from hedging.brokers.openalgo.symbols import format_symbol, parse_symbol
from hedging.domain.calibration import Calibration as CalibrationFacts
from hedging.domain.calibration import FoundBy, Scope, calibrate
from hedging.domain.funds_meaning import FundsReading, read_funds_change
from hedging.domain.instruments import Index, Product, Side
from hedging.domain.learning import LAST_JUMPS, Jump, learn, nothing_known
from hedging.domain.margin import MarginLine, MarginMarket, MarketUnknown, requirement
from hedging.domain.margin_profile import WIDE_ERROR_PCT
from hedging.domain.probes import ProbeUnanswered, Reading, resolve
from hedging.domain.snapshot import Chain, Funds, Position
from hedging.engine import audit
from hedging.engine.plan import DayPlan
from hedging.engine.ports import Ports
from hedging.models import MarginJump
from notifications.models import Alert, Severity, queue_alert
from sessions_app.models import BasketScope, Calibration, TradingSession

log = logging.getLogger(__name__)

BEFORE_OPEN = timedelta(minutes=15)
PATIENCE = timedelta(minutes=5)
"""Market time after the open in which a calibration may still come before somebody is told that there is none."""
STRIKES = 100
SETTLING = frozenset({"short call", "straddle", "both wings"})

_tried: dict[int, object] = {}  # session: the book that settled nothing, so that it is not asked about again


class CalibrationFailed(Exception):
    """The probes could not be asked or answered. What was known before stays in force; the next minute tries again."""


def keep_calibrated(*, session: TradingSession, plan: DayPlan, now: datetime, ports: Ports) -> Calibration | None:
    """Do what is due: the probes from a quarter of an hour before the open, what a book settles, what fills teach.

    Returns the new row, and gives it to `session`; `None` when nothing was due. Nothing is read on a settled day. Raises
    `CalibrationFailed`.
    """
    hours = plan.hours
    if hours is None or not hours.opens - BEFORE_OPEN <= now < hours.closes:
        return None
    row = session.calibration
    if row is None or row.trading_day != session.trading_day:
        try:
            return find_out(session=session, plan=plan, now=now, ports=ports)
        except CalibrationFailed as failed:
            if now >= hours.opens + PATIENCE:
                _tell(session, "The margin model is not calibrated today", str(failed), now=now, ports=ports)
            raise
    if row.basket_scope == BasketScope.UNKNOWN or row.cash_is_net is None:
        settled = _settle(session=session, row=row, plan=plan, now=now, ports=ports)
        if settled is not None:
            return settled
    if row.basket_scope == BasketScope.NONE:
        return _learn(session=session, row=row, plan=plan, now=now, ports=ports)
    return None


def find_out(*, session: TradingSession, plan: DayPlan, now: datetime, ports: Ports) -> Calibration:
    """Ask the broker the probes once and keep what they mean. A dozen reads. Raises `CalibrationFailed`.

    Where there is no such call, the dated rates are kept, corrected by the fills of the last days.
    """
    seen = _look(session=session, plan=plan, now=now, ports=ports)
    try:
        readings = _ask(seen, names=None)
        found = calibrate(readings, seen.market, plan.parameters, book=seen.book)
    except NotOffered:
        jumps, measured = _jumps(session)
        found = learn(
            nothing_known(plan.parameters), jumps, plan.parameters, premium_counted=session.account.premium_counted
        )
        note = "no basket call: learned from fills" if jumps else "no basket call, and no fill to learn from yet"
        return _keep(session, found, seen, (), now=now, ports=ports, note=note, jumps=measured)
    except (BrokerError, ProbeUnanswered, MarketUnknown) as error:
        raise CalibrationFailed(str(error)) from error
    return _keep(session, found, seen, readings, now=now, ports=ports)


class _Seen:
    """One look at the account and its market."""

    def __init__(
        self,
        *,
        reader: MarketReader,
        plan: DayPlan,
        product: Product,
        chain: Chain,
        funds: Funds,
        positions: Sequence[Position],
        market: MarginMarket,
    ) -> None:
        self.reader, self.plan, self.product, self.market, self.funds = reader, plan, product, market, funds
        self.prices = {contract: quote.mark for contract, quote in chain.quotes.items() if quote.mark is not None}
        self.positions = tuple(positions)
        self.book = tuple(
            MarginLine(p.contract, p.quantity, self._price(p), p.product)
            for p in positions
            if p.contract.index is chain.index
        )

    def _price(self, position: Position) -> Decimal:
        price = self.prices.get(position.contract, position.last)
        if price is None:
            raise CalibrationFailed(f"no price for {format_symbol(position.contract)} in the book")
        return price


def _look(*, session: TradingSession, plan: DayPlan, now: datetime, ports: Ports) -> _Seen:
    # The paper holdings of a dry run are laid over the book by the very meaning that is to be found: ask beneath them.
    reader = ports.broker.live if isinstance(ports.broker, DryRunBroker) else ports.broker
    try:
        funds, positions = reader.funds(), reader.positions()
        chain = reader.chain(Index(session.index), session.expiry, STRIKES)
    except BrokerError as error:
        raise CalibrationFailed(str(error)) from error
    closes = {} if chain.previous_close is None else {chain.index: chain.previous_close}
    market = MarginMarket(spots={chain.index: chain.spot}, now=now, previous_closes=closes)
    product = Product(session.account.product)
    return _Seen(
        reader=reader, plan=plan, product=product, chain=chain, funds=funds, positions=positions, market=market
    )


def _ask(seen: _Seen, *, names: frozenset[str] | None) -> list[Reading]:
    baskets = resolve(spec=seen.plan.spec, product=seen.product, market=seen.market, prices=seen.prices)
    asked = [basket for basket in baskets if names is None or basket.probe.name in names]
    return [Reading(basket, seen.reader.basket_margin(_legs(basket.lines)).total) for basket in asked]


def _legs(lines: Sequence[MarginLine]) -> list[MarginLeg]:
    return [
        MarginLeg(
            line.contract, line.product, Side.BUY if line.quantity > 0 else Side.SELL, abs(line.quantity), line.price
        )
        for line in lines
    ]


# --- once there is a book ------------------------------------------------------------------------------------------------


def _settle(
    *, session: TradingSession, row: Calibration, plan: DayPlan, now: datetime, ports: Ports
) -> Calibration | None:
    """Find out beside a book what an empty one could not show; each book is asked about once."""
    reader = ports.broker.live if isinstance(ports.broker, DryRunBroker) else ports.broker
    try:
        held = tuple(sorted((str(p.contract), p.product, p.quantity) for p in reader.positions()))
        if not held or _tried.get(session.pk) == (row.pk, held):
            return None
        seen = _look(session=session, plan=plan, now=now, ports=ports)
        found = known = row.as_facts()
        if known.scope is None:
            readings = _ask(seen, names=SETTLING)
            found = calibrate(readings, seen.market, plan.parameters, book=seen.book, known=known)
    except (BrokerError, ProbeUnanswered, MarketUnknown) as error:
        raise CalibrationFailed(str(error)) from error
    found = _with_funds(found, row, seen)
    if found == known:
        _tried[session.pk] = (row.pk, held)
        return None
    return _keep(session, found, seen, (), now=now, ports=ports, note="settled beside a book", before=row)


def _with_funds(found: CalibrationFacts, row: Calibration, seen: _Seen) -> CalibrationFacts:
    """Compare the funds of the calibration with those of now."""
    first = row.funds
    if not first:
        return found
    rates = found.applied_to(seen.plan.parameters)
    margin = requirement(lines=seen.book, market=seen.market, parameters=rates).total * found.scale
    paid = sum((p.average_price * p.quantity for p in seen.positions), Decimal(0))
    flat = first["flat"] and len(seen.book) == len(seen.positions)
    return read_funds_change(
        found,
        before=FundsReading(cash=Decimal(first["cash"]), used=Decimal(first["used"])),
        after=FundsReading(cash=seen.funds.available_cash, used=seen.funds.utilised),
        margin=margin if flat else None,
        premium=paid,
    )


def _learn(
    *, session: TradingSession, row: Calibration, plan: DayPlan, now: datetime, ports: Ports
) -> Calibration | None:
    """Correct the rates by the measured jumps, when there are new ones. One query when there are none."""
    if MarginJump.objects.filter(session=session, after__isnull=False).count() <= row.jumps:
        return None
    jumps, measured = _jumps(session)
    # Always from what was known before any fill, so that none is counted twice.
    before = _before_fills(row)
    known = nothing_known(plan.parameters) if before is None else before.as_facts()
    found = learn(known, jumps, plan.parameters, premium_counted=session.account.premium_counted)
    found = replace(found, cash_is_net=row.cash_is_net, counts_book_from=row.counts_book_from, scope=Scope.NONE)
    return _keep(session, found, None, (), now=now, ports=ports, note="learned from fills", before=row, jumps=measured)


def _before_fills(row: Calibration) -> Calibration | None:
    if row.found_by == FoundBy.FILLS:
        return None
    rows = Calibration.objects.filter(
        account_id=row.account_id, index=row.index, trading_day=row.trading_day, found_by=row.found_by, jumps=0
    )
    return rows.order_by("-id").first()


def _jumps(session: TradingSession) -> tuple[list[Jump], int]:
    """Return the last measured jumps of the account and index, oldest first, and how many the session has. Two queries."""
    rows = MarginJump.objects.filter(
        session__account_id=session.account_id,
        mode=session.mode,
        index=session.index,
        after__isnull=False,
        before__isnull=False,
        session__trading_day__lte=session.trading_day,
    )
    found = [_jump(row) for row in rows.order_by("-at", "-id")[:LAST_JUMPS]]
    measured = MarginJump.objects.filter(session=session, after__isnull=False).count()
    return [jump for jump in reversed(found) if jump is not None], measured


def _jump(row: MarginJump) -> Jump | None:
    """Return a measured jump as learning takes it, or `None` where something in its book has no price."""
    book, change = row.book, row.realized
    if change is None or not book.get("spot") or "after" not in book:
        return None
    # What was not quoted in the very cycle that measured keeps the price of the forecast, seconds before.
    prices = {
        symbol: price
        for side in ("legs", "before", "after")
        for symbol, _, _, price in book.get(side, ())
        if price is not None
    }
    close, index = book.get("previous_close"), Index(row.index)
    try:
        before, after = (_lines(book[side], prices, index) for side in ("before", "after"))
    except KeyError:
        return None
    return Jump(
        at=row.at,
        market=MarginMarket(
            spots={index: Decimal(book["spot"])},
            now=datetime.fromisoformat(book["at"]),
            previous_closes={index: Decimal(close)} if close else {},
        ),
        before=before,
        after=after,
        change=change,
    )


def _lines(rows: Sequence[Sequence[Any]], prices: Mapping[str, str], index: Index) -> tuple[MarginLine, ...]:
    lines = (
        MarginLine(parse_symbol(symbol), quantity, Decimal(prices[symbol]), Product(product))
        for symbol, product, quantity, _ in rows
    )
    return tuple(line for line in lines if line.contract.index is index)


# --- keeping ---------------------------------------------------------------------------------------------------------------


def _keep(
    session: TradingSession,
    found: CalibrationFacts,
    seen: _Seen | None,
    readings: Sequence[Reading],
    *,
    now: datetime,
    ports: Ports,
    note: str = "",
    before: Calibration | None = None,
    jumps: int = 0,
) -> Calibration:
    with transaction.atomic():
        row = Calibration.objects.create(
            account=session.account,
            index=session.index,
            trading_day=session.trading_day,
            expiring=session.dte == 0,
            at=now,
            found_by=found.found_by.value,
            nets=found.nets,
            basket_scope=BasketScope.UNKNOWN if found.scope is None else found.scope.value,
            counts_book_from=found.counts_book_from,
            paid_in_answer=found.paid_in_answer,
            credit_from_legs=found.credit_from_legs,
            scan_pct=round(found.scan_pct, 4),
            elm_pct=round(max(found.elm_pct, 0.0), 4),
            elm_deep_pct=round(max(found.elm_deep_pct, 0.0), 4),
            elm_expiry_extra_pct=round(found.elm_expiry_extra_pct, 4),
            scale=found.scale,
            error_pct=found.error_pct,
            premium_in_used=found.premium_in_used,
            cash_is_net=found.cash_is_net,
            probes=[_told(reading) for reading in readings] if before is None else before.probes,
            funds=before.funds if before is not None else {} if seen is None else _funds_card(seen),
            jumps=max(jumps, 0 if before is None else before.jumps),
            note=note,
        )
        TradingSession.objects.filter(pk=session.pk).update(calibration=row)
        session.calibration = row
        audit.append(
            account_id=session.account_id,
            session_id=session.pk,
            at=now,
            wall_at=ports.wall(),
            actor="engine",
            event="calibrated",
            subject=row,
            facts={
                "scan_pct": row.scan_pct,
                "elm_pct": row.elm_pct,
                "scope": row.basket_scope,
                "error": str(row.error_pct),
            },
        )
        if row.error_pct is not None and row.error_pct > WIDE_ERROR_PCT:
            why = f"on the probes it is {row.error_pct} % off"
            _tell(session, "The margin model does not fit this broker well", why, now=now, ports=ports)
    return row


def _told(reading: Reading) -> dict[str, Any]:
    legs = [[format_symbol(line.contract), line.quantity, str(line.price)] for line in reading.basket.lines]
    return {"probe": reading.basket.probe.name, "legs": legs, "answer": str(reading.answer)}


def _funds_card(seen: _Seen) -> dict[str, Any]:
    return {"cash": str(seen.funds.available_cash), "used": str(seen.funds.utilised), "flat": not seen.positions}


def _tell(session: TradingSession, title: str, why: str, *, now: datetime, ports: Ports) -> None:
    """Queue the alert once a day: until it is solved the safety buffer is doubled, and the page says so."""
    told = Alert.objects.filter(kind="not_calibrated", subject_kind="tradingsession", subject_id=session.pk)
    if told.exists():
        return
    queue_alert(
        kind="not_calibrated",
        severity=Severity.WARNING,
        title=f"{title}: the safety buffer is doubled"[:200],
        happened_at=now,
        wall_now=ports.wall(),
        facts={"mode": session.mode, "why": why[:300]},
        subject_kind="tradingsession",
        subject_id=session.pk,
        account_id=session.account_id,
    )
