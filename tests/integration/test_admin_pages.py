"""Admin of timetable, sessions and alerts: every page opens and searches, and ledgers cannot be typed over."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse

from hedging.models import AuditEvent
from notifications.models import Alert
from schedule.models import ChargeRates, ContractSpec, MarginParameters, StrategyEntry, TradingDay
from sessions_app.models import Account, Calibration, MarginSnapshot, Mode, TradingSession
from tests.admin_forms import sent_back
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


def test_an_account_page_that_stood_open_keeps_the_broker_that_a_preflight_noted(admin_client: Client):
    account = AccountFactory.create(expected_broker="")
    address = page(Account, "change", account.pk)
    sent = sent_back(admin_client.get(address).context["adminform"].form)
    Account.objects.update(expected_broker="zerodha")
    assert admin_client.post(address, sent | {"name": "renamed"}).status_code == 302
    account.refresh_from_db()
    assert (account.expected_broker, account.name) == ("zerodha", "renamed")


def test_a_session_page_that_stood_open_takes_no_other_persons_figure_back(admin_client: Client):
    session = TradingSessionFactory.create(max_cost_per_day=Decimal(50_000), baskets=1)
    address = page(TradingSession, "change", session.pk)
    sent = sent_back(admin_client.get(address).context["adminform"].form)
    TradingSession.objects.update(max_cost_per_day=Decimal(5_000), cooldown_seconds=90)
    assert admin_client.post(address, sent | {"trigger_pct": "92"}).status_code == 302
    session.refresh_from_db()
    assert (session.max_cost_per_day, session.trigger_pct) == (Decimal(5_000), Decimal(92))
    assert session.cooldown_seconds == 90
    line = AuditEvent.objects.get(event="figures_changed")
    assert line.facts["after"] == {"trigger_pct": "92"}


def test_a_figure_that_somebody_else_changed_meanwhile_is_refused_at_its_field(admin_client: Client):
    session = TradingSessionFactory.create(max_cost_per_day=Decimal(50_000))
    address = page(TradingSession, "change", session.pk)
    sent = sent_back(admin_client.get(address).context["adminform"].form)
    TradingSession.objects.update(max_cost_per_day=Decimal(5_000))
    answer = admin_client.post(address, sent | {"max_cost_per_day": "60000"})
    assert "to 5000.00" in answer.context["adminform"].form.errors["max_cost_per_day"][0]
    session.refresh_from_db()
    assert session.max_cost_per_day == Decimal(5_000)


def test_margin_parameters_that_a_person_edits_are_a_persons_and_keep_what_others_wrote(admin_client: Client):
    row = MarginParametersFactory.create(source="span.zip", elm_source="elm.csv", imported_by="beat")
    address = page(MarginParameters, "change", row.pk)
    sent = sent_back(admin_client.get(address).context["adminform"].form)
    MarginParameters.objects.update(elm_pct=Decimal("2.5"))
    assert admin_client.post(address, sent | {"price_scan_pct": "9.9"}).status_code == 302
    row.refresh_from_db()
    assert (row.price_scan_pct, row.elm_pct, row.source, row.elm_source, row.imported_by) == (
        Decimal("9.9"), Decimal("2.5"), "", "", "",
    )  # fmt: skip


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
