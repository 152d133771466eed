"""Rows of two years for the benchmark of the ledgers: written by the database itself, in the order in which they happen."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db import connection

from hedging.models import BookCheck, Heartbeat
from sessions_app.models import Account, Mode, TradingSession

TODAY = date(2026, 12, 1)
"""A NIFTY expiry Tuesday; its sessions are open."""
NOW = datetime(2026, 12, 1, 4, 42, tzinfo=UTC)
DAYS, ACCOUNTS = 500, 4
LEGS = 4
"""Transactions of one decision that acts."""

_GATES = (
    "toggle",
    "trading state",
    "pre-flight",
    "hours",
    "data",
    "books",
    "breaker",
    "cooldown",
    "projection",
    "cost cap",
)
CARD = {
    "used": "740000",
    "budget": "1000000",
    "free_margin": "512340.25",
    "projection": [
        {"portfolio": f"ITJ_NF_EXP {n}", "at": f"2026-12-01T{10 + n // 4}:{15 * (n % 4):02}:30+05:30", "source": "broker",
         "at_order": "1150000", "used_after": "1076000", "used_after_pct": "107.6"}
        for n in range(6)
    ],
    "projected_pct": "107.6",
    "floor_pct": "61.2",
    "binding": "ITJ_NF_EXP 4",
    "chosen": {"aim": "target", "relaxation": "otm_bound", "proven": True, "cost": "526.50", "charges": "21.40",
               "utilization_after_pct": "84.2",
               "buys": [{"symbol": "NIFTY01DEC2626500CE", "quantity": 130, "price": "4.05"},
                        {"symbol": "NIFTY01DEC2625500PE", "quantity": 130, "price": "3.95"}], "sells": []},
}  # fmt: skip
GATES = [{"gate": name, "passed": name != "projection", "detail": f"{name}: 107.6 % against 95 %"} for name in _GATES]

# {first}..{last}: the sessions of one call; {cards}: decisions of a session; one in {every} acts.
_DECISIONS = """
INSERT INTO hedging_hedgedecision (session_id, mode, kind, slot, at, action, reason, facts, gates, policy)
SELECT s.id, s.mode, CASE WHEN k %% 50 = 0 THEN 'manual' WHEN k %% 2 = 0 THEN 'entry_projection' ELSE 'margin_check' END, k,
       s.opened_at + k * interval '22 seconds' * 1000 / greatest({cards}, 1000),
       CASE WHEN k %% {every} <> 0 THEN 'hold' WHEN k %% (4 * {every}) = 3 * {every} THEN 'unwind' ELSE 'add' END,
       CASE WHEN k %% 40 = 1 THEN 'DENY_COOLDOWN' WHEN k %% {every} <> 0 THEN 'HOLD_WITHIN_BUDGET'
            WHEN k %% (4 * {every}) = 3 * {every} THEN 'UNWIND_SHORTS_GONE' ELSE 'ADD_PROJECTION_OVER_TRIGGER' END,
       %(card)s::jsonb, %(gates)s::jsonb, '{{"trigger_pct": "95", "target_pct": "85"}}'
FROM sessions_app_tradingsession s, generate_series(0, {cards} - 1) k
WHERE s.id BETWEEN {first} AND {last} ORDER BY s.id, k
"""
_TRANSACTIONS = """
INSERT INTO hedging_hedgetransaction (decision_id, session_id, mode, index, expiry, strike, "right", product, symbol, side,
       quantity, lot, reference_price, worst_price, reserve, reason, origin, due_by_clock, created_at, valid_until, is_live,
       ended_at, filled_quantity, average_price, charges)
SELECT d.id, d.session_id, d.mode, s.index, s.expiry, strike, "right", 'NRML',
       s.index || to_char(s.expiry, 'DDMONYY') || strike || "right",
       CASE d.action WHEN 'add' THEN 'BUY' ELSE 'SELL' END, 130, 65, 4, 4.5, 0, d.reason,
       CASE WHEN d.kind <> 'manual' THEN 'auto' WHEN d.slot %% 4 = 0 THEN 'admin' WHEN d.id %% 3 = 0 THEN 'api' ELSE 'command' END,
       false, d.at, d.at + interval '4 minutes', false, d.at + interval '5 seconds', 130, 4.05, 21.40
FROM hedging_hedgedecision d JOIN sessions_app_tradingsession s ON s.id = d.session_id,
     generate_series(0, {legs} - 1) leg,
     LATERAL (SELECT 24000 + 50 * ((d.slot * {legs} + leg) %% 90) AS strike,
                     CASE leg %% 2 WHEN 0 THEN 'CE' ELSE 'PE' END AS "right") c
WHERE d.session_id BETWEEN {first} AND {last} AND d.slot %% {every} = 0 ORDER BY d.id, leg
"""
_ORDERS = """
INSERT INTO hedging_hedgeorder (transaction_id, account_id, trading_day, mode, slice, attempt, status, quantity, limit_price,
       broker_order_id, seen_order_ids, sent_at, clean_reads, claimed_end, refused_by_reply, message, created_at, touched_wall,
       version)
SELECT t.id, s.account_id, s.trading_day, t.mode, 1, attempt,
       CASE WHEN attempt = 1 AND t.id %% 10 = 0 THEN CASE WHEN t.id %% 50 = 0 THEN 'rejected' ELSE 'cancelled' END
            ELSE 'filled' END,
       t.quantity, 4.15, 'B' || t.id || '-' || attempt, '[]', t.created_at, 0, '', false, '', t.created_at, t.created_at, 3
FROM hedging_hedgetransaction t JOIN sessions_app_tradingsession s ON s.id = t.session_id,
     generate_series(1, CASE WHEN t.id %% 10 = 0 THEN 2 ELSE 1 END) attempt
WHERE t.session_id BETWEEN {first} AND {last} ORDER BY t.id, attempt
"""
_FILLS = """
INSERT INTO hedging_fill (order_id, mode, sequence, quantity, price, at)
SELECT o.id, o.mode, part, 65, 4.05, o.created_at + interval '2 seconds'
FROM hedging_hedgeorder o JOIN hedging_hedgetransaction t ON t.id = o.transaction_id, generate_series(1, 2) part
WHERE t.session_id BETWEEN {first} AND {last} AND o.status = 'filled' ORDER BY o.id, part
"""
_EVENTS = """
INSERT INTO hedging_auditevent (account_id, session_id, at, wall_at, actor, event, subject_kind, subject_id, facts, digest)
SELECT s.account_id, s.id, t.created_at, t.created_at, CASE t.origin WHEN 'auto' THEN 'engine' ELSE 'a-trader' END,
       'intent_claimed', 'transaction', t.id, '{{"quantity": 130, "worst_price": "4.50"}}', encode(sha256(t.id::text::bytea), 'hex')
FROM hedging_hedgetransaction t JOIN sessions_app_tradingsession s ON s.id = t.session_id
WHERE t.session_id BETWEEN {first} AND {last} ORDER BY t.id
"""
_LINKS = """
INSERT INTO hedging_auditlink (event_id, sequence, hash)
SELECT e.id, (SELECT coalesce(max(sequence), 0) FROM hedging_auditlink) + row_number() OVER (ORDER BY e.id),
       encode(sha256(e.digest::bytea), 'hex')
FROM hedging_auditevent e WHERE e.session_id BETWEEN {first} AND {last} ORDER BY e.id
"""
_SNAPSHOTS = """
INSERT INTO sessions_app_marginsnapshot (session_id, mode, at, broker_used, used, utilization_pct, free_margin, spot, unknown_reason)
SELECT s.id, s.mode, s.opened_at + n * interval '1 second' * (6 * 3600 / {readings}), 5e5 + n, 5e5 + n, 50 + n %% 40, 5e5, 26000, ''
FROM sessions_app_tradingsession s, generate_series(0, {readings} - 1) n
WHERE s.id BETWEEN {first} AND {last} ORDER BY s.id, n
"""
_JUMPS = """
INSERT INTO hedging_marginjump (session_id, mode, kind, subject, at, forecast, forecast_source, before, after, measured_at,
       hedged, baskets, index, dte, book, note)
SELECT s.id, s.mode, CASE n %% 2 WHEN 0 THEN 'entry' ELSE 'hedge' END, 'ITJ_NF ' || n, s.opened_at + n * interval '5 minutes',
       270000, 'broker', 740000, 740000 + (n %% 3 - 1) * 265000, s.opened_at + n * interval '6 minutes', true, 1, s.index,
       s.dte, '{{"spot": 26000}}', ''
FROM sessions_app_tradingsession s, generate_series(1, 10) n WHERE s.id BETWEEN {first} AND {last} ORDER BY s.id, n
"""
_ALERTS = """
INSERT INTO notifications_alert (kind, severity, title, facts, subject_kind, subject_id, account_id, happened_at,
       next_attempt_at, attempts, last_error, delivered_at)
SELECT 'hedge_bought', (ARRAY['info', 'info', 'warning', 'critical'])[1 + n %% 4], 'Hedge ' || n || ' bought',
       '{{"cost": "526.50"}}', 'session', s.id, s.account_id, s.opened_at, s.opened_at, 1, '', s.opened_at
FROM sessions_app_tradingsession s, generate_series(1, 25) n WHERE s.id BETWEEN {first} AND {last} ORDER BY s.id, n
"""
_PAPER = """
INSERT INTO hedging_paperorder (account_id, trading_day, order_id, symbol, product, side, quantity, limit_price, status,
       placed_at, trades)
SELECT o.account_id, o.trading_day, 'P' || o.id, t.symbol, t.product, t.side, o.quantity, 4.15, 'complete', o.created_at,
       '[[130, "4.05"]]'
FROM hedging_hedgeorder o JOIN hedging_hedgetransaction t ON t.id = o.transaction_id
WHERE o.mode = 'dry_run' AND t.session_id BETWEEN {first} AND {last} ORDER BY o.id
"""
# The last leg bought in each of today's sessions is at work: half of the orders are acknowledged, half unknown.
_WORKING = """
WITH live AS (
    UPDATE hedging_hedgetransaction SET is_live = true, ended_at = NULL, filled_quantity = 0, average_price = NULL, charges = 0
    WHERE id IN (SELECT max(id) FROM hedging_hedgetransaction WHERE session_id BETWEEN {first} AND {last}
                 AND id %% 10 <> 0 GROUP BY session_id) RETURNING id, session_id),
orders AS (
    UPDATE hedging_hedgeorder o SET status = CASE live.session_id %% 2 WHEN 0 THEN 'acked' ELSE 'unknown' END
    FROM live WHERE o.transaction_id = live.id RETURNING o.id)
DELETE FROM hedging_fill WHERE order_id IN (SELECT id FROM orders)
"""
_STEPS = {
    "decisions": _DECISIONS, "transactions": _TRANSACTIONS, "orders": _ORDERS, "fills": _FILLS, "audit events": _EVENTS,
    "audit links": _LINKS, "snapshots": _SNAPSHOTS, "jumps": _JUMPS, "alerts": _ALERTS, "paper orders": _PAPER,
}  # fmt: skip

_TABLES = sorted({statement.split()[2] for statement in _STEPS.values()})


def write_rows(*, transactions: int, snapshots: int, wall_now: datetime, say: Callable[[str], None]) -> None:
    """Fill an empty database with at least so many rows, and today's open sessions with those of a normal morning."""
    closed = _sessions()
    first, last = closed[0], closed[-1]
    each = -(-transactions // len(closed) // LEGS) + 1  # decisions that act, of one session
    with connection.cursor() as cursor:
        # A bench may do without waiting for the disk and without the chain's trigger: a link is written for each event.
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET session_replication_role = replica")
    indexes = _without_indexes()
    _write(first, last, cards=2 * each, every=2, readings=-(-snapshots // len(closed)), say=say)
    _write(last + 1, last + ACCOUNTS, cards=300, every=20, readings=110, say=say, then={"working orders": _WORKING})
    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for definition in indexes:
            cursor.execute(definition)
    say(f"  {len(indexes)} indexes in {time.monotonic() - began:.0f} s")
    for session in TradingSession.objects.open():
        BookCheck.objects.create(session=session, read_at=NOW, read_wall=wall_now)
    Heartbeat.objects.bulk_create(Heartbeat(name=name, wall_at=wall_now) for name in ("beat", "cycle", "orders"))
    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("RESET synchronous_commit")
    say(f"  vacuumed and analyzed in {time.monotonic() - began:.0f} s")


def _without_indexes() -> list[str]:
    """Drop the indexes that are no constraints, and return what makes them again: once for all rows is much faster."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = ANY(%s)"
            " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname)",
            [list(_TABLES)],
        )
        found = cursor.fetchall()
        for name, _ in found:
            cursor.execute(f'DROP INDEX "{name}"')
    return [str(definition) for _, definition in found]


def _write(
    first: int,
    last: int,
    *,
    cards: int,
    every: int,
    readings: int,
    say: Callable[[str], None],
    then: dict[str, str] | None = None,
) -> None:
    figures = {"first": first, "last": last, "cards": cards, "every": every, "readings": readings, "legs": LEGS}
    values = {"card": json.dumps(CARD), "gates": json.dumps(GATES)}
    for name, statement in (_STEPS | (then or {})).items():
        began = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute(statement.format(**figures), values)
            rows = cursor.rowcount
        say(f"  {rows:>9,} {name} of {last - first + 1} sessions in {time.monotonic() - began:.0f} s")


def _sessions() -> list[int]:
    """Write the sessions of all days in order of time; return the ids of those that are closed."""
    accounts = [
        Account.objects.create(name=f"account {n}", mode=Mode.LIVE if n % 2 else Mode.DRY_RUN)
        for n in range(1, ACCOUNTS + 1)
    ]
    rows = []
    for day in reversed(list(_days())):
        opened = datetime(day.year, day.month, day.day, 3, 40, tzinfo=UTC)
        thursday = day.weekday() >= 2  # after Tuesday's expiry, SENSEX is traded
        rows += [
            TradingSession(
                account=account,
                trading_day=day,
                mode=account.mode,
                index="SENSEX" if thursday else "NIFTY",
                expiry=day + timedelta(days=(3 if thursday else 1) - day.weekday()),
                dte=0,
                baseline=Decimal(0),
                baseline_at=opened,
                opened_at=opened,
                closed_at=None if day == TODAY else opened + timedelta(hours=6.5),
                summary={} if day == TODAY else dict(_SUMMARY),
            )
            for account in accounts
        ]
    TradingSession.objects.bulk_create(rows)
    return [row.pk for row in rows if row.closed_at is not None]


_SUMMARY = {
    "spend": "5200.50",
    "recovery": "2100.25",
    "charges": "340.10",
    "net": "-3440.35",
    "peak_utilization_pct": "94.10",
}


def _days() -> Iterator[date]:
    day, found = TODAY, 0
    while found < DAYS:
        if day.weekday() < 5:  # Monday to Friday
            found += 1
            yield day
        day -= timedelta(days=1)
