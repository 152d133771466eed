"""Confirm a manual order: look again, then claim by the same path as every automatic order, once for each preview.

Network first, then one transaction: the request's row (unique by caller and key, and by preview), the claim, the answer.
Whoever confirms the same again waits at the unique constraint and gets the first answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from hedging.domain.decided import ByHand, Decision, Hold, LegOrder
from hedging.domain.guards import Gate
from hedging.domain.manual import Preview, Quoted, Refusal, Wanted, WantedLeg
from hedging.domain.reasons import REASON_TEXT, Reason
from hedging.engine import audit, watchdog
from hedging.engine.intents import Recorded, record
from hedging.engine.jumps import expect_release
from hedging.engine.manual import WORKERS, Look, card_of_look, look
from hedging.engine.ticks import Rules
from hedging.manual_requests import ManualRequest
from hedging.models import CycleKind, HedgeDecision, Origin
from notifications.models import Severity, queue_alert


@dataclass(frozen=True, slots=True)
class By:
    """Who confirms: a name that no other caller has (a user, the name of a key), and where it came from."""

    name: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Request:
    """One confirmation as it was sent: its Idempotency-Key, the SHA-256 of its body, the name of its preview."""

    key: str
    body_hash: str
    preview: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A manual order that was taken: its card, its transactions, and whether this is the answer to an earlier request."""

    decision_id: int
    transaction_ids: tuple[int, ...]
    repeated: bool = False


class ManualRefused(Exception):
    """A manual order was not taken; nothing was reserved. `code` is stable, `facts` the figures that refused it.

    `code` is a reason (`DENY_…`), or IDEMPOTENCY_MISMATCH, PREVIEW_USED, WORKER_DOWN. `unavailable` tells that something
    behind us is away: the same may be sent again later. `repeated` tells that this is the answer to an earlier request.
    """

    def __init__(
        self,
        code: str,
        message: str,
        facts: Mapping[str, Any] | None = None,
        *,
        unavailable: bool = False,
        repeated: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.facts = dict(facts or {})
        self.unavailable = unavailable
        self.repeated = repeated


@dataclass(frozen=True, slots=True)
class _Taken:
    """What one transaction came to: the stored answer, and the decision with its card and the slices to send."""

    request: ManualRequest
    decision: Decision
    recorded: Recorded


def answer_of(*, by: By, request: Request) -> Claimed | None:
    """Return the first answer to this request, `None` when it was never made. One query.

    Raises `ManualRefused` where the first answer was a refusal, and IDEMPOTENCY_MISMATCH where the key was used for
    another body.
    """
    row = ManualRequest.objects.filter(actor=by.name, key=request.key).first()
    return None if row is None else _answer(row, request, repeated=True)


def confirm(*, quoted: Quoted, by: By, request: Request, rules: Rules) -> Claimed:
    """Claim what a preview promised and hand its slices to the worker's queue; return what was claimed.

    Prices are read again: a touch beyond the promised worst price refuses all of it. Raises `ManualRefused`; WORKER_DOWN
    and reads that failed leave no trace, every other refusal is kept as the answer and as a decision card.
    """
    known = answer_of(by=by, request=request)
    if known is not None:
        return known
    _check_unused(request)
    wanted = Wanted(quoted.deed, tuple(WantedLeg(leg.contract, leg.lots) for leg in quoted.legs), quoted.even_so)
    seen = look(session_id=quoted.session_id, wanted=wanted, rules=rules, promised=quoted)
    _check_worker(seen)
    _check_reads(seen)
    try:
        with transaction.atomic():
            taken = _take(seen, quoted, by, request)
    except IntegrityError:
        known = answer_of(by=by, request=request)
        if known is not None:
            return known
        _check_unused(request)
        raise
    for order_id in taken.recorded.order_ids:
        seen.ports.nudge_send(order_id)
    expect_release(card=taken.recorded.card, decision=taken.decision, facts=seen.facts, session=seen.session)
    return _answer(taken.request, request, repeated=False)


def _check_worker(seen: Look) -> None:
    queue = WORKERS[seen.preview.wanted.deed.side]
    if not watchdog.is_alive(name=queue, wall_now=seen.ports.wall()):
        raise ManualRefused(
            "WORKER_DOWN",
            f"No worker would send it now, so nothing was claimed: start the worker of the queue {queue}.",
            {"queue": queue, "silent_for_more_than_seconds": int(watchdog.SILENCE.total_seconds())},
            unavailable=True,
        )


def _check_reads(seen: Look) -> None:
    """Refuse without a trace what could not be looked at: the same confirmation may succeed in a moment."""
    failed = [r for r in seen.preview.refusals if r.reason is Reason.DENY_READS_FAILED]
    if failed:
        raise ManualRefused(failed[0].reason.value, failed[0].text, failed[0].facts, unavailable=True)


def _check_unused(request: Request) -> None:
    row = ManualRequest.objects.filter(preview=request.preview).first()
    if row is not None:
        raise ManualRefused(
            "PREVIEW_USED",
            "This preview was confirmed before, with another key: look at what became of it, or make a new one.",
            {"transactions": row.answer.get("transactions", []), "decision": row.answer.get("decision")},
        )


def _take(seen: Look, quoted: Quoted, by: By, request: Request) -> _Taken:
    """Write the request's row, claim, and write the answer. One transaction; the row comes first, and waits for its twin."""
    row = ManualRequest.objects.create(
        session_id=seen.session.pk,
        actor=by.name,
        key=request.key,
        body_hash=request.body_hash,
        preview=request.preview,
        at=seen.facts.now,
        wall_at=seen.ports.wall(),
    )
    refusal = _refusal(seen.preview, quoted)
    decision = _decision(seen, quoted, by) if refusal is None else _hold(seen, refusal, by)
    recorded = record(
        decision=decision,
        facts=seen.facts,
        session=seen.session,
        kind=CycleKind.MANUAL,
        slot=None,
        ports=seen.ports,
        origin=by.origin,
        actor=by.name,
    )
    if recorded is None:
        raise RuntimeError("a decision without a slot was taken for one that was made before")
    card = recorded.card
    row.accepted = bool(recorded.order_ids)
    row.answer = _accepted(card) if row.accepted else _denied(card, refusal)
    row.save(update_fields=["accepted", "answer"])
    if row.accepted:
        _tell(card, seen, by)
    else:
        _audit_refusal(card, seen, by, row.answer)
    return _Taken(row, decision, recorded)


def _refusal(preview: Preview, quoted: Quoted) -> Refusal | None:
    if preview.policy_version != quoted.policy_version:
        reason = Reason.DENY_POLICY_CHANGED
        figures = {"shown": quoted.policy_version, "now": preview.policy_version}
        return Refusal(reason, REASON_TEXT[reason], "look at a new preview", figures, overridable=False)
    if len(preview.legs) < len(quoted.legs):
        reason = Reason.DENY_BEYOND_HELD
        return Refusal(reason, REASON_TEXT[reason], "look at a new preview", {}, overridable=False)
    # "Even so" was said of what the preview showed: what came since, nobody has looked at.
    unseen = [refusal for refusal in preview.overridden if refusal.shown not in quoted.overridden]
    return next(iter((*preview.refusals, *unseen)), None)


def _decision(seen: Look, quoted: Quoted, by: By) -> ByHand:
    reason = quoted.deed.reason
    legs = tuple(
        LegOrder(leg.contract, leg.side, leg.quantity, leg.limit_price, leg.worst_price, reason)
        for leg in seen.preview.legs
        if leg.limit_price is not None and leg.worst_price is not None
    )
    return ByHand(reason, seen.preview.gates, legs, _card(seen, by))


def _hold(seen: Look, refusal: Refusal, by: By) -> Hold:
    gates = seen.preview.gates
    if not any(not gate.passed and gate.reason is refusal.reason for gate in gates):
        gates = (*gates, Gate("preview", passed=False, detail=refusal.text, reason=refusal.reason))
    return Hold(refusal.reason, gates, _card(seen, by) | {"denied": refusal.text})


def _card(seen: Look, by: By) -> dict[str, Any]:
    card = card_of_look(seen)
    card["manual"] = {**card["manual"], "by": by.name, "origin": by.origin.value}
    return card


def _accepted(card: HedgeDecision) -> dict[str, Any]:
    ids = list(card.transactions.order_by("id").values_list("id", flat=True))
    return {"decision": card.pk, "transactions": ids}


def _denied(card: HedgeDecision, refusal: Refusal | None) -> dict[str, Any]:
    """Return the answer of a refusal: our own, or what the session's row said at the claim."""
    if refusal is not None:
        message = f"{refusal.text}: {refusal.fix}" if refusal.fix else refusal.text
        figures: dict[str, Any] = dict(refusal.facts)
    else:
        detail = str(card.facts.get("denied", ""))
        message = f"{REASON_TEXT[Reason(card.reason)]} {detail}".strip()
        figures = {"detail": detail}
    return {"decision": card.pk, "code": card.reason, "message": message, "facts": figures}


def _answer(row: ManualRequest, request: Request, *, repeated: bool) -> Claimed:
    if row.body_hash != request.body_hash:
        raise ManualRefused(
            "IDEMPOTENCY_MISMATCH",
            "This Idempotency-Key was used for another request: use a new key for a new order.",
            {"key": row.key, "used_at": row.wall_at.isoformat()},
        )
    answer = row.answer
    if not row.accepted:
        facts = {**answer["facts"], "decision": answer["decision"]}
        raise ManualRefused(answer["code"], answer["message"], facts, repeated=repeated)
    return Claimed(answer["decision"], tuple(answer["transactions"]), repeated=repeated)


def _tell(card: HedgeDecision, seen: Look, by: By) -> None:
    legs = ", ".join(f"{leg.quantity} {leg.symbol}" for leg in seen.preview.legs)
    verb = "Buying" if seen.preview.legs[0].side.sign > 0 else "Selling"
    queue_alert(
        kind="manual_order",
        severity=Severity.INFO,
        title=f"{verb} by hand: {legs}",
        happened_at=card.at,
        wall_now=seen.ports.wall(),
        facts={
            "mode": card.mode,
            "by": by.name,
            "even_so": "; ".join(seen.preview.warnings) if seen.preview.wanted.even_so else "",
        },
        subject_kind="hedgedecision",
        subject_id=card.pk,
        account_id=seen.session.account_id,
    )


def _audit_refusal(card: HedgeDecision, seen: Look, by: By, answer: Mapping[str, Any]) -> None:
    audit.append(
        account_id=seen.session.account_id,
        session_id=seen.session.pk,
        at=card.at,
        wall_at=seen.ports.wall(),
        actor=by.name,
        event="manual_refused",
        subject=card,
        facts={"code": answer["code"], "reason": answer["message"]},
    )
