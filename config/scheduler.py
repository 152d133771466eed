"""Beat's scheduler: the database's, made indifferent to a wall clock that steps back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from config.beat import AHEAD

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class Entry(ModelEntry):  # type: ignore[misc]  # untyped, as is the next
    """An entry whose last run is not believed where it lies ahead of now: it was written by a clock that ran ahead.

    Believed, the entry would be due again only when the clock has caught up, after a restart too.
    """

    last_run_at: datetime

    def is_due(self) -> Any:
        """Return whether the entry is due now, and the seconds after which to look again."""
        if self.last_run_at > self._default_now() + AHEAD:
            self.last_run_at = _LONG_AGO
        return super().is_due()


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """The database scheduler, which looks at every entry anew after the clock stepped back."""

    Entry = Entry
    _ticked_at = _LONG_AGO

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Send one entry that is due; return the seconds to sleep."""
        now = self.app.now()
        if now < self._ticked_at - AHEAD:
            self._heap = None  # it holds times of day, and would sleep until they come again
        self._ticked_at = now
        return super().tick(*args, **kwargs)

    def schedule_changed(self) -> bool:
        """Return whether the table was changed since it was read: a pause bears an earlier time after a step back."""
        before = self._last_timestamp
        changed = super().schedule_changed()
        return bool(changed or (before and self._last_timestamp and self._last_timestamp < before))
