"""Keys: make one, and tell whose key was shown. Constant-time compare, counted failures, and no lock for a right key on loopback."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest

from hedging.access import lockout
from hedging.access.models import ApiKey
from hedging.access.rules import KeyHolder, client_address, is_direct_loopback
from hedging.domain.roles import Scope

_SHAPE: Final = re.compile(r"ah_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")
# "Last used" is for a person who wonders whether a key may go: a minute is exact enough, and spares a write a request.
_USE_IS_NOTED_EVERY: Final = timedelta(minutes=1)


class KeyRefused(Exception):
    """The key that was shown opens nothing. The message is fit for whoever showed it."""


class LockedOut(Exception):
    """Too many failures from here: come back after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many wrong keys, passwords or codes from here. Try again in {_words(seconds)}.")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: its row, and the text that is shown this once."""

    row: ApiKey
    shown: str


def make_key(
    *, name: str, scopes: Collection[Scope], expires_at: datetime | None, made_by: str, wall_now: datetime
) -> NewKey:
    """Make a key with 256 random bits; of its secret only the hash is kept."""
    prefix = secrets.token_hex(4)
    shown = f"ah_{prefix}_{secrets.token_urlsafe(32)}"
    row = ApiKey.objects.create(
        name=name,
        prefix=prefix,
        digest=hashlib.sha256(shown.encode()).hexdigest(),
        scopes=sorted(scope.value for scope in scopes),
        expires_at=expires_at,
        created_by=made_by,
        created_at=wall_now,
    )
    return NewKey(row=row, shown=shown)


def revoke(key: ApiKey, *, by: str, wall_now: datetime) -> bool:
    """Revoke a key for ever; return False when it was revoked already."""
    found = ApiKey.objects.filter(pk=key.pk, revoked_at=None)
    return bool(found.update(revoked_at=wall_now, revoked_by=by))


def holder_of(shown: str, *, request: HttpRequest, wall_now: datetime) -> KeyHolder:
    """Return who showed a key.

    A right key is let in from loopback whatever others did before; from elsewhere a locked source is refused without a
    word about the key, so that guessing stops for all guesses.

    Raises:
        KeyRefused: the key is wrong (which is counted), revoked or expired.
        LockedOut: too many failures from this address, or for this key's prefix from anywhere.
    """
    holder, refusal = _find(shown, wall_now=wall_now)
    if holder is not None and is_direct_loopback(request):
        return holder
    sources = _sources(shown, request)
    if seconds := lockout.seconds_locked(sources, wall_now=wall_now):
        raise LockedOut(seconds)
    if holder is not None:
        return holder
    if not refusal:
        lockout.count_failure(sources, wall_now=wall_now)
    raise KeyRefused(refusal or "This API key is not valid here.")


def _find(shown: str, *, wall_now: datetime) -> tuple[KeyHolder | None, str]:
    """Return the holder; or why a key whose secret is right opens nothing; or neither for a wrong one."""
    given = hashlib.sha256(shown.encode(errors="surrogatepass")).digest()
    configured = settings.HEDGE_API_KEY
    if configured and shown and hmac.compare_digest(given, hashlib.sha256(configured.encode()).digest()):
        return KeyHolder(name="api key", scopes=frozenset(Scope)), ""
    shape = _SHAPE.fullmatch(shown)
    row = ApiKey.objects.filter(prefix=shape[1]).first() if shape else None
    kept = bytes.fromhex(row.digest) if row is not None else bytes(len(given))
    if not hmac.compare_digest(given, kept) or row is None:
        return None, ""
    if refusal := row.refusal(wall_now=wall_now):
        return None, refusal
    note_from = Q(last_used_at=None) | Q(last_used_at__lte=wall_now - _USE_IS_NOTED_EVERY)
    if row.last_used_at is None or row.last_used_at <= wall_now - _USE_IS_NOTED_EVERY:
        ApiKey.objects.filter(note_from, pk=row.pk).update(last_used_at=wall_now)
    return KeyHolder(name=f"api key {row}", scopes=frozenset(Scope(word) for word in row.scopes)), ""


def _sources(shown: str, request: HttpRequest) -> list[str]:
    shape = _SHAPE.fullmatch(shown)
    return [f"key from {client_address(request)}", *([f"key {shape[1]}"] if shape else [])]


def _words(seconds: int) -> str:
    return f"{seconds} seconds" if seconds < 120 else f"{-(-seconds // 60)} minutes"
