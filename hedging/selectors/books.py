"""How our ledger compares with the broker's books: the last comparison of a session, and what was taken off its holdings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hedging.domain.reconciliation import FOREIGN, KIND_TEXT, Kind
from hedging.engine.one_row import OneRow
from hedging.models import Adjustment, BookCheck
from sessions_app.models import TradingSession

_CHECK = OneRow(BookCheck, where="t0.session_id = %s")
_FOREIGN = frozenset(kind.value for kind in FOREIGN)


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between ledger and books. Quantities in units; `words` says what it means and blocks."""

    kind: str
    symbol: str
    product: str
    quantity: int
    ours: int
    broker: int
    detail: str
    words: str


@dataclass(frozen=True, slots=True)
class Correction:
    """Units that left our holdings without an order of ours."""

    kind: str
    symbol: str
    quantity: int
    detail: str
    at: datetime
    words: str


@dataclass(frozen=True, slots=True)
class BookComparison:
    """The last comparison, at market time `read_at` (None: none yet). `reconciled` false: nothing is decided meanwhile.

    `discrepancies` concern us, `foreign` is what others hold and order. `requested` tells that another is to be made.
    """

    reconciled: bool
    read_at: datetime | None
    error: str
    requested: bool
    discrepancies: tuple[Finding, ...]
    foreign: tuple[Finding, ...]
    blocked: tuple[str, ...]
    corrections: tuple[Correction, ...]

    @property
    def remarkable(self) -> bool:
        """Return whether a person should look."""
        return bool(self.discrepancies or self.corrections or self.error)


def books(session: TradingSession) -> BookComparison:
    """Return how the session's ledger compares with the broker's books. Two queries."""
    check = _CHECK.find(session.pk) or BookCheck(session=session)
    findings = tuple(
        Finding(
            kind=row["kind"],
            symbol=row["symbol"] or row["detail"],
            product=row["product"],
            quantity=row["quantity"],
            ours=row["ours"],
            broker=row["broker"],
            detail=row["detail"],
            words=KIND_TEXT[Kind(row["kind"])],
        )
        for row in check.found
    )
    asked, read = check.requested_wall, check.read_wall
    return BookComparison(
        reconciled=read is not None,
        read_at=check.read_at,
        error=check.error,
        requested=asked is not None and (read is None or asked > read),
        discrepancies=tuple(finding for finding in findings if finding.kind not in _FOREIGN),
        foreign=tuple(finding for finding in findings if finding.kind in _FOREIGN),
        blocked=tuple(check.blocked),
        corrections=tuple(
            Correction(row.kind, row.symbol, row.quantity, row.detail, row.at, KIND_TEXT[Kind(row.kind)])
            for row in Adjustment.objects.filter(session=session).order_by("id")
        ),
    )
