"""Rules of the tables: they depend on each other in one direction, and migrations say what the models say."""

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import models

# A model may point to its own app and to those after it.
ORDER = ["hedging", "access", "schedule", "sessions_app", "notifications"]
# Users belong to no app of ours and stand below all of them.
BELOW_ALL = {"auth", "contenttypes"}


def our_models() -> list[type[models.Model]]:
    return [model for app in ORDER for model in apps.get_app_config(app).get_models(include_auto_created=True)]


def test_foreign_keys_point_down():
    upward = [
        f"{model._meta.label}.{field.name} -> {field.related_model._meta.label}"
        for model in our_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey | models.OneToOneField | models.ManyToManyField)
        and isinstance(field.related_model, type)
        and field.related_model._meta.app_label not in BELOW_ALL
        and field.related_model._meta.app_label not in ORDER[ORDER.index(model._meta.app_label) :]
    ]
    assert upward == []


def test_the_rule_sees_our_models():
    """An empty list above would prove nothing if there were no keys to judge."""
    keys = [
        field for model in our_models() for field in model._meta.get_fields() if isinstance(field, models.ForeignKey)
    ]
    assert len(keys) >= 5


@pytest.mark.django_db
def test_no_migration_is_missing():
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)


def test_no_model_orders_its_rows_by_itself():
    """Ordering is explicit, with a tie-break, where rows are read."""
    assert [model._meta.label for model in our_models() if model._meta.ordering] == []
