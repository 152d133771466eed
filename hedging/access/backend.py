"""Accounts: Django's own, with what a person may do known from the query that finds them, since every request asks for it."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import DEFAULT_DB_ALIAS, connection

from hedging.access.rules import FACTOR_ENROLLED, enrolled_sql

_HELD = f"""ARRAY(
    SELECT c.app_label || '.' || p.codename
    FROM {Permission._meta.db_table} p JOIN {ContentType._meta.db_table} c ON c.id = p.content_type_id
    WHERE p.id IN (
        SELECT permission_id FROM {User.user_permissions.through._meta.db_table} WHERE user_id = person.id
        UNION ALL
        SELECT g.permission_id FROM {Group.permissions.through._meta.db_table} g
          JOIN {User.groups.through._meta.db_table} u ON u.group_id = g.group_id WHERE u.user_id = person.id))
"""  # noqa: S608 - names of Django's tables
_FIELDS = [field.attname for field in User._meta.concrete_fields]


class RolesBackend(ModelBackend):
    """`ModelBackend`, with one query for a person, their permissions and whether they enrolled a second factor."""

    def get_user(self, user_id: Any) -> User | None:
        """Return the person of a login, None where there is none or who may not log in any more."""
        with connection.cursor() as cursor:
            cursor.execute(_person_sql(), [user_id])
            row = cursor.fetchone()
        if row is None:
            return None
        *columns, held, enrolled = row
        person = User.from_db(DEFAULT_DB_ALIAS, _FIELDS, columns)
        if not person.is_superuser:  # who holds everything is not asked
            person._perm_cache = set(held)  # type: ignore[attr-defined] # Django's own name: one person, one request
        setattr(person, FACTOR_ENROLLED, enrolled)
        return person if self.user_can_authenticate(person) else None

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return what a person holds, of their own or by their groups; of one object alone nobody holds anything."""
        if user_obj.is_superuser or not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT {_HELD} FROM (SELECT %s::bigint AS id) person", [user_obj.pk])  # noqa: S608
                user_obj._perm_cache = set(cursor.fetchone()[0])
        held: set[str] = user_obj._perm_cache
        return held


@cache
def _person_sql() -> str:
    columns = ", ".join(f'person."{field.column}"' for field in User._meta.concrete_fields)
    return f"SELECT {columns}, {_HELD}, {enrolled_sql('person.id')} FROM {User._meta.db_table} person WHERE id = %s"  # noqa: S608
