"""Grants: give permissions to the groups of the roles. For migrations: a new model's admin pages come with a grant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_WORDS = {"view": "Can view", "add": "Can add", "change": "Can change", "delete": "Can delete"}


def grant(apps: Any, permissions: Mapping[str, Iterable[str]]) -> None:
    """Give each role (a group, made when it is missing) the permissions `app.model.codename`.

    Django writes its rows of permissions only after the last migration, so the missing ones are made here; Django leaves
    what it finds.
    """
    group_model = apps.get_model("auth", "Group")
    permission_model = apps.get_model("auth", "Permission")
    content_type_model = apps.get_model("contenttypes", "ContentType")
    for role, names in permissions.items():
        group, _ = group_model.objects.get_or_create(name=role)
        rows = []
        for name in names:
            app, model, codename = name.split(".")
            content_type, _ = content_type_model.objects.get_or_create(app_label=app, model=model)
            verb = codename.partition("_")[0]
            words = f"{_WORDS[verb]} {model}" if verb in _WORDS else f"Scope {codename}"
            row, _ = permission_model.objects.get_or_create(
                content_type=content_type, codename=codename, defaults={"name": words}
            )
            rows.append(row)
        group.permissions.add(*rows)
