"""Logging: one line a record on stderr, with every secret blanked by its name and by its value."""

from __future__ import annotations

import logging
import re
from typing import Any

from django.views.debug import SafeExceptionReporterFilter

BLANK = "[hidden]"
_SHORTEST_SECRET = 6  # blanking shorter values would blank ordinary words
_values: set[str] = set()

# name = value in JSON, Python reprs, query strings and headers; and Telegram's token, which is a part of its URL.
_BY_NAME = re.compile(
    r"""(?ix) ( ["']? \b [\w-]* (?:api[_-]?key|secret[_-]?key|password|passwd|token|authorization) ["']? \s* [:=] \s* )
        (?: (["']) (?:\\.|(?!\2).)* \2 | (?:(?:bearer|token|basic)\s+)? [^\s"'&,;)}\]]+ )"""
)
_TELEGRAM = re.compile(r"\bbot\d+:[\w-]+")
_OUR_KEY = re.compile(r"\b(ah_[0-9a-f]{8}_)[A-Za-z0-9_-]{43}")
_URL_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s/@]+@")


def hide(*secrets: str | None) -> None:
    """Remember values that no log record may show."""
    _values.update(secret for secret in secrets if secret and len(secret) >= _SHORTEST_SECRET)


def redact(text: str) -> str:
    """Blank secrets in a text: known values first, then anything named like one."""
    for value in sorted(_values, key=len, reverse=True):
        text = text.replace(value, BLANK)
    text = _TELEGRAM.sub(f"bot{BLANK}", text)
    text = _OUR_KEY.sub(rf"\1{BLANK}", text)
    text = _URL_PASSWORD.sub(rf"\1{BLANK}@", text)
    return _BY_NAME.sub(rf"\1{BLANK}", text)


class RedactingFormatter(logging.Formatter):
    """Format a record, its traceback included, and blank the secrets in the whole of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text without secrets."""
        return redact(super().format(record))


class SecretFilter(SafeExceptionReporterFilter):
    """What a report of an exception shows of the settings and of request headers: nothing that is or holds a secret."""

    hidden_settings = re.compile(r"API|TOKEN|KEY|SECRET|PASS|SIGNATURE|COOKIE|AUTHORIZATION|URL|DATABASES|_env", re.I)


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "config.logging.RedactingFormatter", "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Django's own handler would write the same records a second time, without redaction.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        "celery.beat": {"level": "WARNING"},  # one line a tick says nothing
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},
    },
}
