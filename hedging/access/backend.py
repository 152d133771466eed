"""Accounts: Django's own, with what a person may do asked for in one query, since every request asks for it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection

_HELD = f"""
    SELECT c.app_label || '.' || p.codename
    FROM {Permission._meta.db_table} p JOIN {ContentType._meta.db_table} c ON c.id = p.content_type_id
    WHERE p.id IN (
        SELECT permission_id FROM {User.user_permissions.through._meta.db_table} WHERE user_id = %s
        UNION ALL
        SELECT g.permission_id FROM {Group.permissions.through._meta.db_table} g
          JOIN {User.groups.through._meta.db_table} u ON u.group_id = g.group_id WHERE u.user_id = %s)
"""  # noqa: S608 - names of Django's tables; every value is a parameter


class RolesBackend(ModelBackend):
    """`ModelBackend`, whose two queries for permissions are one here."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return what a person holds, of their own or by their groups; of one object alone nobody holds anything."""
        if user_obj.is_superuser or not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):  # Django's own name: one user object, one request
            with connection.cursor() as cursor:
                cursor.execute(_HELD, [user_obj.pk, user_obj.pk])
                user_obj._perm_cache = {row[0] for row in cursor.fetchall()}
        held: set[str] = user_obj._perm_cache
        return held
