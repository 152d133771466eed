"""Baseline: what the account's margin held before today's first short, read once, automatically."""

from __future__ import annotations

from datetime import datetime

from hedging.domain.facts import CycleFacts
from hedging.engine.ports import Ports
from hedging.engine.sessions import capture_baseline
from schedule.calendar import IST
from sessions_app.models import MarginSnapshot, TradingSession


def capture_first_reading(
    *, session: TradingSession, facts: CycleFacts, first_entry_at: datetime | None, ports: Ports
) -> bool:
    """Take the first good funds reading at or after the open as baseline, if no short of the session is in the book yet.

    Where none fell between the open and the first short, the last reading of the day before its first entry stands in:
    nothing of ours was in the book then either. Returns whether a baseline was captured now; `session` then carries it.
    Started later than that, it stays unknown and a person must set it: a guess would be wrong by a straddle.
    """
    if session.baseline is not None or facts.funds is None or facts.positions is None or facts.window is None:
        return False
    if facts.now < facts.window.act_from:
        return False
    used, source = facts.funds.utilised, "first funds reading after the open, no short of the session in the book"
    if any(p.quantity < 0 and p.contract.expiry == facts.session.expiry for p in facts.positions):
        before = _last_before(session, first_entry_at)
        if before is None or before.broker_used is None:
            return False
        used, source = (
            before.broker_used,
            f"last funds reading before the first entry, {before.at.astimezone(IST):%H:%M:%S} IST",
        )
    captured = capture_baseline(
        session=session, used=used, source=source, now=facts.now, wall_now=ports.wall(), actor="engine"
    )
    session.refresh_from_db(fields=["baseline", "baseline_at", "baseline_source"])
    return captured


def _last_before(session: TradingSession, first_entry_at: datetime | None) -> MarginSnapshot | None:
    if first_entry_at is None:
        return None
    rows = MarginSnapshot.objects.filter(session=session, at__lt=first_entry_at, broker_used__isnull=False)
    return rows.order_by("-at", "-id").first()
