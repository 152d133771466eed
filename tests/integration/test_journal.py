"""What people change in the admin, and logins that fail, are lines of the audit trail."""

from __future__ import annotations

from datetime import date

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from hedging.models import AuditEvent
from schedule.models import StrategyEntry, TradingDay
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client):
    client.force_login(User.objects.create_superuser("operator", password="right"))
    return client


def lines():
    return list(AuditEvent.objects.order_by("id").values_list("event", "actor", "facts__kind"))


def test_a_setting_that_is_added_changed_or_deleted_in_the_admin_leaves_a_line(operator):
    address = "admin:schedule_tradingday"
    day = {"day": "2026-12-25", "note": "Christmas", "opens_at": "09:15", "closes_at": "15:30"}
    day |= {"act_from": "09:15", "act_until": "15:25"}
    assert operator.post(reverse(f"{address}_add"), day).status_code == 302
    row = TradingDay.objects.get(day=date(2026, 12, 25))
    assert operator.post(reverse(f"{address}_change", args=[row.pk]), day | {"note": "Closed"}).status_code == 302
    assert operator.post(reverse(f"{address}_delete", args=[row.pk]), {"post": "yes"}).status_code == 302
    assert [line for line in lines() if line[1]] == [
        ("admin_added", "operator", "tradingday"),
        ("admin_changed", "operator", "tradingday"),
        ("admin_deleted", "operator", "tradingday"),
    ]
    assert "(Christmas → Closed)" in AuditEvent.objects.get(event="admin_changed").facts["change"]
    assert AuditEvent.objects.get(event="setting_deleted").facts["was"]["note"] == "Closed"
    assert not AuditEvent.objects.exclude(account=None).exists()


def test_a_dated_fact_that_is_edited_says_what_each_field_was_and_is(operator):
    row = make.ContractSpecFactory.create()
    address = reverse("admin:schedule_contractspec_change", args=[row.pk])
    form = operator.get(address).context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    data = {name: value for name, value in data.items() if value not in {None, False}}
    assert operator.post(address, data | {"lot": row.lot + 10}).status_code == 302
    line = AuditEvent.objects.get(event="admin_changed", facts__kind="contractspec")
    assert f"({row.lot} → {row.lot + 10})" in line.facts["change"]
    assert line.facts["change"].count("→") == 1


def test_several_settings_deleted_at_once_leave_a_line_each(operator):
    rows = [make.StrategyEntryFactory.create() for _ in range(3)]
    chosen = {"action": "delete_selected", "_selected_action": [row.pk for row in rows], "post": "yes"}
    assert operator.post(reverse("admin:schedule_strategyentry_changelist"), chosen).status_code == 302
    assert not StrategyEntry.objects.exists()
    assert [line[0] for line in lines()].count("setting_deleted") == 3


def test_several_people_deleted_at_once_leave_a_line_each(operator):
    gone = {name: User.objects.create_user(name).pk for name in ("olga", "oskar")}
    chosen = {"action": "delete_selected", "_selected_action": list(gone.values()), "post": "yes"}
    assert operator.post(reverse("admin:auth_user_changelist"), chosen).status_code == 302
    assert list(User.objects.values_list("username", flat=True)) == ["operator"]
    told = AuditEvent.objects.filter(event="admin_deleted", actor="operator", facts__kind="user")
    assert {line.facts["object"]: int(line.facts["id"]) for line in told} == gone
    assert told.count() == 2


def test_an_account_edited_in_the_admin_says_what_each_field_was_and_is(operator):
    account = make.AccountFactory.create()
    address = reverse("admin:sessions_app_account_change", args=[account.pk])
    form = operator.get(address).context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    del data["premium_counted"]  # a box without its tick is not sent
    assert operator.post(address, data | {"product": "MIS", "expected_broker": "zerodha"}).status_code == 302
    line = AuditEvent.objects.get(event="admin_changed", facts__kind="account")
    for words in ("Product (NRML → MIS)", "Premium counted (True → False)", "Expected broker (none → zerodha)"):
        assert words in line.facts["change"]
    assert "Free margin" not in line.facts["change"]


def test_a_session_edited_in_the_admin_keeps_what_it_became(operator):
    session = make.TradingSessionFactory.create()
    form = (
        operator.get(reverse("admin:sessions_app_tradingsession_change", args=[session.pk])).context["adminform"].form
    )
    data = {name: "" if form[name].value() is None else form[name].value() for name in form.fields}
    address = reverse("admin:sessions_app_tradingsession_change", args=[session.pk])
    assert operator.post(address, data | {"trigger_pct": "90"}).status_code == 302
    line = AuditEvent.objects.get(event="admin_changed")
    assert (line.session_id, line.account_id) == (session.pk, session.account_id)
    assert line.facts["changes"][f"tradingsession:{session.pk}"]["trigger_pct"] == "90.00"


def test_a_task_of_the_beat_that_is_paused_or_resumed_leaves_a_line_and_one_that_was_so_already_does_not(operator):
    every = IntervalSchedule.objects.create(every=30, period=IntervalSchedule.SECONDS)
    tasks = [PeriodicTask.objects.create(name=f"Task {n}", task="a task", interval=every) for n in range(2)]
    address = reverse("admin:django_celery_beat_periodictask_changelist")
    for action, chosen in (("disable_tasks", tasks[:1]), ("disable_tasks", tasks), ("enable_tasks", tasks)):
        assert operator.post(address, {"action": action, "_selected_action": [t.pk for t in chosen]}).status_code == 302
    told = AuditEvent.objects.order_by("id").values_list("event", "actor", "facts__object", "facts__change")
    paused, resumed = "Paused (enabled: True → False).", "Resumed (enabled: False → True)."
    assert list(told) == [
        ("admin_changed", "operator", str(tasks[number]), words)
        for number, words in ((0, paused), (1, paused), (0, resumed), (1, resumed))
    ]
    assert "Task 0" in str(tasks[0])


@pytest.mark.parametrize(("name", "actor"), [("operator", "operator"), ("hunter2", "unknown user")])
def test_a_login_that_fails_leaves_a_line_without_what_was_typed(client, name, actor):
    User.objects.create_superuser("operator", password="right")
    client.post(reverse("admin:login"), {"username": name, "password": "wrong-secret"})
    line = AuditEvent.objects.get()
    assert (line.event, line.actor, line.facts["from"]) == ("login_failed", actor, "127.0.0.1")
    assert "hunter2" not in str(line.facts)
    assert "wrong-secret" not in str(line.facts)
