"""Calibrate: ask the probes before the open, settle what the book makes visible, learn from fills; keep what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hedging.brokers.base import BrokerError, MarginLeg, MarketReader, NotOffered
from hedging.brokers.dry_run import DryRunBroker
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.calibration import Calibration as CalibrationFacts
from hedging.domain.calibration import FoundBy, Scope, calibrate
from hedging.domain.funds_meaning import FundsReading, read_funds_change
from hedging.domain.instruments import Index, Product, Side
from hedging.domain.learning import learn, nothing_known
from hedging.domain.margin import MarginLine, MarginMarket, MarketUnknown, requirement
from hedging.domain.plausible import contradiction
from hedging.domain.probes import ProbeUnanswered, Reading, resolve
from hedging.domain.snapshot import Chain, Funds, Position
from hedging.engine.calibration_rows import Evidence, keep, measured_jumps, probe_card, tell
from hedging.engine.plan import DayPlan
from hedging.engine.ports import Ports
from hedging.engine.prices import with_prices
from hedging.models import MarginJump
from sessions_app.models import BasketScope, Calibration, TradingSession

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
                title = "The margin model is not calibrated today"
                tell(session=session, title=title, why=str(failed), now=now, ports=ports)
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
        jumps, measured = measured_jumps(session)
        known = _funds_as_known(nothing_known(plan.parameters), seen, session)
        found = learn(known, jumps, plan.parameters, premium_counted=session.account.premium_counted)
        note = "no basket call: learned from fills" if jumps else "no basket call, and no fill to learn from yet"
        evidence = Evidence(funds=seen.funds_card(), jumps=measured, note=note)
        return keep(
            session=session, found=_funds_as_known(found, seen, session), evidence=evidence, now=now, ports=ports
        )
    except (BrokerError, ProbeUnanswered, MarketUnknown) as error:
        raise CalibrationFailed(str(error)) from error
    evidence = Evidence(probes=[probe_card(reading) for reading in readings], funds=seen.funds_card())
    return keep(session=session, found=_funds_as_known(found, seen, session), evidence=evidence, now=now, ports=ports)


def _funds_as_known(found: CalibrationFacts, seen: _Seen, session: TradingSession) -> CalibrationFacts:
    """Return `found` with what the account's last calibration knew of its funds, which no probe asks about.

    A flat account learns it again; one that holds shorts overnight shows no change of funds from which it could.
    """
    if not seen.positions:
        return found
    rows = Calibration.objects.filter(account_id=session.account_id, trading_day__lte=session.trading_day)
    last = rows.order_by("-trading_day", "-id").first()
    if last is None:
        return found
    return replace(
        found,
        premium_in_used=last.premium_in_used if found.premium_in_used is None else found.premium_in_used,
        cash_is_net=last.cash_is_net if found.cash_is_net is None else found.cash_is_net,
    )


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

    def funds_card(self) -> dict[str, Any]:
        """Return the funds as they are stored, for the comparison after the first fills."""
        return {
            "cash": str(self.funds.available_cash),
            "used": str(self.funds.utilised),
            "collateral": str(self.funds.collateral),
            "flat": not self.positions,
        }

    def _price(self, position: Position) -> Decimal:
        price = self.prices.get(position.contract, position.last)
        if price is None:
            raise CalibrationFailed(f"no price for {format_symbol(position.contract)} in the book")
        return price


def _look(*, session: TradingSession, plan: DayPlan, now: datetime, ports: Ports) -> _Seen:
    # The paper holdings of a dry run are laid over the book by the very meaning that is to be found: ask beneath them.
    reader = ports.broker.live if isinstance(ports.broker, DryRunBroker) else ports.broker
    try:
        funds, index = reader.funds(), Index(session.index)
        positions = with_prices(reader.positions(), index=index, expiry=session.expiry, reader=reader)
        chain = reader.chain(index, session.expiry, STRIKES)
    except BrokerError as error:
        raise CalibrationFailed(str(error)) from error
    if why := contradiction(funds, positions):
        raise CalibrationFailed(why)
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


def state_by_hand(
    *,
    session: TradingSession,
    plan: DayPlan,
    rates: Mapping[str, float],
    scope: BasketScope,
    now: datetime,
    ports: Ports,
    actor: str,
) -> Calibration:
    """Keep what a person says about the broker: rates by column name in percent, and what its basket call counts.

    Nobody measured it, so its error is unknown and the buffer stays doubled; fills may still correct it.
    """
    dated, earlier = nothing_known(plan.parameters), session.calibration
    found = replace(
        dated,
        # What funds mean was not asked: once told, it is not forgotten.
        premium_in_used=None if earlier is None else earlier.premium_in_used,
        cash_is_net=None if earlier is None else earlier.cash_is_net,
        found_by=FoundBy.HAND,
        scope=None if scope is BasketScope.UNKNOWN else Scope(scope.value),
        nets=None if scope is BasketScope.UNKNOWN else scope is not BasketScope.NONE,
        paid_in_answer=True,
        scan_pct=rates.get("scan_pct", dated.scan_pct),
        elm_pct=rates.get("elm_pct", dated.elm_pct),
        elm_deep_pct=rates.get("elm_deep_pct", dated.elm_deep_pct),
        elm_expiry_extra_pct=rates.get("elm_expiry_extra_pct", dated.elm_expiry_extra_pct),
    )
    funds = earlier.funds if earlier is not None and earlier.trading_day == session.trading_day else {}
    evidence = Evidence(funds=funds, note="stated by hand")
    return keep(session=session, found=found, evidence=evidence, now=now, ports=ports, actor=actor)


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
    evidence = Evidence.of(row, note="settled beside a book")
    return keep(session=session, found=found, evidence=evidence, now=now, ports=ports)


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
    jumps, measured = measured_jumps(session)
    # Always from what was known before any fill, so that none is counted twice.
    before = _before_fills(row)
    known = nothing_known(plan.parameters) if before is None else before.as_facts()
    known = replace(known, premium_in_used=row.premium_in_used)  # once told, it is not forgotten
    found = learn(known, jumps, plan.parameters, premium_counted=session.account.premium_counted)
    found = replace(found, cash_is_net=row.cash_is_net, counts_book_from=row.counts_book_from, scope=Scope.NONE)
    evidence = Evidence.of(row, note="learned from fills", jumps=measured)
    return keep(session=session, found=found, evidence=evidence, now=now, ports=ports)


def _before_fills(row: Calibration) -> Calibration | None:
    if row.found_by == FoundBy.FILLS:
        return None
    rows = Calibration.objects.filter(
        account_id=row.account_id, index=row.index, trading_day=row.trading_day, found_by=row.found_by, jumps=0
    )
    return rows.order_by("-id").first()
