"""The last pre-flight of each account, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from hedging.engine.hours import trading_day_of
from sessions_app.models import Account, PreflightRun


@dataclass(frozen=True, slots=True)
class Preflight:
    """An account's newest run, or that there is none. `results` are rows of name, state, holds, detail and fix."""

    account: str
    at: datetime | None
    verdict: str
    asked_by: str
    mode: str
    is_of_today: bool
    results: tuple[Mapping[str, str], ...]


def preflights(*, now: datetime) -> tuple[Preflight, ...]:
    """Return the newest finished run of every account, by name. Two queries."""
    newest = PreflightRun.objects.exclude(verdict="").order_by("account_id", "-id").distinct("account_id")
    runs = {run.account_id: run for run in newest}
    return tuple(_shown(account, runs.get(account.pk), now=now) for account in Account.objects.order_by("name", "pk"))


def _shown(account: Account, run: PreflightRun | None, *, now: datetime) -> Preflight:
    if run is None:
        return Preflight(account.name, None, "", "", "", is_of_today=False, results=())
    return Preflight(
        account=account.name,
        at=run.at,
        verdict=run.verdict,
        asked_by=run.asked_by,
        mode=run.get_mode_display(),
        is_of_today=run.trading_day == trading_day_of(now),
        results=tuple(run.results),
    )
