"""Baseline: what the account's margin held before today's first short, read once, automatically."""

from __future__ import annotations

from datetime import datetime, timedelta

from hedging.domain.facts import CycleFacts
from hedging.domain.instruments import Product
from hedging.engine.ports import Ports
from hedging.engine.sessions import capture_baseline
from schedule.calendar import IST
from sessions_app.models import MarginSnapshot, TradingSession

READS_TAKE = timedelta(seconds=10)
"""How long after its cycle began a funds reading may have been made: the read budget of a cycle."""


def capture_first_reading(
    *, session: TradingSession, facts: CycleFacts, first_entry_at: datetime | None, ports: Ports
) -> bool:
    """Take the first good funds reading at or after the open as baseline, if no short of today is in the book yet.

    While an entry is just due nothing is taken: its margin may be blocked before the book shows it. Shorts in the book
    before today's first entry came overnight and belong into the baseline, unless they are intraday (MIS) ones. Where none
    fell between the open and the first short, the last reading of the day before its first entry stands in: nothing of ours
    was in the book then either. Returns whether a baseline was captured now; `session` then carries it. Started later than
    that, it stays unknown and a person must set it: a guess would be wrong by a straddle.
    """
    if session.baseline is not None or facts.funds is None or facts.positions is None or facts.window is None:
        return False
    if facts.now < facts.window.act_from:
        return False
    used, source = facts.funds.utilised, "first funds reading after the open, no short of today in the book"
    if _short_today(facts, first_entry_at):
        before = _last_before(session, first_entry_at)
        if before is None or before.broker_used is None:
            return False
        used, source = (
            before.broker_used,
            f"last funds reading before the first entry, {before.at.astimezone(IST):%H:%M:%S} IST",
        )
    elif facts.just_due:
        return False
    captured = capture_baseline(
        session=session, used=used, source=source, now=facts.now, wall_now=ports.wall(), actor="engine"
    )
    session.refresh_from_db(fields=["baseline", "baseline_at", "baseline_source"])
    return captured


def _short_today(facts: CycleFacts, first_entry_at: datetime | None) -> bool:
    """Return whether a short of the session's expiry may have been sold today: every one from the first entry on."""
    shorts = [p for p in facts.positions or () if p.quantity < 0 and p.contract.expiry == facts.session.expiry]
    if first_entry_at is not None and facts.seen_at < first_entry_at:
        shorts = [p for p in shorts if p.product is Product.MIS]
    return bool(shorts)


def _last_before(session: TradingSession, first_entry_at: datetime | None) -> MarginSnapshot | None:
    if first_entry_at is None:
        return None
    latest = first_entry_at - READS_TAKE
    rows = MarginSnapshot.objects.filter(session=session, at__lte=latest, broker_used__isnull=False)
    return rows.order_by("-at", "-id").first()
