"""The admin: every ledger can be read and not written; sessions are opened, switched and halted by the engine."""

from decimal import Decimal

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse

from hedging import models
from hedging.admin.ledgers import Ledger
from hedging.engine import clock
from hedging.models import AuditEvent
from sessions_app.models import Installation, TradingSession, TradingState
from tests import factories as make
from tests.integration.page_day import NOW, StoppedClock, hedged_morning
from tests.people import person

pytestmark = pytest.mark.django_db
LEDGERS = [model for model, desk in admin.site._registry.items() if isinstance(desk, Ledger)]
SESSIONS = "admin:sessions_app_tradingsession"


@pytest.fixture(autouse=True)
def _stopped(monkeypatch):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)


@pytest.fixture
def operator(client):
    client.force_login(User.objects.create_superuser("operator"))
    return client


def row_of(model):
    factory = getattr(make, f"{model.__name__}Factory")
    return factory.create()


def act(client, action, *sessions, reason="because"):
    return client.post(
        reverse(f"{SESSIONS}_changelist"),
        {"action": action, "_selected_action": [session.pk for session in sessions], "reason": reason},
        follow=True,
    )


def said(answer):
    return [str(message) for message in answer.context["messages"]]


def test_every_model_of_hedging_has_its_ledger():
    ours = {model for model in vars(models).values() if isinstance(model, type) and model.__module__ == models.__name__}

    assert set(LEDGERS) == {model for model in ours if hasattr(model, "_meta")}


@pytest.mark.parametrize("model", LEDGERS, ids=lambda model: model.__name__)
def test_a_ledger_is_listed_and_shown_and_cannot_be_written(operator, model):
    row = row_of(model)
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"

    assert operator.get(reverse(f"{name}_changelist"), {"q": "1"}).status_code == 200
    shown = operator.get(reverse(f"{name}_change", args=[row.pk]))
    assert shown.status_code == 200
    assert b'name="_save"' not in shown.content
    assert operator.get(reverse(f"{name}_add")).status_code == 403
    assert operator.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403
    assert operator.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


def test_one_can_walk_from_a_decision_to_its_fills(operator):
    hedged_morning()
    transaction = models.HedgeTransaction.objects.get()
    order, fill = transaction.orders.get(), models.Fill.objects.get()
    steps = [("hedgedecision", transaction.decision), ("hedgetransaction", transaction), ("hedgeorder", order)]
    below = [("hedgetransaction", transaction), ("hedgeorder", order), ("fill", fill)]

    for (name, row), (next_name, next_row) in zip(steps, below, strict=True):
        page = operator.get(reverse(f"admin:hedging_{name}_change", args=[row.pk])).content.decode()
        assert reverse(f"admin:hedging_{next_name}_change", args=[next_row.pk]) in page


def test_a_decision_is_explained_in_words(operator):
    hedged_morning()
    decision = models.HedgeTransaction.objects.get().decision

    page = operator.get(reverse("admin:hedging_hedgedecision_change", args=[decision.pk])).content.decode()

    assert "<b>projection</b> stopped: 107.6 % is over 95 %" in page
    assert "the cheapest sufficient hedge is bought" in page


def test_an_edit_of_a_session_never_sets_back_what_the_engine_counts(operator, monkeypatch):
    session = make.TradingSessionFactory.create()
    address = reverse(f"{SESSIONS}_change", args=[session.pk])
    form = operator.get(address).context["adminform"].form
    data = {name: "" if form[name].value() is None else form[name].value() for name in form.fields}
    validate = TradingSession.full_clean

    def spend_meanwhile(row, *args, **kwargs):
        TradingSession.objects.filter(pk=row.pk).update(spent=Decimal(777))
        return validate(row, *args, **kwargs)

    monkeypatch.setattr(TradingSession, "full_clean", spend_meanwhile)

    assert operator.post(address, data | {"trigger_pct": "93"}).status_code == 302

    session.refresh_from_db()
    assert (session.trigger_pct, session.spent) == (Decimal(93), Decimal(777))


@pytest.mark.parametrize(
    ("action", "state"),
    [("halt", TradingState.HALTED), ("reduce", TradingState.REDUCING), ("resume", TradingState.ACTIVE)],
)
def test_the_trading_state_is_set_by_an_action(operator, action, state):
    session = make.TradingSessionFactory.create(
        trading_state=TradingState.HALTED if state == TradingState.ACTIVE else TradingState.ACTIVE
    )

    act(operator, action, session)

    session.refresh_from_db()
    assert (session.trading_state, AuditEvent.objects.get().actor) == (state, "operator")


def test_automation_is_switched_off_and_on(operator):
    session = make.TradingSessionFactory.create()

    act(operator, "switch_automation_off", session)
    after_off = TradingSession.objects.get().automation
    answer = act(operator, "switch_automation_on", session)

    assert (after_off, TradingSession.objects.get().automation) == (False, True)
    assert said(answer) == ["automation on: 1 session."]


def test_automation_under_a_closed_lid_is_not_switched_on(operator, settings):
    settings.AUTO_HEDGE_ENABLED = False
    session = make.TradingSessionFactory.create(automation=False)

    answer = act(operator, "switch_automation_on", session)

    session.refresh_from_db()
    assert session.automation is False
    assert "AUTO_HEDGE_ENABLED=true" in said(answer)[0]


def test_a_closed_session_is_counted_as_refused(operator):
    session = make.TradingSessionFactory.create(closed=True)

    assert said(act(operator, "halt", session))[-1] == "HALTED: 0 sessions."


def test_without_a_readable_clock_automation_is_not_switched_and_a_halt_works(operator, monkeypatch):
    session = make.TradingSessionFactory.create()
    monkeypatch.setattr(clock, "market_clock", lambda: StoppedClock(away=True))

    act(operator, "switch_automation_off", session)
    act(operator, "halt", session)

    session.refresh_from_db()
    assert (session.automation, session.trading_state) == (True, TradingState.HALTED)
    assert AuditEvent.objects.get().at == NOW  # wall time: no other was to be had


def test_a_session_is_not_resumed_without_a_reason_or_the_role(client, operator):
    session = make.TradingSessionFactory.create(trading_state=TradingState.HALTED)

    answer = act(operator, "resume", session, reason=" ")
    assert "reason" in said(answer)[0]
    client.force_login(person("operator"))
    act(client, "resume", session)

    session.refresh_from_db()
    assert session.trading_state == TradingState.HALTED
    assert not AuditEvent.objects.exists()


def switch(client, action, **fields):
    """Do an act of the kill switch's page."""
    page = reverse("admin:sessions_app_installation_changelist")
    client.get(page)
    chosen = {"action": action, "_selected_action": [Installation.ONLY], "reason": "fire"} | fields
    return client.post(page, chosen, follow=True)


def test_the_kill_switch_halts_reduces_and_resumes_everything(operator):
    switch(operator, "reduce")
    assert Installation.objects.get().trading_state == TradingState.REDUCING
    switch(operator, "halt")
    row = Installation.objects.get()
    assert (row.trading_state, row.state_reason, row.state_by) == (TradingState.HALTED, "fire", "operator")
    assert said(switch(operator, "reduce")) == ["Whole installation: nothing changed."]
    assert "reason" in said(switch(operator, "resume", reason=""))[0]
    assert Installation.objects.get().trading_state == TradingState.HALTED
    switch(operator, "resume", reason="out")
    assert Installation.objects.get().trading_state == TradingState.ACTIVE


def test_an_operator_may_halt_everything_a_viewer_may_not_and_neither_resumes(client):
    client.force_login(person("viewer"))
    switch(client, "halt")
    assert Installation.objects.get().trading_state == TradingState.ACTIVE

    client.force_login(person("operator"))
    switch(client, "halt")
    switch(client, "resume")

    assert Installation.objects.get().trading_state == TradingState.HALTED


@pytest.mark.parametrize(("held", "becomes"), [(False, "MIS"), (True, "NRML")])
def test_the_product_of_an_account_stays_while_hedges_are_held_in_it(operator, held, becomes):
    if held:
        hedged_morning()
    account = models.HedgeTransaction.objects.get().session.account if held else make.AccountFactory.create()
    row = {name: getattr(account, name) for name in ("name", "basket_scope", "free_margin", "expected_broker")}
    answer = operator.post(
        reverse("admin:sessions_app_account_change", args=[account.pk]), row | {"product": "MIS"}, follow=True
    )
    account.refresh_from_db()
    assert account.product == becomes
    assert ("hedges are held in NRML" in answer.content.decode()) == held
