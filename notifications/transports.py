"""Transports: ways to bring a message to the operator. Telegram, and the log where Telegram is not set up."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import requests
from django.conf import settings

from notifications.messages import Message
from notifications.models import LONGEST_WAIT, Severity

log = logging.getLogger("notifications")

CONNECT_SECONDS, READ_SECONDS = 3, 7
_USUAL_WAIT_SECONDS = 30
_LEVELS = {Severity.INFO: logging.INFO, Severity.WARNING: logging.WARNING, Severity.CRITICAL: logging.ERROR}


class TransportFailed(Exception):
    """A message was, as far as we know, not delivered. Try it again later.

    `everything` tells that no other message would get through now; `retry_after` that nothing may be sent before.
    """

    def __init__(self, reason: str, *, everything: bool = True, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.everything = everything
        self.retry_after = retry_after


class Transport(Protocol):
    """A way to bring a message to the operator."""

    def send(self, message: Message) -> None:
        """Deliver one message; raise `TransportFailed` when that did not surely happen."""


@dataclass(frozen=True, slots=True)
class ConsoleTransport:
    """Write messages to the log, one line each."""

    def send(self, message: Message) -> None:
        """Log the message at the level of its severity. Never fails."""
        line = " · ".join(part for part in message.text.splitlines() if part)
        log.log(_LEVELS.get(Severity(message.severity), logging.INFO), "%s", line)


def _direct_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a proxy or .netrc of the shell must not see the token
    return session


@dataclass(frozen=True, slots=True)
class TelegramTransport:
    """Send messages to one chat by the Bot API's `sendMessage`. The token is a part of the URL, so no URL is ever shown."""

    token: str = field(repr=False)
    chat_id: str
    base_url: str = "https://api.telegram.org"
    session: requests.Session = field(default_factory=_direct_session, repr=False, compare=False)

    def send(self, message: Message) -> None:
        """Post the message once; raise `TransportFailed` unless Telegram says `ok`."""
        try:
            answer = self.session.post(
                f"{self.base_url}/bot{self.token}/sendMessage",
                json={
                    "chat_id": self.chat_id,
                    "text": message.html,
                    "parse_mode": "HTML",
                    "link_preview_options": {"is_disabled": True},
                },
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # Not `from error`, and not its text: both hold the URL, and with it the token.
            raise TransportFailed(f"Telegram could not be reached ({type(error).__name__})") from None
        body = _body_of(answer)
        if answer.status_code == requests.codes.ok and body.get("ok") is True:
            return
        raise self._failure(answer.status_code, body)

    def _failure(self, status: int, body: dict[str, object]) -> TransportFailed:
        words = str(body.get("description", "")).replace(self.token, "[hidden]")[:150]
        reason = f"Telegram answered {status}: {words or 'no description'}"
        if status == requests.codes.too_many_requests:
            return TransportFailed(reason, retry_after=_wait_of(body))
        # A 400 is about this message; every other refusal is about the bot, the chat or the server.
        return TransportFailed(reason, everything=status != requests.codes.bad_request)


def transport_from_settings() -> Transport:
    """Return Telegram when its token and chat are both set (a placeholder counts as not set), else the log."""
    token, chat_id = settings.TELEGRAM_BOT_TOKEN, settings.TELEGRAM_CHAT_ID
    return TelegramTransport(token=token, chat_id=chat_id) if token and chat_id else ConsoleTransport()


def _body_of(answer: requests.Response) -> dict[str, object]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _wait_of(body: dict[str, object]) -> timedelta:
    parameters = body.get("parameters")
    seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
    if not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        seconds = _USUAL_WAIT_SECONDS
    return min(timedelta(seconds=min(seconds, 1e6)), LONGEST_WAIT)
