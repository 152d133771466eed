"""One trading day in the database, as the page and the API see it at 10:12 IST: a hedge was bought before entry 4."""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal

from hedging.domain.lifecycle import OrderStatus
from hedging.domain.reasons import Reason
from hedging.engine import clock
from hedging.models import Action, CycleKind
from sessions_app.models import TradingSession
from tests import factories as make

NOW = make.ist(10, 12)
PROJECTION = {
    "used": "740000",
    "projection": [
        {
            "portfolio": "ITJ_NF_EXP 4",
            "at": "2026-12-01T10:16:30+05:30",
            "at_order": "1150000",
            "used_after": "1076000",
            "used_after_pct": "107.6",
            "source": "broker",
        }
    ],
    "projected_pct": "107.6",
    "chosen": {
        "aim": "target",
        "relaxation": "otm_bound",
        "proven": True,
        "cost": "526.50",
        "charges": "21.40",
        "utilization_after_pct": "84.2",
        "buys": [{"symbol": "NIFTY01DEC2626500CE", "quantity": 130, "price": "4.05"}],
        "sells": [],
    },
}


def known_calendar() -> None:
    """Know every weekday from 23-Nov-2026 to 8-Dec-2026, and when NIFTY options expire."""
    day = date(2026, 11, 23)
    while day <= date(2026, 12, 8):
        if day.weekday() < 5:
            make.TradingDayFactory.create(day=day)
        day += timedelta(days=1)
    make.ContractSpecFactory.create()


def entries() -> None:
    """Schedule two entries of the expiry Tuesday: one over by now, one to come."""
    make.StrategyEntryFactory.create(portfolio="ITJ_NF_EXP 1", entry_time=time(9, 16), exit_time=time(10, 0))
    make.StrategyEntryFactory.create(portfolio="ITJ_NF_EXP 4", entry_time=time(10, 16, 30), exit_time=None)


def hedged_morning(*, holds: int = 4) -> TradingSession:
    """Write a session with readings, `holds` equal holds, one purchase that filled, and a working sale."""
    known_calendar()
    entries()
    session = make.TradingSessionFactory.create(
        baseline=Decimal(0), baseline_at=make.ist(9, 15), spent=Decimal("547.90")
    )
    for number, used in enumerate((0, 250000, 740000)):
        make.MarginSnapshotFactory.create(
            session=session,
            at=(make.ist(9, 15), make.ist(9, 16, 30), make.ist(10, 11, 40))[number],
            used=Decimal(used),
            utilization_pct=Decimal(used) / 10000,
        )
    for number in range(holds):
        make.HedgeDecisionFactory.create(
            session=session,
            at=make.ist(9, 20) + timedelta(seconds=30 * number),
            action=Action.HOLD.value,
            reason=Reason.HOLD_WITHIN_BUDGET.value,
            kind=CycleKind.MARGIN_CHECK.value,
        )
    bought = make.HedgeDecisionFactory.create(
        session=session,
        at=make.ist(10, 11, 30),
        facts=PROJECTION,
        gates=[
            {"gate": "toggle", "passed": True, "detail": "automation is on"},
            {"gate": "projection", "passed": False, "detail": "107.6 % is over 95 %"},
        ],
    )
    buy = make.HedgeTransactionFactory.create(
        decision=bought,
        strike=Decimal(26500),
        is_live=False,
        ended_at=make.ist(10, 11, 35),
        filled_quantity=130,
        average_price=Decimal("4.05"),
        charges=Decimal("21.40"),
    )
    order = make.HedgeOrderFactory.create(transaction=buy, acked=True, status=OrderStatus.FILLED.value)
    make.FillFactory.create(order=order, quantity=130, price=Decimal("4.05"), at=make.ist(10, 11, 34))
    return session


class StoppedClock:
    """A market clock that stands at `NOW`, or that cannot be read."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away

    def now(self):
        if self.away:
            raise clock.ClockUnavailable("nobody answers")
        return NOW
