"""Bootstrap: everything a fresh database needs, once; nothing that a person changed is ever undone."""

from __future__ import annotations

import io

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django_celery_beat.models import PeriodicTask

from schedule.models import StrategyEntry, TradingDay
from sessions_app.models import Account, Mode
from tests.factories import AccountFactory

pytestmark = pytest.mark.django_db


def bootstrap() -> str:
    out = io.StringIO()
    call_command("bootstrap", stdout=out)
    return out.getvalue()


def password_in(text: str) -> str:
    return next(line.split("password: ")[1] for line in text.splitlines() if "password: " in line)


def test_a_fresh_database_gets_seeds_an_account_an_admin_and_its_tasks():
    said = bootstrap()
    assert StrategyEntry.objects.count() == 36
    assert TradingDay.objects.count() == 263
    assert Account.objects.get().name == "default"
    assert PeriodicTask.objects.filter(task="hedging.tasks.check_margin").exists()
    assert "36 StrategyEntry" in said


def test_the_password_is_random_works_and_is_kept_only_as_a_hash():
    password = password_in(bootstrap())
    admin = User.objects.get(username="admin")
    assert len(password) >= 16
    assert admin.is_superuser
    assert admin.check_password(password)
    assert password not in admin.password
    User.objects.all().delete()
    assert password_in(bootstrap()) != password


def test_the_second_run_says_nothing_and_changes_nothing():
    bootstrap()
    before = User.objects.get().password
    PeriodicTask.objects.filter(name="Margin check").update(enabled=False)
    assert bootstrap() == ""
    assert User.objects.get().password == before
    assert Account.objects.count() == 1
    assert not PeriodicTask.objects.get(name="Margin check").enabled


@pytest.mark.parametrize(("world", "mode"), [("simulator", Mode.LIVE), ("real", Mode.DRY_RUN)])
def test_the_account_is_live_in_the_simulators_world_only(settings, world, mode):
    settings.WORLD = world
    bootstrap()
    assert Account.objects.get().mode == mode


def test_an_account_and_a_superuser_of_ones_own_are_left_alone():
    AccountFactory(name="mine")
    User.objects.create_superuser(username="asha", password="asha-chose-this")
    said = bootstrap()
    assert "password" not in said
    assert [account.name for account in Account.objects.all()] == ["mine"]
    assert [user.username for user in User.objects.all()] == ["asha"]


def test_a_person_named_admin_is_not_made_a_superuser():
    User.objects.create_user(username="admin", password="only-a-viewer")
    bootstrap()
    assert not User.objects.get(username="admin").is_superuser
