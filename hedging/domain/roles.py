"""Roles and scopes: the one table that says who may do what. Views, pages and admin pages declare a scope; nothing else counts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Scope(StrEnum):
    """What a request needs: the word that a view declares, that an API key holds, and that a role is granted."""

    READ = "read"
    OPERATE = "operate"
    TRADE = "trade"
    ADMIN = "admin"


class Role(StrEnum):
    """The group of a person. A person without one may do nothing."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    TRADER = "trader"
    ADMIN = "admin"


MEANS: Final[Mapping[Scope, str]] = MappingProxyType(
    {
        Scope.READ: "see every page, ledger and figure",
        Scope.OPERATE: "toggle automation, halt, reduce, reconcile, exit hedges by hand",
        Scope.TRADE: "buy by hand, resume, open sessions, edit the timetable",
        Scope.ADMIN: "policy, caps, parameters, accounts and their mode, API keys, users, tasks",
    }
)
"""What each scope opens, in the words of the admin pages and of docs/security.md."""

ROLES_WITH: Final[Mapping[Scope, frozenset[Role]]] = MappingProxyType(
    {
        Scope.READ: frozenset({Role.VIEWER, Role.OPERATOR, Role.TRADER, Role.ADMIN}),
        Scope.OPERATE: frozenset({Role.OPERATOR, Role.TRADER, Role.ADMIN}),
        Scope.TRADE: frozenset({Role.TRADER, Role.ADMIN}),
        Scope.ADMIN: frozenset({Role.ADMIN}),
    }
)
"""The table: which roles hold a scope. API keys hold scopes themselves, each alone: `trade` does not include `read`."""


def permission_of(scope: Scope) -> str:
    """Return Django's name of the permission that stands for a scope; the groups of the roles hold it."""
    return f"access.{scope.value}"


def scopes_of(role: Role) -> frozenset[Scope]:
    """Return what a role may do."""
    return frozenset(scope for scope, roles in ROLES_WITH.items() if role in roles)
