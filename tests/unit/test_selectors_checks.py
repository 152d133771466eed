"""Settings that contradict one another are named by number."""

from dataclasses import replace
from decimal import Decimal

import pytest

from hedging import checks

ALL = (checks.keys_differ, checks.hosts_agree, checks.alerts_have_an_address, checks.policy_can_act)


def found():
    return {message.id for check in ALL for message in check(None)}


def test_the_default_settings_contradict_nothing():
    assert found() == set()


@pytest.mark.parametrize(
    ("changed", "number"),
    [
        (
            {"HEDGE_API_KEY": "the-same-secret-for-two-doors", "OPENALGO_API_KEY": "the-same-secret-for-two-doors"},
            "E001",
        ),
        ({"HEDGE_API_KEY": "short"}, "W001"),
        ({"LOOPBACK_BIND": False, "HOST": "192.0.2.7", "ALLOWED_HOSTS": ["localhost"]}, "E002"),
        ({"LOOPBACK_BIND": False, "HOST": "192.0.2.7", "ALLOWED_HOSTS": ["*"]}, "W002"),
        ({"CSRF_TRUSTED_ORIGINS": ["https://hedge.example"]}, "E003"),
        ({"TELEGRAM_BOT_TOKEN": "123456:token"}, "W003"),
        ({"TELEGRAM_CHAT_ID": "42"}, "W003"),
    ],
)
def test_a_contradiction_is_named(settings, changed, number):
    for name, value in changed.items():
        setattr(settings, name, value)

    assert found() == {f"hedging.{number}"}


@pytest.mark.parametrize(
    ("changed", "number"),
    [
        ({"max_cost_per_day": Decimal(0)}, "W004"),
        ({"cooldown_seconds": 301}, "W005"),
        ({"exit_buffer_minutes": 4}, "W006"),
    ],
)
def test_a_policy_that_cannot_act_is_named(settings, changed, number):
    settings.HEDGE_POLICY = replace(settings.HEDGE_POLICY, **changed)

    assert found() == {f"hedging.{number}"}


def test_settings_that_agree_are_left_alone(settings):
    settings.LOOPBACK_BIND, settings.HOST = False, "192.0.2.7"
    settings.ALLOWED_HOSTS = ["hedge.example", ".desk.example"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://hedge.example:8443", "https://*.desk.example"]
    settings.TELEGRAM_BOT_TOKEN, settings.TELEGRAM_CHAT_ID = "123456:token", "42"
    settings.HEDGE_API_KEY = "a-key-of-twenty-chars"

    assert found() == set()
