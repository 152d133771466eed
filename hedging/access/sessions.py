"""Logins: Django's own sessions in the database, read by a statement that is composed once, since every request asks for one."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from hedging.engine.one_row import OneRow

_VALID = OneRow(Session, where="t0.session_key = %s AND t0.expire_date > %s")


class SessionStore(DatabaseStore):
    """The store that `SESSION_ENGINE` names."""

    def _get_session_from_db(self) -> Any:
        """Return the row of a login that is still valid; None for any other, whose key is then forgotten."""
        found = _VALID.find(self.session_key, timezone.now())
        if found is None:
            self._session_key = None
        return found
