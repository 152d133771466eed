"""People with roles: users of the groups that the migration makes."""

from __future__ import annotations

from importlib import import_module

from django.apps import apps
from django.contrib.auth.models import Group, User

from hedging.domain.roles import Role


def person(role: Role | str, *, name: str | None = None, password: str | None = None) -> User:
    """Make a user with a role. Tests that truncate all tables take the groups with them: then they are made again."""
    group = Group.objects.filter(name=str(role)).first()
    if group is None or not group.permissions.exists():
        import_module("hedging.access.migrations.0002_roles").make_groups(apps, None)
        group = Group.objects.get(name=str(role))
    user = User.objects.create_user(name or f"a-{role}", password=password)
    user.groups.add(group)
    return user
