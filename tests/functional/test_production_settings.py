"""Production settings: `check --deploy` is clean, and browsers get the headers that keep pages from being used against us."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from django.conf import settings as live_settings
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from hedging.engine import clock
from tests.integration.page_day import StoppedClock
from tests.people import person

PRODUCTION = {
    "OPENALGO_API_KEY": "0123456789abcdef0123456789abcdef",
    "HOST": "192.0.2.7",
    "ALLOWED_HOSTS": "hedge.example,192.0.2.7",
    "CSRF_TRUSTED_ORIGINS": "https://hedge.example",
    "HEDGE_API_KEY": "a-key-of-production-that-is-long-enough",
    "AUTO_HEDGE_ENV_FILE": "",
}


def manage(*words: str, where, **more: str) -> subprocess.CompletedProcess[str]:
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=live_settings.BASE_DIR,
        env={**keep, **PRODUCTION, "VAR_DIR": str(where), **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_deployment_check_has_nothing_to_say_of_production_settings(tmp_path):
    done = manage("check", "--deploy", "--fail-level", "WARNING", where=tmp_path / "var")
    assert (done.returncode, done.stdout + done.stderr) == (0, "System check identified no issues (0 silenced).\n")


def test_the_deployment_check_speaks_up_when_the_network_is_served_without_tls(tmp_path):
    done = manage("check", "--deploy", "--fail-level", "WARNING", where=tmp_path / "var", CSRF_TRUSTED_ORIGINS="")
    assert done.returncode == 1
    assert "access.W001" in done.stderr


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/", "/preflight", "/admin/", "/admin/login/", "/api/hedge/status", "/healthz"])
def test_every_answer_forbids_inline_scripts_framing_and_sniffing(client, address):
    client.force_login(person("admin"))
    answer = client.get(address)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert (answer["X-Frame-Options"], answer["X-Content-Type-Options"]) == ("DENY", "nosniff")
    assert answer["Referrer-Policy"] == "same-origin"


@pytest.mark.django_db
def test_no_page_of_ours_or_of_the_admin_needs_an_inline_script(client):
    admin = person("admin")
    client.force_login(admin)
    pages = ["/", "/preflight", "/admin/", reverse("admin:access_apikey_add"), reverse("admin:second_factor")]
    pages += [reverse("admin:schedule_strategyentry_changelist"), reverse("admin:auth_user_change", args=[admin.pk])]
    for page in pages:
        text = client.get(page).content.decode()
        assert "onclick=" not in text
        scripts = re.findall(r"<script([^>]*)>", text)
        assert [words for words in scripts if "src=" not in words and 'type="application/json"' not in words] == [], (
            page
        )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("origin", "token", "status"),
    [(None, True, 404), ("http://testserver", True, 404), ("https://evil.example", True, 403), (None, False, 403)],
)
def test_a_write_with_a_cookie_wants_the_token_and_our_own_origin(monkeypatch, origin, token, status):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("operator"))
    client.get("/admin/password_change/")
    headers = {"X-CSRFToken": client.cookies["csrftoken"].value} if token else {}
    headers |= {"Origin": origin} if origin else {}
    body = {"enabled": False}
    answer = client.post("/api/hedge/toggle", body, content_type="application/json", headers=headers)
    assert answer.status_code == status  # 404: it was let in, and there is no session


@pytest.mark.django_db
def test_dev_mode_checks_the_host_and_takes_json_only(client, settings):
    settings.WORLD, settings.HEDGE_DEV_MODE, settings.AUTO_HEDGE_DRY_RUN = "real", True, True
    at = "/api/hedge/toggle"
    assert client.post(at, {"enabled": True}, content_type="application/json").status_code in {404, 409}
    assert (
        client.post(
            at, {"enabled": True}, content_type="application/json", headers={"Host": "evil.example"}
        ).status_code
        == 400
    )
    assert client.post(at, {"enabled": "true"}).status_code == 415
    assert client.post("/api/hedge/reconcile", b"", content_type="text/plain").status_code == 415
    settings.AUTO_HEDGE_DRY_RUN = False  # live: the settings refuse it at start, and the guard does as well
    assert client.post(at, {"enabled": True}, content_type="application/json").status_code == 401


@pytest.mark.django_db
def test_callers_share_and_the_kill_switch_waits_for_nobody(client, settings):
    settings.API_RATES = {"reads": "2/min", "writes": "1/min"}
    key = {"X-API-Key": "the-key-of-the-environment"}
    settings.HEDGE_API_KEY = key["X-API-Key"]
    for _ in range(3):  # more than the share of a minute, so that it is overdrawn
        settings.API_RATES["writes"] = "9/min"
        client.post("/api/hedge/toggle", {}, content_type="application/json", headers=key)
    settings.API_RATES["writes"] = "1/min"
    refused = client.post("/api/hedge/toggle", {}, content_type="application/json", headers=key)
    assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    assert int(refused["Retry-After"]) > 0
    for _ in range(3):
        assert client.post("/api/hedge/halt", {}, content_type="application/json", headers=key).status_code == 400


def test_the_checks_of_this_checkout_find_nothing():
    call_command("check", fail_level="WARNING")
