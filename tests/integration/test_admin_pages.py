"""Admin of timetable, sessions and alerts: every page opens and searches, and ledgers cannot be typed over."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse

from notifications.models import Alert
from schedule.models import ChargeRates, ContractSpec, MarginParameters, StrategyEntry, TradingDay
from sessions_app.models import Account, Calibration, MarginSnapshot, Mode, TradingSession
from tests.factories import (
    AccountFactory,
    AlertFactory,
    CalibrationFactory,
    ChargeRatesFactory,
    ContractSpecFactory,
    MarginParametersFactory,
    MarginSnapshotFactory,
    StrategyEntryFactory,
    TradingDayFactory,
    TradingSessionFactory,
)

pytestmark = pytest.mark.django_db
ROWS = {
    Account: AccountFactory,
    Alert: AlertFactory,
    Calibration: CalibrationFactory,
    ChargeRates: ChargeRatesFactory,
    ContractSpec: ContractSpecFactory,
    MarginParameters: MarginParametersFactory,
    MarginSnapshot: MarginSnapshotFactory,
    StrategyEntry: StrategyEntryFactory,
    TradingDay: TradingDayFactory,
    TradingSession: TradingSessionFactory,
}
LEDGERS = [Alert, Calibration, MarginSnapshot]


def page(model: type[Model], name: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


@pytest.mark.parametrize("model", ROWS, ids=lambda m: m.__name__)
def test_list_search_and_page_of_a_row_open(admin_client: Client, model: type[Model]):
    row = ROWS[model]()
    assert admin_client.get(page(model, "changelist")).status_code == 200
    assert admin_client.get(page(model, "changelist"), {"q": "x"}).status_code == 200
    assert admin_client.get(page(model, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("model", ROWS, ids=lambda m: m.__name__)
def test_the_order_of_a_list_has_a_tie_break(model: type[Model]):
    *_, last = admin.site.get_model_admin(model).get_ordering(RequestFactory().get("/"))
    unique = {field.name for field in model._meta.concrete_fields if field.unique}
    assert str(last).removeprefix("-") in unique


@pytest.mark.parametrize("model", LEDGERS, ids=lambda m: m.__name__)
def test_a_ledger_can_be_read_and_neither_added_to_changed_nor_deleted(admin_client: Client, model: type[Model]):
    row = ROWS[model]()
    assert admin_client.get(page(model, "add")).status_code == 403
    assert admin_client.post(page(model, "change", row.pk), {"title": "other"}).status_code == 403
    assert admin_client.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model._default_manager.filter(pk=row.pk).exists()


def test_what_the_engine_counts_cannot_be_typed_over(admin_client: Client):
    session = TradingSessionFactory()
    answer = admin_client.post(
        page(TradingSession, "change", session.pk),
        {"baskets": 3, "budget_per_basket": "1000000", "spent": "1", "trading_state": "halted", "baseline": "5"},
    )
    assert answer.status_code == 302
    session.refresh_from_db()
    assert session.baskets == 3
    assert session.spent == 0
    assert session.trading_state == "active"
    assert session.baseline is None


def test_entries_are_switched_off_and_on_together(admin_client: Client):
    rows = StrategyEntryFactory.create_batch(2)
    chosen = [row.pk for row in rows]
    for action, active in (("switch_off", False), ("switch_on", True)):
        admin_client.post(page(StrategyEntry, "changelist"), {"action": action, "_selected_action": chosen})
        assert set(StrategyEntry.objects.values_list("active", flat=True)) == {active}


def test_the_mode_of_an_account_is_not_typed_over(admin_client: Client):
    account = AccountFactory.create(mode=Mode.LIVE)
    address = page(Account, "change", account.pk)
    assert 'name="mode"' not in admin_client.get(address).content.decode()
    form = admin_client.get(address).context["adminform"].form
    sent = {name: "" if value is None else value for name, value in form.initial.items()} | {
        "mode": "dry_run",
        "name": "renamed",
    }
    assert admin_client.post(address, sent).status_code == 302
    account.refresh_from_db()
    assert (account.mode, account.name) == (Mode.LIVE, "renamed")
    assert 'name="mode"' in admin_client.get(page(Account, "add")).content.decode()
