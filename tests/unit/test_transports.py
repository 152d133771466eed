"""Transports: what Telegram is asked, what its answers mean, and that its token is never shown."""

from __future__ import annotations

import io
import json
import logging
import traceback
from datetime import timedelta
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from notifications.messages import Message
from notifications.models import Severity
from notifications.transports import ConsoleTransport, TelegramTransport, TransportFailed, transport_from_settings

TOKEN = "123456:AA-canary-token"
MESSAGE = Message(html="<b>Bought</b>\n\n&lt;130&gt;", severity=Severity.CRITICAL)


class FakeTelegram(BaseAdapter):
    """Answers as told, and remembers what it was asked."""

    def __init__(self, status: int = 200, body: object = None, error: Exception | None = None) -> None:
        super().__init__()
        self.status, self.body, self.error = status, body, error
        self.asked: list[requests.PreparedRequest] = []
        self.options: dict[str, Any] = {}

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        self.asked.append(request)
        self.options = options
        if self.error is not None:
            raise self.error
        answer = requests.Response()
        answer.status_code = self.status
        answer.url = request.url or ""
        answer.request = request
        content = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        answer.raw = io.BytesIO(content)
        if 300 <= self.status < 400:
            answer.headers["Location"] = "https://elsewhere.example/"
        return answer

    def close(self) -> None:
        """Hold nothing."""


def telegram(fake: FakeTelegram) -> TelegramTransport:
    transport = TelegramTransport(token=TOKEN, chat_id="-100200")
    transport.session.mount("https://api.telegram.org", fake)
    return transport


def failure_of(fake: FakeTelegram) -> TransportFailed:
    with pytest.raises(TransportFailed) as failed:
        telegram(fake).send(MESSAGE)
    shown = "".join(traceback.format_exception(failed.value)) + str(failed.value)
    assert TOKEN not in shown
    return failed.value


def test_a_message_is_posted_once_as_html_with_a_deadline():
    fake = FakeTelegram(body={"ok": True, "result": {"message_id": 1}})
    telegram(fake).send(MESSAGE)
    (request,) = fake.asked
    assert request.url == f"https://api.telegram.org/bot{TOKEN}/sendMessage"
    assert json.loads(request.body or b"") == {
        "chat_id": "-100200",
        "text": MESSAGE.html,
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }
    assert fake.options["timeout"] == (3, 7)


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    fake = FakeTelegram(body={"ok": True})
    telegram(fake).send(MESSAGE)
    assert not fake.options["proxies"]


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError(f"https://api.telegram.org/bot{TOKEN}/sendMessage refused"),
        requests.Timeout(TOKEN),
        requests.exceptions.ChunkedEncodingError(TOKEN),
    ],
)
def test_a_network_failure_concerns_every_message_and_shows_no_token(error):
    failure = failure_of(FakeTelegram(error=error))
    assert failure.everything
    assert failure.retry_after is None
    assert type(error).__name__ in str(failure)


@pytest.mark.parametrize(
    ("status", "body", "everything"),
    [
        (200, {"ok": False, "description": "odd"}, True),
        (200, b"<html>", True),
        (200, ["ok"], True),
        (302, {"ok": True}, True),
        (400, {"ok": False, "description": "Bad Request: can't parse entities"}, False),
        (401, {"ok": False, "description": "Unauthorized"}, True),
        (403, {"ok": False, "description": f"bot {TOKEN} was blocked"}, True),
        (404, {"ok": False, "description": "Not Found"}, True),
        (502, b"Bad Gateway", True),
    ],
)
def test_anything_but_ok_is_a_failure_and_only_a_400_is_about_the_message(status, body, everything):
    fake = FakeTelegram(status, body)
    failure = failure_of(fake)
    assert failure.everything is everything
    assert failure.retry_after is None
    assert str(status) in str(failure)
    assert len(fake.asked) == 1  # never repeated here, no redirect followed


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"ok": False, "parameters": {"retry_after": 17}}, 17),
        ({"ok": False, "parameters": {"retry_after": 86_400}}, 3600),
        ({"ok": False, "parameters": {"retry_after": -1}}, 30),
        ({"ok": False, "parameters": {"retry_after": "soon"}}, 30),
        ({"ok": False, "parameters": None}, 30),
        (b"slow down", 30),
    ],
)
def test_a_429_says_how_long_to_wait_within_reason(body, seconds):
    assert failure_of(FakeTelegram(429, body)).retry_after == timedelta(seconds=seconds)


def test_the_token_is_not_in_the_representation():
    assert TOKEN not in repr(TelegramTransport(token=TOKEN, chat_id="1"))


def test_the_console_writes_one_line_at_the_level_of_the_severity(caplog):
    with caplog.at_level(logging.INFO, logger="notifications"):
        ConsoleTransport().send(MESSAGE)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "Bought · <130>"


@pytest.mark.parametrize(
    ("token", "chat", "kind"),
    [(TOKEN, "1", TelegramTransport), (None, "1", ConsoleTransport), (TOKEN, None, ConsoleTransport),
     (None, None, ConsoleTransport)],
)  # fmt: skip
def test_telegram_is_used_only_when_token_and_chat_are_both_set(settings, token, chat, kind):
    settings.TELEGRAM_BOT_TOKEN, settings.TELEGRAM_CHAT_ID = token, chat
    assert isinstance(transport_from_settings(), kind)
