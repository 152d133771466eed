"""Django admin of hedging: read-only ledgers, the desk where sessions are opened, switched and halted, and the kill switch."""

from hedging.admin import accounts, desk, installation, keys, ledgers, people, timetable

__all__ = ["accounts", "desk", "installation", "keys", "ledgers", "people", "timetable"]
