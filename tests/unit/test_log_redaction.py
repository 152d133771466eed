"""No log record shows a secret, whether it is known by its value or only by its name."""

import logging

import pytest

from config import logging as log_config
from config.logging import RedactingFormatter, redact

CANARY = "c4n4ry-5ecret"


@pytest.fixture(autouse=True)
def known_values(monkeypatch):
    monkeypatch.setattr(log_config, "_values", set())


@pytest.mark.parametrize(
    "text",
    [
        f'{{"apikey": "{CANARY}", "symbol": "NIFTY"}}',
        f"{{'api_key': '{CANARY}'}}",
        f"OPENALGO_API_KEY={CANARY}",
        f"Authorization: Bearer {CANARY}",
        f"password = {CANARY}",
        f"secret_key: '{CANARY}'",
        f"GET /x?token={CANARY}&y=1",
        "https://api.telegram.org/bot12345:" + CANARY + "/sendMessage",
        f"postgresql://me:{CANARY}@db.example/name",
        f"redis://:{CANARY}@h:6379/0",
    ],
)
def test_a_value_is_blanked_by_its_name(text):
    assert CANARY not in redact(text)


def test_a_value_is_blanked_wherever_it_stands():
    log_config.hide(CANARY, None, "")
    assert redact(f"and then {CANARY}, twice {CANARY}") == "and then [hidden], twice [hidden]"


@pytest.mark.parametrize(
    "text", ["bought 75 NIFTY01DEC2626000CE at 4.05", "key moments: none", "tokens left 5", '{"status": "success"}']
)
def test_other_words_stay(text):
    assert redact(text) == text


def test_a_traceback_is_blanked_too():
    log_config.hide(CANARY)
    with pytest.raises(ValueError, match=CANARY) as raised:
        int(CANARY)
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), raised._excinfo)
    shown = RedactingFormatter("%(message)s").format(record)
    assert CANARY not in shown
    assert "ValueError" in shown
