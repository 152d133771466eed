"""Rules: whether this caller, in this world, by this address, holds a scope (design.md §4 and §6, orders.md §9)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.http import HttpRequest

from hedging.domain.roles import Scope, permission_of

LID_CLOSED: Final = "Orchestrator not initialized: set AUTO_HEDGE_ENABLED=true and restart"
# A reverse proxy makes every visitor look local; any of these headers means that there is one.
_FORWARDING: Final = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FACTOR_ENROLLED: Final = "_second_factor_enrolled"
"""Where a person's row keeps, for its one request, whether a second factor was enrolled."""


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A caller who showed an API key: its scopes, and no account in the users' table."""

    name: str
    scopes: frozenset[Scope]
    is_authenticated = True
    is_active = True
    is_staff = False
    pk = None

    def __str__(self) -> str:
        return self.name


def reads_are_open(request: HttpRequest) -> bool:
    """Return whether anybody may look: in the simulator's world on a loopback bind, and in dev mode."""
    return (settings.WORLD == "simulator" and settings.LOOPBACK_BIND) or dev_mode_opens(request)


def may(request: HttpRequest, scope: Scope) -> bool:
    """Return whether the visitor of a page may see it: open reads, or a login whose role holds the scope."""
    if scope is Scope.READ and request.method in SAFE_METHODS and reads_are_open(request):
        return True
    return holds(getattr(request, "user", None), scope)


def holds(caller: Any, scope: Scope) -> bool:
    """Return whether a caller (a person or a key's holder) holds a scope.

    A person who enrolled a second factor holds nothing until this login has shown it.
    """
    if isinstance(caller, KeyHolder):
        return scope in caller.scopes
    if caller is None or not caller.is_authenticated or not caller.is_active:
        return False
    return caller.has_perm(permission_of(scope)) and not lacks_second_factor(caller)


def lacks_second_factor(person: Any) -> bool:
    """Return whether a person has enrolled a second factor and this login has not shown it. One query a request at most."""
    if getattr(person, "otp_device", None) is not None:
        return False
    known: bool | None = getattr(person, FACTOR_ENROLLED, None)
    if known is None:
        known = has_second_factor(person.pk)
        setattr(person, FACTOR_ENROLLED, known)
    return known


def has_second_factor(person_id: int) -> bool:
    """Return whether a person has enrolled a second factor of any kind. One query."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {enrolled_sql('p.id')} FROM (SELECT %s::bigint AS id) p", [person_id])  # noqa: S608
        return bool(cursor.fetchone()[0])


def enrolled_sql(person_id: str) -> str:
    """Return the SQL of whether a person (the SQL of an id) has enrolled a second factor of any kind."""
    from django_otp import device_classes  # noqa: PLC0415 - needs the app registry

    tables = [kind._meta.db_table for kind in device_classes()]
    found = (f"EXISTS (SELECT 1 FROM {table} WHERE user_id = {person_id} AND confirmed)" for table in tables)  # noqa: S608
    return f"({' OR '.join(found)})"


def dev_mode_opens(request: HttpRequest) -> bool:
    """Return whether HEDGE_DEV_MODE lets this request read and write without a key or a login.

    Only on a loopback bind, not through a proxy, and not from another site's page: an `Origin` must be our own.
    """
    if not (settings.HEDGE_DEV_MODE and settings.LOOPBACK_BIND) or _is_live():
        return False
    if is_forwarded(request):
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.get_host()


def _is_live() -> bool:
    """Return whether orders could reach a real broker. The settings refuse dev mode then; this is the second fence."""
    return settings.WORLD != "simulator" and not settings.AUTO_HEDGE_DRY_RUN


def is_forwarded(request: HttpRequest) -> bool:
    """Return whether a proxy stands between the visitor and us."""
    return any(name in request.headers for name in _FORWARDING)


def is_direct_loopback(request: HttpRequest) -> bool:
    """Return whether the request was made on this machine, and by no proxy on behalf of somebody else.

    A socket without an address (a Unix socket) has a proxy on its other end.
    """
    return is_loopback(request.META.get("REMOTE_ADDR", "")) and not is_forwarded(request)


def is_loopback(address: str) -> bool:
    """Return whether an address is one of this machine's own."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def client_address(request: HttpRequest) -> str:
    """Return whom to count failures against.

    The last entry of X-Forwarded-For is believed only from a proxy on this machine, which wrote it; entries before it
    are whatever the visitor chose to send.
    """
    address = str(request.META.get("REMOTE_ADDR", ""))
    if is_loopback(address) and (forwarded := request.headers.get("X-Forwarded-For", "")):
        return f"via {forwarded.rsplit(',', 1)[-1].strip()[:45]}"
    return f"via {address}" if is_forwarded(request) else address
