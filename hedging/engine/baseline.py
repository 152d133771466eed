"""Baseline: what the account's margin held before today's first short, read once, automatically."""

from __future__ import annotations

from hedging.domain.facts import CycleFacts
from hedging.engine.ports import Ports
from hedging.engine.sessions import capture_baseline
from sessions_app.models import TradingSession


def capture_first_reading(*, session: TradingSession, facts: CycleFacts, ports: Ports) -> bool:
    """Take the first good funds reading at or after the open as baseline, if no short of the session is in the book yet.

    Returns whether it was captured now; `session` then carries it. Started late, with shorts already sold, it stays
    unknown and a person must set it: a guess here would be wrong by a straddle.
    """
    if session.baseline is not None or facts.funds is None or facts.positions is None or facts.window is None:
        return False
    if facts.now < facts.window.act_from:
        return False
    shorts = [p for p in facts.positions if p.quantity < 0 and p.contract.index is facts.session.index]
    if any(p.contract.expiry == facts.session.expiry for p in shorts):
        return False
    captured = capture_baseline(
        session=session,
        used=facts.funds.utilised,
        source="first funds reading after the open, no short of the session in the book",
        now=facts.now,
        wall_now=ports.wall(),
        actor="engine",
    )
    session.refresh_from_db(fields=["baseline", "baseline_at", "baseline_source"])
    return captured
