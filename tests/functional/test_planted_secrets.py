"""Secrets are planted everywhere they are kept, everything is made to fail, and every surface is searched for them."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.debug import ExceptionReporter

from config import logging as log_config
from config.logging import RedactingFormatter
from hedging.access import keys
from hedging.domain.roles import Scope
from hedging.engine import clock
from tests import factories as make
from tests.integration.page_day import StoppedClock, hedged_morning
from tests.people import person

pytestmark = pytest.mark.django_db
PLANTED = {
    "OPENALGO_API_KEY": "canary-openalgo-5f1c0a",
    "TELEGRAM_BOT_TOKEN": "123456:canary-telegram-77ab",
    "HEDGE_API_KEY": "canary-hedge-api-key-9b20",
    "SECRET_KEY": "canary-secret-key-40e1-canary-secret-key-40e1",
    "REDIS_URL": "redis://:canary-redis-31d7@h:6379/0",
}
PASSWORD = "canary-password-6c55"
NEEDLES = ["canary-openalgo-5f1c0a", "canary-telegram-77ab", "canary-hedge-api-key-9b20", "canary-secret-key-40e1"]
NEEDLES += ["canary-redis-31d7", PASSWORD]


class Heard(logging.Handler):
    """What the handler of the service would write."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.formatter = RedactingFormatter("%(name)s %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def heard(monkeypatch, settings):
    monkeypatch.setattr(log_config, "_values", set())
    for name, value in PLANTED.items():
        setattr(settings, name, value)
        if name != "REDIS_URL":  # known by its shape alone
            log_config.hide(value)
    handler = Heard()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def found_in(text: str) -> list[str]:
    return [needle for needle in NEEDLES if needle in text]


def test_a_failing_view_shows_no_secret_to_the_caller_or_in_the_log(heard, monkeypatch, settings):
    def fail(*_args, **_kwargs):
        secret = {"apikey": settings.OPENALGO_API_KEY, "password": PASSWORD}
        raise RuntimeError(f"cannot post {json.dumps(secret)} to {settings.REDIS_URL} with {settings.HEDGE_API_KEY}")

    monkeypatch.setattr("hedging.pages.base.clock.market_clock", fail)
    answer = Client(raise_request_exception=False).get("/", headers={"X-API-Key": settings.HEDGE_API_KEY})
    assert answer.status_code == 500
    assert found_in(answer.content.decode()) == []
    log = "\n".join(heard.lines)
    assert "cannot post" in log
    assert found_in(log) == []


def test_a_report_of_an_exception_hides_settings_and_headers(heard, settings):
    request = RequestFactory().get(
        "/", headers={"X-API-Key": PLANTED["HEDGE_API_KEY"], "Authorization": f"Bearer {PASSWORD}"}
    )
    try:
        int("it failed")
    except ValueError:
        report = ExceptionReporter(request, *sys.exc_info())
    assert "it failed" in report.get_traceback_text()
    assert found_in(report.get_traceback_text()) == []


def test_wrong_keys_and_passwords_are_written_nowhere(heard, client):
    person("admin", password="right")
    client.post("/admin/login/", {"username": PASSWORD, "password": PASSWORD, "otp_token": PASSWORD[:16]})
    client.get("/api/hedge/status", headers={"X-API-Key": PASSWORD})
    made = keys.make_key(name="k", scopes=[Scope.READ], expires_at=None, made_by="a", wall_now=clock.wall_now())
    logging.getLogger("hedging").warning("key %s", made.shown)
    assert found_in("\n".join(heard.lines)) == []
    assert made.shown not in "\n".join(heard.lines)
    for table in ("access_failure", "access_apikey", "hedging_auditevent"):
        text = everything_of(table)
        assert found_in(text) == []
        assert made.shown not in text


def everything_of(table: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - tables named above
        return str(cursor.fetchall())


def test_pages_the_admin_the_api_tasks_alerts_and_the_audit_export_show_none(heard, client, monkeypatch, tmp_path):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    hedged_morning()
    make.AlertFactory.create()
    admin = person("admin", password=PASSWORD)
    client.force_login(admin)
    call_command("bootstrap", verbosity=0)
    lists = [url for url in admin_lists() if client.get(url).status_code == 200]
    assert len(lists) >= 20
    surfaces = ["/", "/preflight", "/api/hedge/status", "/api/hedge/transactions", "/readyz", *lists]
    surfaces.append(reverse("admin:auth_user_change", args=[admin.pk]))
    for surface in surfaces:
        assert found_in(client.get(surface).content.decode()) == [], surface
    call_command("audit", "export", str(tmp_path / "trail"))
    assert found_in((tmp_path / "trail").read_text(encoding="utf-8")) == []
    for table in ("notifications_alert", "django_celery_beat_periodictask", "hedging_auditevent", "django_admin_log"):
        assert found_in(everything_of(table)) == []


def admin_lists() -> list[str]:
    from django.contrib import admin

    return [reverse(f"admin:{m._meta.app_label}_{m._meta.model_name}_changelist") for m in admin.site._registry]
