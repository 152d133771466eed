"""Access: who may look and who may act. Views declare a `Scope`; what declares nothing is refused (docs/security.md)."""

from hedging.access.declare import OPEN, Declaration, need_of, needing
from hedging.access.rules import (
    LID_CLOSED,
    KeyHolder,
    dev_mode_opens,
    holds,
    is_direct_loopback,
    lacks_second_factor,
    may,
    reads_are_open,
)
from hedging.domain.roles import Role, Scope

__all__ = [
    "LID_CLOSED",
    "OPEN",
    "Declaration",
    "KeyHolder",
    "Role",
    "Scope",
    "dev_mode_opens",
    "holds",
    "is_direct_loopback",
    "lacks_second_factor",
    "may",
    "need_of",
    "needing",
    "reads_are_open",
]
