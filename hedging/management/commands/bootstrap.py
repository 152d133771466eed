"""Make a migrated database ready: seeds, the account, an admin user, the beat table. Safe to run at every start."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand
from django.db import transaction

from config.beat import ensure_beat_entries
from config.servers import SIMULATOR
from hedging.domain.roles import Role
from hedging.engine import watchdog
from hedging.engine.clock import wall_now
from schedule.seed import seed_reference_data, seed_schedule_if_empty
from sessions_app.models import Account, Mode

ACCOUNT = "default"
ADMIN = "admin"


class Command(BaseCommand):
    help = "Seed empty tables, create the account, the admin user and the beat entries. Says only what it changed."

    def handle(self, *_args: Any, **_options: Any) -> None:
        # All or nothing, and committed before the password is shown: a user whose password nobody saw is of no use.
        with transaction.atomic():
            lines = [*_seed(), *_create_account()]
            watchdog.forget_others()
            password = _create_admin()
            ensure_beat_entries(settings.SPEED, wall_now=wall_now())
        for line in lines:
            self.stdout.write(line)
        if password is not None:
            self.stdout.write(f"Admin user: {ADMIN}   password: {password}")
            self.stdout.write(f"It is shown this once; `manage.py changepassword {ADMIN}` sets another.")


def _seed() -> list[str]:
    counts = {**seed_reference_data(), "StrategyEntry": seed_schedule_if_empty()}
    written = [f"{count} {name}" for name, count in counts.items() if count]
    return [f"Seeded: {', '.join(written)}"] if written else []


def _create_account() -> list[str]:
    """Create the account unless there is one. Live is safe in the simulator's world only."""
    if Account.objects.exists():
        return []
    mode = Mode.LIVE if settings.WORLD == SIMULATOR else Mode.DRY_RUN
    Account.objects.create(name=ACCOUNT, mode=mode)
    return [f'Account "{ACCOUNT}" created ({mode.label})']


def _create_admin() -> str | None:
    """Create the admin user unless somebody can already administer; return its password, which only its hash outlives."""
    if User.objects.filter(is_superuser=True).exists() or User.objects.filter(username=ADMIN).exists():
        return None
    password = secrets.token_urlsafe(12)
    first = User.objects.create_superuser(username=ADMIN, password=password)
    first.groups.add(Group.objects.get_or_create(name=Role.ADMIN.value)[0])
    return password
