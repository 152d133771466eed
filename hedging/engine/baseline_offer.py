"""The baseline offered to a person for a session that was opened late: what is used now, less what its book takes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hedging.domain.jump import change_of_used
from hedging.domain.manual_quotes import PAISA
from hedging.engine.gather import Gatherer
from hedging.engine.pulse import take_pulse
from hedging.engine.reconcile import Reconciled
from hedging.engine.ticks import Rules
from hedging.models import CycleKind
from sessions_app.models import TradingSession


@dataclass(frozen=True, slots=True)
class OfferedBaseline:
    """What a person may take for the baseline, in rupees: the broker's used margin now, less that of the session's book.

    `book` is by our engine; `offered` is None where a figure is missing, and `note` says which.
    """

    used: Decimal | None
    book: Decimal | None
    offered: Decimal | None
    note: str


def offer_baseline(*, session: TradingSession, rules: Rules) -> OfferedBaseline:
    """Read funds, positions and prices, and return what the baseline of a session that was opened late would be.

    Stores nothing. Raises `ReferenceMissing`, `ClockUnavailable`.
    """
    ports = rules.ports_for(session)
    now = ports.clock.now()
    pulse = take_pulse(
        session_id=session.pk,
        account_id=session.account_id,
        day=session.trading_day,
        mode=session.mode,
        kind=CycleKind.MANUAL,
        slot=None,
        now=now,
    )
    gatherer = Gatherer(
        session=session, plan=rules.plan_for(session), base_policy=rules.policy, enabled=rules.enabled, ports=ports
    )
    facts = gatherer.prices(gatherer.book(now=now, books=Reconciled(watched=0, books_read=True), pulse=pulse))
    if facts.funds is None or facts.positions is None:
        return OfferedBaseline(None, None, None, facts.unknown or "funds or positions could not be read")
    used = facts.funds.utilised
    try:
        lines = tuple(line for line in facts.book() if line.contract.expiry == session.expiry)
        book = Decimal(0)
        if lines:
            book = change_of_used(
                book=(), legs=lines, market=facts.market, parameters=facts.parameters, profile=facts.profile
            ).quantize(PAISA)
    except ValueError as error:  # MarketUnknown is one
        return OfferedBaseline(used, None, None, str(error))
    return OfferedBaseline(used, book, used - book, f"by our engine, {len(lines)} lines of the book")
