"""System checks: settings that are each valid and contradict one another. `manage.py check` names them by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's own word
from django.http.request import validate_host

_SHORTEST_KEY = 20
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


@register(Tags.security)
def keys_differ(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """One secret opens one door, and is not short enough to be guessed."""
    key = settings.HEDGE_API_KEY
    if not key:
        return []
    found: list[CheckMessage] = []
    if key in {settings.OPENALGO_API_KEY, settings.SECRET_KEY}:
        found.append(
            Error(
                "HEDGE_API_KEY is the same as OPENALGO_API_KEY or SECRET_KEY.",
                hint="Make one of its own: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
                id="hedging.E001",
            )
        )
    if len(key) < _SHORTEST_KEY:
        found.append(
            Warning(
                f"HEDGE_API_KEY has fewer than {_SHORTEST_KEY} characters.",
                hint="Make a long one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
                id="hedging.W001",
            )
        )
    return found


@register(Tags.security)
def hosts_agree(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """What HOST serves, ALLOWED_HOSTS and CSRF_TRUSTED_ORIGINS must let in."""
    found: list[CheckMessage] = []
    if not settings.LOOPBACK_BIND and set(settings.ALLOWED_HOSTS) <= _LOOPBACK_NAMES:
        found.append(
            Error(
                f"HOST={settings.HOST} serves the network, and ALLOWED_HOSTS lets in this machine's own names only.",
                hint="Add the name or address that browsers will use to ALLOWED_HOSTS, or set HOST=127.0.0.1.",
                id="hedging.E002",
            )
        )
    if not settings.LOOPBACK_BIND and "*" in settings.ALLOWED_HOSTS:
        found.append(
            Warning(
                "ALLOWED_HOSTS=* on an address of the network lets any web page pretend to be this one.",
                hint="List the names that browsers will use.",
                id="hedging.W002",
            )
        )
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        host = urlsplit(origin).hostname or ""
        if not validate_host(host.replace("*", "any", 1), settings.ALLOWED_HOSTS):
            found.append(
                Error(
                    f"CSRF_TRUSTED_ORIGINS trusts {origin}, and ALLOWED_HOSTS refuses it.",
                    hint=f"Add {host} to ALLOWED_HOSTS, or remove the origin.",
                    id="hedging.E003",
                )
            )
    return found


@register()
def alerts_have_an_address(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Telegram wants a token and a chat: one alone delivers nothing."""
    if bool(settings.TELEGRAM_BOT_TOKEN) == bool(settings.TELEGRAM_CHAT_ID):
        return []
    missing = "TELEGRAM_CHAT_ID" if settings.TELEGRAM_BOT_TOKEN else "TELEGRAM_BOT_TOKEN"
    return [
        Warning(
            f"{missing} is not set, its companion is: no alert will reach Telegram.",
            hint=f"Set {missing}, or remove the other.",
            id="hedging.W003",
        )
    ]


@register()
def policy_can_act(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Figures that are in bounds one by one, and together buy nothing or buy and sell in circles."""
    policy = settings.HEDGE_POLICY
    found: list[CheckMessage] = []
    if settings.AUTO_HEDGE_ENABLED and policy.max_cost_per_day <= 0:
        found.append(
            Warning(
                "AUTO_HEDGE_ENABLED=true with HEDGE_MAX_COST_PER_DAY=0: automation can never buy.",
                hint="Raise the cap, or set AUTO_HEDGE_ENABLED=false.",
                id="hedging.W004",
            )
        )
    if policy.cooldown_seconds > policy.lookahead_minutes * 60:
        found.append(
            Warning(
                f"HEDGE_COOLDOWN_SECONDS={policy.cooldown_seconds} is longer than HEDGE_LOOKAHEAD_MINUTES="
                f"{policy.lookahead_minutes}: a second entry may come while the first hedge still forbids another.",
                hint="Shorten the cooldown or lengthen the lookahead.",
                id="hedging.W005",
            )
        )
    if policy.exit_buffer_minutes < policy.lookahead_minutes:
        found.append(
            Warning(
                f"HEDGE_EXIT_BUFFER_MINUTES={policy.exit_buffer_minutes} is shorter than HEDGE_LOOKAHEAD_MINUTES="
                f"{policy.lookahead_minutes}: a hedge may be sold minutes before it is bought again.",
                hint="Make the exit buffer at least as long as the lookahead.",
                id="hedging.W006",
            )
        )
    return found
