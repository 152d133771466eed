"""Manual orders for every interface: preview and token, then confirmation. API, admin and commands make these calls.

An order is taken once for each preview; the same key and body gets the first answer again, whenever it comes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from hedging import manual_tokens
from hedging.domain.manual import Deed, Preview, WantedLeg, quoted
from hedging.engine import manual, manual_claim
from hedging.engine.clock import wall_now
from hedging.engine.manual_claim import By, Claimed, ManualRefused, Request
from hedging.engine.ticks import Rules
from hedging.manual_requests import LONGEST_KEY
from hedging.manual_tokens import TokenRefused
from hedging.wiring import rules
from sessions_app.models import TradingSession

__all__ = ["By", "Claimed", "ManualRefused", "Offer", "TokenRefused", "confirm", "preview_buy", "preview_exit"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A preview, and the token that confirms it within 30 seconds; no token where it is refused."""

    preview: Preview
    token: str | None


def preview_buy(
    *,
    session: TradingSession,
    legs: Sequence[WantedLeg],
    by: By,
    even_so: bool = False,
    run_by: Rules | None = None,
) -> Offer:
    """Return what buying `legs` as one action would cost and do, and the token to confirm it.

    `even_so` overrides the refusals that are `overridable`. `run_by` is what the process runs by where it is not given.
    Raises `ValueError` for legs that are no order (`Wanted`), `ReferenceMissing`, `ClockUnavailable`.
    """
    preview = manual.preview_buy(session_id=session.pk, legs=legs, rules=run_by or rules(), even_so=even_so)
    return _offer(preview, by)


def preview_exit(
    *,
    session: TradingSession,
    legs: Sequence[WantedLeg] = (),
    by: By,
    even_so: bool = False,
    run_by: Rules | None = None,
) -> Offer:
    """Return what selling hedges as one action would bring and do, and the token to confirm it.

    No legs: every hedge that is held. A leg without lots: all of that hedge. Raises like `preview_buy`.
    """
    preview = manual.preview_exit(session_id=session.pk, legs=legs, rules=run_by or rules(), even_so=even_so)
    return _offer(preview, by)


def confirm(*, token: str, by: By, key: str = "", deed: Deed | None = None, run_by: Rules | None = None) -> Claimed:
    """Take the order that `token` promises and have it sent; `key` is the Idempotency-Key, the token itself without one.

    `deed` is what the caller is allowed: a token of the other deed is refused like one that is not ours.
    Raises `TokenRefused` and `ManualRefused`; in both, nothing was claimed by this call.
    """
    if len(key) > LONGEST_KEY or not key.isprintable():
        words = f"An Idempotency-Key has at most {LONGEST_KEY} printable characters."
        raise ManualRefused("IDEMPOTENCY_KEY_INVALID", words, {"most_characters": LONGEST_KEY})
    body_hash = hashlib.sha256(token.encode()).hexdigest()
    asked = Request(key=key or body_hash, body_hash=body_hash, preview="")
    # A repeated request gets its answer although its preview has run out meanwhile.
    known = manual_claim.answer_of(by=by, request=asked)
    if known is not None:
        return known
    opened = manual_tokens.open_token(token=token, holder=by.name, wall_now=wall_now())
    if deed is not None and opened.quoted.deed is not deed:
        other = opened.quoted.deed.value
        raise TokenRefused("PREVIEW_INVALID", f"This is the preview of another order: confirm it as {other}.")
    asked = Request(key=asked.key, body_hash=body_hash, preview=opened.name)
    return manual_claim.confirm(quoted=opened.quoted, by=by, request=asked, rules=run_by or rules())


def _offer(preview: Preview, by: By) -> Offer:
    if not preview.allowed:
        return Offer(preview, None)
    return Offer(preview, manual_tokens.seal(quoted=quoted(preview), holder=by.name, wall_now=wall_now()))
