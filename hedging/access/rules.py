"""Who may look and who may act: the settings' word, the API key, and people who are logged in (orders.md §9)."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

LID_CLOSED: Final = "Orchestrator not initialized: set AUTO_HEDGE_ENABLED=true and restart"
RESUME_TRADING: Final = "sessions_app.resume_trading"
"""The permission of traders and administrators to resume; whoever may write may halt and reduce."""
# A reverse proxy makes every visitor look local; any of these headers means that there is one.
_FORWARDING: Final = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")


def reads_are_open(request: HttpRequest) -> bool:
    """Return whether anybody may look: in the simulator's world on a loopback bind, and in dev mode."""
    return (settings.WORLD == "simulator" and settings.LOOPBACK_BIND) or dev_mode_opens(request)


def may_read(request: HttpRequest) -> bool:
    """Return whether the visitor of a page may look: open reads, or a login."""
    return reads_are_open(request) or bool(getattr(request, "user", None) and request.user.is_authenticated)


def dev_mode_opens(request: HttpRequest) -> bool:
    """Return whether HEDGE_DEV_MODE lets this request read and write without a key or a login.

    Only on a loopback bind, not through a proxy, and not from another site's page: an `Origin` must be our own.
    """
    if not (settings.HEDGE_DEV_MODE and settings.LOOPBACK_BIND):
        return False
    if any(name in request.headers for name in _FORWARDING):
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.get_host()


def is_api_key(given: str) -> bool:
    """Return whether `given` is HEDGE_API_KEY; the comparison takes the same time for every wrong key."""
    key = settings.HEDGE_API_KEY
    if not key or not given:
        return False
    return hmac.compare_digest(_digest(given), _digest(key))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
