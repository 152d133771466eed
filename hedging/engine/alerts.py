"""Alerts about a decision: holds that an operator must know of, told once when they begin, not on every tick."""

from __future__ import annotations

from datetime import datetime

from hedging.domain.reasons import REASON_TEXT, Reason
from hedging.models import CycleKind, HedgeDecision
from notifications.models import Severity, queue_alert

_WORTH_TELLING: dict[Reason, tuple[str, Severity]] = {
    Reason.HOLD_DATA_UNKNOWN: ("data_unknown", Severity.CRITICAL),
    Reason.HOLD_NO_BASELINE: ("data_unknown", Severity.WARNING),
    Reason.HOLD_NOT_RECONCILED: ("data_unknown", Severity.CRITICAL),
    Reason.HOLD_UNREACHABLE: ("entry_unreachable", Severity.CRITICAL),
    Reason.HOLD_NO_CANDIDATE_IN_BAND: ("no_candidate", Severity.CRITICAL),
    Reason.HOLD_COST_CAP: ("cost_cap", Severity.CRITICAL),
    Reason.DENY_COST_CAP: ("cost_cap", Severity.CRITICAL),
}


def about(card: HedgeDecision, *, wall_now: datetime) -> None:
    """Queue the alert that a card deserves, in the card's own transaction, unless the card before it already said the same."""
    worth = _WORTH_TELLING.get(Reason(card.reason))
    if worth is None:
        return
    before = (
        HedgeDecision.objects.filter(session_id=card.session_id, pk__lt=card.pk)
        .exclude(kind=CycleKind.MANUAL)
        .order_by("-pk")
        .first()
    )
    if before is not None and before.reason == card.reason:
        return
    kind, severity = worth
    entries = ", ".join(entry["portfolio"] for entry in card.facts.get("projection", []))
    facts = {
        key: card.facts[key] for key in ("projected_pct", "floor_pct", "binding", "unknown") if card.facts.get(key)
    }
    queue_alert(
        kind=kind,
        severity=severity,
        title=REASON_TEXT[Reason(card.reason)],
        happened_at=card.at,
        wall_now=wall_now,
        facts=facts | {"mode": card.mode, "reason": card.reason, "entries": entries},
        subject_kind="hedgedecision",
        subject_id=card.pk,
        account_id=card.session.account_id,
    )
