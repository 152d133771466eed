"""Keys, lockout and the second factor, through real requests: what opens, what is counted, and who is never shut out."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from hedging.access import keys, lockout
from hedging.access.models import ApiKey, Failure
from hedging.domain.roles import Scope
from hedging.engine import clock
from tests.people import person

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 12, 1, 4, 30, tzinfo=UTC)
READ = "/api/hedge/transactions"
FAR = {"REMOTE_ADDR": "198.51.100.7"}
LOGIN = "/admin/login/"


class Wall:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(autouse=True)
def wall(monkeypatch, settings) -> Wall:
    settings.WORLD = "real"
    settings.HEDGE_API_KEY = "the-key-of-the-environment"
    moved = Wall()
    monkeypatch.setattr(clock, "wall_now", moved)
    return moved


def key(*scopes: Scope, expires_at: datetime | None = None) -> keys.NewKey:
    return keys.make_key(name="script", scopes=scopes, expires_at=expires_at, made_by="asha", wall_now=NOW)


def read(client, shown, **extra):
    return client.get(READ, headers={"X-API-Key": shown}, **extra)


def test_a_key_is_kept_as_a_hash_and_opens_with_its_scopes_alone(client):
    made = key(Scope.READ)
    assert made.row.digest == hashlib.sha256(made.shown.encode()).hexdigest()
    assert made.shown not in str(ApiKey.objects.values().get())
    assert read(client, made.shown).status_code == 200
    assert client.get(READ, headers={"Authorization": f"Bearer {made.shown}"}).status_code == 200
    refused = client.post("/api/hedge/halt", {}, content_type="application/json", headers={"X-API-Key": made.shown})
    assert (refused.status_code, refused.json()["code"]) == (403, "SCOPE_NEEDED")


def test_expiry_and_revocation_hold_from_their_moment(client, wall):
    made = key(Scope.READ, expires_at=NOW + timedelta(hours=1))
    wall.now = NOW + timedelta(hours=1) - timedelta(seconds=1)
    assert read(client, made.shown).status_code == 200
    wall.now = NOW + timedelta(hours=1)
    assert (read(client, made.shown).status_code, read(client, made.shown).json()["message"]) == (
        401,
        "This API key has expired.",
    )
    other = key(Scope.READ)
    assert keys.revoke(other.row, by="asha", wall_now=wall.now)
    assert not keys.revoke(other.row, by="ben", wall_now=wall.now)
    assert read(client, other.shown).json()["message"] == "This API key was revoked."
    assert not Failure.objects.exists()  # they showed the right secret: nobody was guessing


def test_last_use_is_written_once_a_minute(client, wall):
    made = key(Scope.READ)
    for seconds, noted in ((0, 0), (59, 0), (60, 60)):
        wall.now = NOW + timedelta(seconds=seconds)
        assert read(client, made.shown).status_code == 200
        made.row.refresh_from_db()
        assert made.row.last_used_at == NOW + timedelta(seconds=noted)


def test_ten_wrong_keys_lock_their_address_out_even_with_a_right_one_until_the_lock_is_over(client, wall):
    made = key(Scope.READ)
    for _ in range(lockout.MOST_FAILURES):
        assert read(client, "guess", **FAR).status_code == 401
    locked = read(client, made.shown, **FAR)
    assert (locked.status_code, locked.json()["code"], locked["Retry-After"]) == (429, "LOCKED_OUT", "900")
    assert read(client, made.shown, REMOTE_ADDR="198.51.100.8").status_code == 200
    wall.now = NOW + lockout.LOCK
    assert read(client, made.shown, **FAR).status_code == 200
    assert read(client, "guess", **FAR).status_code == 401  # and the count begins anew
    assert Failure.objects.get(source="key from 198.51.100.7").count == 1


def test_guesses_at_one_key_from_many_addresses_lock_that_key_elsewhere_and_never_on_loopback(client):
    made = key(Scope.READ)
    wrong = made.shown[:-4] + ("AAAA" if not made.shown.endswith("AAAA") else "BBBB")
    for number in range(lockout.MOST_FAILURES):
        assert read(client, wrong, REMOTE_ADDR=f"198.51.100.{number}").status_code == 401
    assert read(client, made.shown, REMOTE_ADDR="203.0.113.1").status_code == 429
    assert read(client, made.shown).status_code == 200
    assert read(client, key(Scope.READ).shown, REMOTE_ADDR="203.0.113.1").status_code == 200


@pytest.mark.parametrize("extra", [{}, {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}])
def test_nobody_locks_out_the_right_key_on_loopback(client, extra):
    for _ in range(lockout.MOST_FAILURES + 1):
        read(client, "guess", **extra)
    assert read(client, "guess", **extra).status_code == 429
    assert read(client, "the-key-of-the-environment").status_code == 200
    assert read(client, "the-key-of-the-environment", **extra).status_code == (429 if extra else 200)


def test_failures_of_another_window_are_forgotten(client, wall):
    for _ in range(lockout.MOST_FAILURES - 1):
        read(client, "guess", **FAR)
    wall.now = NOW + lockout.WINDOW
    assert read(client, "guess", **FAR).status_code == 401
    assert read(client, "guess", **FAR).status_code == 401
    wall.now = NOW + lockout.WINDOW + timedelta(days=2)
    read(client, "guess", REMOTE_ADDR="203.0.113.1")
    assert [row.source for row in Failure.objects.all()] == ["key from 203.0.113.1"]


def login(client, *, password="right", code="", **extra):  # noqa: S107 - a test's
    return client.post(LOGIN, {"username": "a-trader", "password": password, "otp_token": code, "next": "/"}, **extra)


def test_wrong_passwords_lock_the_login_and_say_when_to_come_back(client, wall):
    person("trader", password="right")
    for _ in range(lockout.MOST_FAILURES):
        assert login(client, password="wrong", **FAR).status_code == 200
    locked = login(client, **FAR)
    assert (locked.status_code, locked["Retry-After"]) == (429, "900")
    assert login(client, REMOTE_ADDR="203.0.113.1").status_code == 429  # the name is locked everywhere else
    assert login(client).status_code == 302  # and not on the machine itself
    assert "a-trader" not in str(list(Failure.objects.values()))


def test_a_person_without_a_role_is_told_so_after_the_password_only(client, django_user_model):
    django_user_model.objects.create_user("a-trader", password="right", is_staff=True)
    assert "has no role" in login(client).content.decode()
    assert "has no role" not in login(client, password="wrong").content.decode()


def code_of(device: TOTPDevice, *, offset: int = 0) -> str:
    return f"{totp(device.bin_key, step=device.step, t0=device.t0 - offset * device.step, digits=device.digits):06d}"


def test_a_second_factor_is_enrolled_and_then_asked_for_with_backup_codes_good_once(client):
    trader = person("trader", password="right")
    page = reverse("admin:second_factor")
    older = Client()
    older.force_login(trader)
    client.force_login(trader)
    shown = client.get(page).content.decode()
    device = TOTPDevice.objects.get(user=trader)
    assert "<svg" in shown
    assert "http://" not in shown.replace("http://www.w3.org/2000/svg", "")
    assert not device.confirmed
    assert "not the code" in client.post(page, {"code": "000000"}).content.decode()
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    answer = client.post(page, {"code": code_of(device)})
    codes = answer.context["codes"]
    assert len(codes) == 10
    assert client.get("/preflight").status_code == 200
    assert older.get("/preflight").status_code == 302  # a login from before, without a code
    assert older.get(READ).json()["code"] == "SECOND_FACTOR_NEEDED"

    fresh = Client()
    assert "code is wrong" in login(fresh).content.decode()
    assert login(fresh, code=codes[0]).status_code == 302
    assert fresh.get("/preflight").status_code == 200
    assert "code is wrong" in login(Client(), code=codes[0]).content.decode()
    assert read(client, key(Scope.READ).shown).status_code == 200  # keys are never asked
    admin = Client()
    admin.force_login(person("admin"))
    chosen = {"action": "forget_second_factor", "_selected_action": [trader.pk]}
    assert admin.post(reverse("admin:auth_user_changelist"), chosen).status_code == 302
    assert login(Client()).status_code == 302


def test_a_key_made_in_the_admin_is_shown_once_and_revoked_there(client):
    client.force_login(person("admin"))
    made = client.post(reverse("admin:access_apikey_add"), {"name": "board", "scopes": ["read", "operate"]})
    shown = made.context["shown"]
    row = ApiKey.objects.get()
    assert (made.status_code, row.scopes, row.created_by) == (200, ["operate", "read"], "a-admin")
    assert shown in made.content.decode()
    assert "no-store" in made["Cache-Control"]
    for page in (reverse("admin:access_apikey_changelist"), reverse("admin:access_apikey_change", args=[row.pk])):
        text = client.get(page).content.decode()
        assert shown not in text
        assert row.digest not in text
        assert row.prefix in text
    assert read(Client(), shown).status_code == 200
    client.post(reverse("admin:access_apikey_changelist"), {"action": "revoke_keys", "_selected_action": [row.pk]})
    assert read(Client(), shown).status_code == 401
