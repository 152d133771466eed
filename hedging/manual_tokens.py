"""Preview tokens: what a person was shown, signed, for thirty seconds of wall time and for this person alone."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.signing import BadSignature, Signer

from hedging.brokers.openalgo.symbols import format_symbol, parse_symbol
from hedging.domain.manual import Deed, Quoted, QuotedLeg

VALID_FOR = timedelta(seconds=30)  # wall time
LONGEST = 8192
_SALT = "hedging.manual.preview"


class TokenRefused(Exception):
    """A token that cannot be confirmed. `code` is PREVIEW_INVALID, PREVIEW_NOT_YOURS or PREVIEW_EXPIRED."""

    def __init__(self, code: str, message: str, facts: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.facts = facts or {}


@dataclass(frozen=True, slots=True)
class Opened:
    """A token's content: its own name, and what was promised."""

    name: str
    quoted: Quoted


def seal(*, quoted: Quoted, holder: str, wall_now: datetime) -> str:
    """Return the token of a preview for `holder`: a user or the name of an API key."""
    return _signer().sign_object(
        {
            "name": secrets.token_hex(16),
            "holder": holder,
            "until": (wall_now + VALID_FOR).isoformat(),
            "session": quoted.session_id,
            "deed": quoted.deed.value,
            "even_so": quoted.even_so,
            "policy": quoted.policy_version,
            "overridden": sorted(quoted.overridden),
            "legs": [
                [format_symbol(leg.contract), leg.lots, str(leg.limit_price), str(leg.worst_price)]
                for leg in quoted.legs
            ],
        }
    )


def open_token(*, token: str, holder: str, wall_now: datetime) -> Opened:
    """Return what a token promises to `holder`. Raises `TokenRefused`."""
    content = _content(token)
    if content["holder"] != holder:
        raise TokenRefused("PREVIEW_NOT_YOURS", "This preview was made for somebody else: make your own.")
    until = datetime.fromisoformat(content["until"])
    if wall_now >= until:
        late = (wall_now - until).total_seconds()
        raise TokenRefused(
            "PREVIEW_EXPIRED",
            f"The preview is older than {VALID_FOR.total_seconds():.0f} s: look at a new one.",
            {"valid_seconds": int(VALID_FOR.total_seconds()), "late_seconds": round(late, 1)},
        )
    legs = tuple(
        QuotedLeg(parse_symbol(symbol), lots, Decimal(limit), Decimal(worst))
        for symbol, lots, limit, worst in content["legs"]
    )
    overridden = frozenset(content.get("overridden", ()))
    promised = Quoted(
        content["session"], Deed(content["deed"]), content["even_so"], content["policy"], legs, overridden
    )
    return Opened(content["name"], promised)


def _content(token: str) -> Mapping[str, Any]:
    if len(token) > LONGEST:
        raise TokenRefused("PREVIEW_INVALID", "This is no preview token of ours.")
    try:
        content: Mapping[str, Any] = _signer().unsign_object(token)
    except (BadSignature, ValueError):  # a signature that fits was made here, and so was what it signs
        raise TokenRefused("PREVIEW_INVALID", "This is no preview token of ours.") from None
    return content


def _signer() -> Signer:
    return Signer(salt=_SALT)
