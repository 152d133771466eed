"""Django admin of hedging: read-only ledgers, and the desk where sessions are opened, switched and halted."""

from hedging.admin import desk, ledgers

__all__ = ["desk", "ledgers"]
