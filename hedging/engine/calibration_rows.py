"""Calibration rows: keep what was found out about a broker with its evidence, and read the fills that teach more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from hedging.brokers.openalgo.symbols import format_symbol, parse_symbol
from hedging.domain.calibration import Calibration as CalibrationFacts
from hedging.domain.instruments import Index, Product
from hedging.domain.learning import LAST_JUMPS, Jump
from hedging.domain.margin import MarginLine, MarginMarket
from hedging.domain.margin_profile import WIDE_ERROR_PCT
from hedging.domain.probes import Reading
from hedging.engine import audit
from hedging.engine.ports import Ports
from hedging.models import Fill, MarginJump
from notifications.models import Alert, Severity, queue_alert
from sessions_app.models import BasketScope, Calibration, Mode, TradingSession


def measured_jumps(session: TradingSession) -> tuple[list[Jump], int]:
    """Return the last measured jumps of the account and index, oldest first, and how many the session has. Two queries.

    Of a dry run only those that were measured with nothing on paper in the book: what is learned here is for live, too, and
    a release that our own engine laid over the figures teaches it nothing but itself.
    """
    on_paper = Fill.objects.filter(
        mode=Mode.DRY_RUN,
        order__account_id=session.account_id,
        at__lte=OuterRef("measured_at"),
        order__transaction__expiry__gte=OuterRef("session__trading_day"),
    )
    rows = MarginJump.objects.filter(
        Q(mode=Mode.LIVE) | ~Exists(on_paper),
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


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a calibration rests on: probes with their answers, the funds beside them, how many jumps of the session."""

    probes: Sequence[dict[str, Any]] = ()
    funds: Mapping[str, Any] = field(default_factory=dict)
    jumps: int = 0
    note: str = ""

    @classmethod
    def of(cls, row: Calibration, *, note: str, jumps: int = 0) -> Evidence:
        """Return the evidence of a row, which a later one builds on."""
        return cls(probes=row.probes, funds=row.funds, jumps=max(jumps, row.jumps), note=note)


def keep(
    *,
    session: TradingSession,
    found: CalibrationFacts,
    evidence: Evidence,
    now: datetime,
    ports: Ports,
    actor: str = "engine",
) -> Calibration:
    """Store a calibration with its audit line, and let the session be decided by it from now on.

    A session that was moved to another expiry since is not: other rates may hold there.
    """
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
            probes=list(evidence.probes),
            funds=dict(evidence.funds),
            jumps=evidence.jumps,
            note=evidence.note,
        )
        if TradingSession.objects.filter(pk=session.pk, expiry=session.expiry).update(calibration=row):
            session.calibration = row
        error = None if row.error_pct is None else str(row.error_pct)
        audit.append(
            account_id=session.account_id,
            session_id=session.pk,
            at=now,
            wall_at=ports.wall(),
            actor=actor,
            event="calibrated",
            subject=row,
            facts={"scan_pct": row.scan_pct, "elm_pct": row.elm_pct, "basket": row.basket_scope, "error_pct": error},
        )
        if row.error_pct is not None and row.error_pct > WIDE_ERROR_PCT:
            why = f"it is {row.error_pct} % off on what it was measured by"
            tell(session=session, title="The margin model does not fit this broker well", why=why, now=now, ports=ports)
    return row


def probe_card(reading: Reading) -> dict[str, Any]:
    """Return a probe and its answer as they are stored."""
    legs = [[format_symbol(line.contract), line.quantity, str(line.price)] for line in reading.basket.lines]
    return {"probe": reading.basket.probe.name, "legs": legs, "answer": str(reading.answer)}


def tell(*, session: TradingSession, title: str, why: str, now: datetime, ports: Ports) -> None:
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
