"""Where one session stands at one moment: margin, decision, next entry, hedges, cost, and whether the machine is well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection

from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.cards import contract_name
from hedging.domain.instruments import Side
from hedging.domain.lifecycle import UNCERTAIN, OrderStatus
from hedging.engine.hours import trading_day_of
from hedging.engine.one_row import OneRow
from hedging.engine.preflight import gate
from hedging.engine.sessions import live_closed
from hedging.engine.standing import Standing, halt_file_exists, standing_of
from hedging.models import CycleKind, Fill, Heartbeat, HedgeDecision, HedgeOrder, HedgeTransaction
from hedging.selectors.books import books
from hedging.selectors.cards import DecisionCard, card_of, number, verdict
from hedging.selectors.facts import (
    ActiveHedge,
    Beat,
    Breaker,
    Cost,
    Installation,
    LiveOrder,
    Margin,
    NextEntry,
    Projection,
    SessionFacts,
    Status,
)
from hedging.selectors.jumps import forecasts
from hedging.selectors.kept import shared
from hedging.selectors.ledger import holdings_as_of, ledger_state
from hedging.selectors.margin_model import margin_model
from schedule.calendar import CalendarUnknown, load_calendar
from schedule.entries import ScheduledEntry, entries_on
from schedule.stamps import timetable_stamp
from sessions_app.models import Installation as InstallationRow
from sessions_app.models import MarginSnapshot, Mode, TradingSession, TradingState
from sessions_app.policy import policy_of

# A worker that has been silent for longer is taken for dead (orders.md §8). Wall time.
HEARTBEAT_LIMIT = timedelta(seconds=75)
HEARTBEAT_AHEAD = timedelta(seconds=5)  # beyond it a sign of life was written by a clock that ran ahead
_TURNOVER = f"""
    SELECT coalesce(sum(f.quantity * f.price) FILTER (WHERE t.side = %s), 0),
           coalesce(sum(f.quantity * f.price) FILTER (WHERE t.side = %s), 0),
           (SELECT coalesce(sum(charges), 0) FROM {HedgeTransaction._meta.db_table} WHERE session_id = %s)
    FROM {Fill._meta.db_table} f
    JOIN {HedgeOrder._meta.db_table} o ON o.id = f.order_id
    JOIN {HedgeTransaction._meta.db_table} t ON t.id = o.transaction_id
    WHERE t.session_id = %s
"""  # noqa: S608 - names of our own tables; every value is a parameter


_WITH = {"account": (), "calibration": ()}  # `account` first: it is `t1` below
_OF_TODAY = "(t0.closed_at IS NULL OR t0.trading_day = %s)"
_CURRENT = "t0.closed_at DESC NULLS FIRST, t0.id DESC"
_NEWEST = "t0.trading_day DESC, t0.id DESC"
_TODAYS = OneRow(TradingSession, joined=_WITH, where=_OF_TODAY, first_by=_CURRENT)
_TODAYS_OF = OneRow(TradingSession, joined=_WITH, where=f"{_OF_TODAY} AND t1.name = %s", first_by=_CURRENT)
_LAST = OneRow(TradingSession, joined=_WITH, where="true", first_by=_NEWEST)
_LAST_OF = OneRow(TradingSession, joined=_WITH, where="t1.name = %s", first_by=_NEWEST)
_DECIDED = OneRow(
    HedgeDecision, where=f"t0.session_id = %s AND t0.kind <> '{CycleKind.MANUAL.value}'", first_by="t0.id DESC"
)
_SNAPSHOT = OneRow(MarginSnapshot, where="t0.session_id = %s", first_by="t0.at DESC, t0.id DESC")


def current_session(*, now: datetime, account: str | None = None) -> TradingSession | None:
    """Return the open session, else the last one of the IST day of `now`, else None. One query."""
    day = trading_day_of(now)
    return _TODAYS.find(day) if account is None else _TODAYS_OF.find(day, account)


def last_session(*, account: str | None = None) -> TradingSession | None:
    """Return the newest session of all days. One query."""
    return _LAST.find() if account is None else _LAST_OF.find(account)


def status(*, session: TradingSession, now: datetime, wall_now: datetime) -> Status:
    """Return where `session` stands at market time `now`, with a fixed number of queries.

    Ages of workers are judged at `wall_now`; `session` comes with its account loaded.
    """
    standing = standing_of(session.pk)
    facts = session_facts(session, standing)
    latest = _DECIDED.find(session.pk)
    card = None if latest is None else card_of(latest)
    orders = _live_orders(session)
    entries, calendar_unknown = day_entries(day=trading_day_of(now))
    return Status(
        now=now,
        session=facts,
        margin=_margin(session, now=now),
        decision=card,
        projections=_projections(card, facts=facts, orders=orders, now=now),
        next_entry=_next_entry(entries, now=now),
        entries=entries,
        calendar_unknown=calendar_unknown,
        active_hedges=_active_hedges(session, now=now, seen={} if latest is None else latest.facts),
        cost=_cost(session),
        margin_model=margin_model(session),
        breaker=_breaker(standing),
        installation=installation_facts(standing),
        heartbeats=heartbeats(wall_now=wall_now),
        live_orders=orders,
        forecasts=forecasts(session=session, now=now),
        summary={} if session.is_open else dict(session.summary),
        books=books(session),
    )


def session_facts(session: TradingSession, standing: Standing | None = None) -> SessionFacts:
    """Return a session as it stands, with the environment's lid, the trading state and the policy in force.

    The trading state is the tighter of its own and the installation's. One query, none where `standing` is given.
    """
    known = standing or standing_of(session.pk)
    policy = policy_of(session, settings.HEDGE_POLICY)
    lid_open, held_by = bool(settings.AUTO_HEDGE_ENABLED), _held_by(session)
    switched_on = lid_open and session.automation and session.is_open
    return SessionFacts(
        id=session.pk,
        account=session.account.name,
        trading_day=session.trading_day,
        index=session.index,
        expiry=session.expiry,
        dte=session.dte,
        mode=session.mode,
        mode_words=mode_words(mode=session.mode),
        world=settings.WORLD,
        trading_state=known.state,
        state_reason=known.reason,
        enabled=session.automation,
        lid_open=lid_open,
        automatic=switched_on and known.state == TradingState.ACTIVE and not held_by,
        held_by=held_by,
        baskets=session.baskets,
        budget=session.budget,
        baseline=session.baseline,
        baseline_at=session.baseline_at,
        baseline_source=session.baseline_source,
        trigger_pct=policy.utilization_trigger_pct,
        target_pct=policy.utilization_target_pct,
        exit_trigger_pct=policy.exit_trigger_pct,
        lookahead_minutes=policy.lookahead_minutes,
        opened_at=session.opened_at,
        closed_at=session.closed_at,
    )


def _held_by(session: TradingSession) -> str:
    closed = live_closed(session)
    if closed:
        return f"live is closed: {closed}"
    return "" if gate.is_cleared(session) else f"pre-flight: {gate.words(session)}"


def installation_facts(standing: Standing) -> Installation:
    """Return the installation's trading state as a session's standing knows it. No query."""
    return Installation(
        trading_state=standing.installation_state,
        reason=standing.installation_reason,
        by=standing.installation_by,
        at=standing.installation_at,
        halt_file=standing.halt_file,
    )


def installation() -> Installation:
    """Return the installation's trading state. One query."""
    row = InstallationRow.objects.filter(pk=InstallationRow.ONLY).first() or InstallationRow()
    return Installation(
        trading_state=row.trading_state,
        reason=row.state_reason,
        by=row.state_by,
        at=row.state_at,
        halt_file=halt_file_exists(),
    )


def mode_words(*, mode: str | None) -> str:
    """Say where orders go: SIMULATED, DRY RUN or LIVE. Paper fills in the simulator's world are both of the first."""
    simulated = settings.WORLD == "simulator"
    if mode is None:
        return "SIMULATED" if simulated else "NO SESSION"
    words = ["SIMULATED"] if simulated else []
    if mode == Mode.DRY_RUN:
        words.append("DRY RUN")
    return " · ".join(words) or "LIVE"


def heartbeats(*, wall_now: datetime) -> tuple[Beat, ...]:
    """Return the workers' last signs of life, by name. One query."""
    return tuple(
        Beat(
            name=beat.name,
            wall_at=beat.wall_at,
            age_seconds=int((wall_now - beat.wall_at).total_seconds()),
            alive=-HEARTBEAT_AHEAD <= wall_now - beat.wall_at <= HEARTBEAT_LIMIT,
        )
        for beat in Heartbeat.objects.order_by("name")
    )


def _margin(session: TradingSession, *, now: datetime) -> Margin | None:
    row = _SNAPSHOT.find(session.pk)
    if row is None:
        return None
    return Margin(
        at=row.at,
        age_seconds=int((now - row.at).total_seconds()),
        used=row.used,
        budget=session.budget,
        utilization_pct=row.utilization_pct if row.used is not None else None,
        headroom=None if row.used is None else session.budget - row.used,
        free_margin=row.free_margin,
        spot=row.spot,
        unknown_reason=row.unknown_reason,
    )


def _projections(
    card: DecisionCard | None, *, facts: SessionFacts, orders: Sequence[LiveOrder], now: datetime
) -> tuple[Projection, ...]:
    if card is None:
        return ()
    buy_is_live = any(order.side == Side.BUY for order in orders)
    return tuple(
        Projection(
            entry=entry,
            verdict=verdict(entry=entry, card=card, trigger_pct=facts.trigger_pct, buy_is_live=buy_is_live),
            crosses=entry.breaches(trigger_pct=facts.trigger_pct),
        )
        for entry in card.projection
        if entry.at is None or entry.at >= now
    )


def day_entries(*, day: date) -> tuple[tuple[ScheduledEntry, ...], str]:
    """Return the timetable of a day in order of time, and why it is not known ("" when it is). One query, four when new."""

    def read() -> tuple[tuple[ScheduledEntry, ...], str]:
        try:
            return entries_on(day, load_calendar()), ""
        except CalendarUnknown as unknown:
            return (), str(unknown)

    return shared(f"{day} {timetable_stamp()}", "entries", read)


def _next_entry(entries: Sequence[ScheduledEntry], *, now: datetime) -> NextEntry | None:
    coming = next((entry for entry in entries if entry.entry_at > now), None)
    if coming is None:
        return None
    return NextEntry(
        portfolio=coming.portfolio,
        index=coming.index,
        expiry=coming.expiry,
        dte=coming.dte,
        entry_at=coming.entry_at,
        exit_at=coming.exit_at,
        seconds_away=int((coming.entry_at - now).total_seconds()),
    )


def _active_hedges(session: TradingSession, *, now: datetime, seen: Mapping[str, Any]) -> tuple[ActiveHedge, ...]:
    # What expired on a day that is closed has been settled, and is held no more.
    day = trading_day_of(now) if session.is_open else session.trading_day + timedelta(days=1)
    ledger: dict[str, Any] = {"account_id": session.account_id, "mode": session.mode, "day": day}
    held = holdings_as_of(ledger_state(**ledger), **ledger)
    prices = {row.get("symbol"): row for row in seen.get("held") or ()}
    shorts = seen.get("shorts") or {}
    left = dict(shorts)
    found = []
    for row in held:
        of_side, priced = shorts.get(row.contract.right), prices.get(contract_name(row.contract), {})
        covers = None if of_side is None else min(row.quantity, max(0, left[row.contract.right]))
        if covers is not None:
            left[row.contract.right] -= covers
        price, price_is = number(priced.get("bid")), "bid"
        if price is None:
            price, price_is = number(priced.get("last")), "last"
        found.append(
            ActiveHedge(
                symbol=format_symbol(row.contract),
                right=row.contract.right,
                expiry=row.contract.expiry,
                product=row.product,
                quantity=row.quantity,
                average_price=row.average_price,
                cost=row.quantity * row.average_price,
                since=row.since,
                shorts=of_side,
                covers=covers,
                price=price,
                price_is="" if price is None else price_is,
                gain=None if price is None else (price - row.average_price) * row.quantity,
            )
        )
    return tuple(found)


def _cost(session: TradingSession) -> Cost:
    with connection.cursor() as cursor:
        cursor.execute(_TURNOVER, [Side.BUY.value, Side.SELL.value, session.pk, session.pk])
        paid, recovered, charges = cursor.fetchone()
    cap = policy_of(session, settings.HEDGE_POLICY).max_cost_per_day
    return Cost(
        cap=cap,
        spent=session.spent,
        reserved=session.reserved,
        left=max(Decimal(0), cap - session.spent - session.reserved),
        paid=paid,
        recovered=recovered,
        charges=charges,
        net=recovered - paid - charges,
    )


def _breaker(standing: Standing) -> Breaker:
    return Breaker(
        is_open=standing.orders_until is not None,
        open_until=standing.orders_until,
        failures=max(standing.order_failures, standing.failed_cycles),
        exits_open=standing.exits_until is not None,
        exits_open_until=standing.exits_until,
    )


def _live_orders(session: TradingSession) -> tuple[LiveOrder, ...]:
    # By account, not by session: an order that outlived its session is still ours to watch.
    rows = HedgeOrder.objects.live().filter(account_id=session.account_id, mode=session.mode)
    of_intent = ("transaction__symbol", "transaction__side")
    return tuple(
        LiveOrder(
            id=pk,
            transaction_id=transaction_id,
            symbol=symbol,
            side=side,
            quantity=quantity,
            limit_price=limit_price,
            status=status,
            uncertain=OrderStatus(status) in UNCERTAIN,
            since=sent_at or created_at,
        )
        for pk, transaction_id, symbol, side, quantity, limit_price, status, sent_at, created_at in rows.values_list(
            "pk", "transaction_id", *of_intent, "quantity", "limit_price", "status", "sent_at", "created_at"
        )
    )
