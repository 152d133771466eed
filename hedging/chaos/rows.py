"""Rows: what a schedule finds in its tables at the start, and the facts of a cycle that its scripted choice needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from hedging.brokers.openalgo.symbols import format_symbol
from hedging.chaos.script import FREEZE_LOTS, LOT, TICK, Script, contracts
from hedging.domain.charges import ChargeRates, order_charges
from hedging.domain.facts import CycleFacts, SessionFacts, Window
from hedging.domain.instruments import ContractSpec, Exchange, Index, Product, Side
from hedging.domain.lifecycle import OrderStatus
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.policy import HedgePolicy
from hedging.domain.reasons import Reason
from hedging.domain.risk import MarginParameters
from hedging.engine.hours import acting_hours
from hedging.models import Action, CycleKind, Fill, HedgeDecision, HedgeOrder, HedgeTransaction
from schedule import models as reference
from schedule.calendar import SessionHours
from sessions_app.models import Account, Mode, TradingSession

MORNING_ORDER = "MORNING"
MORNING_PRICE = Decimal("4.00")


@dataclass(frozen=True, slots=True)
class Rows:
    """The account and session of a schedule, and the dated facts that it goes by.

    `morning` is the slice by which what is held at the start was bought.
    """

    account_id: int
    session_id: int
    mode: str
    hours: SessionHours
    spec: ContractSpec
    charges: ChargeRates
    morning: int | None = None

    def facts(self, *, now: datetime, policy: HedgePolicy) -> CycleFacts:
        """Return what a cycle knows at `now` where used margin is not looked at. One query."""
        session = TradingSession.objects.get(pk=self.session_id)
        return CycleFacts(
            now=now,
            seen_at=now,
            session=SessionFacts(
                index=Index.NIFTY,
                expiry=session.expiry,
                dte=0,
                product=Product.NRML,
                budget=session.budget,
                baseline=Decimal(0),
                automation=session.automation,
                trading_state=session.trading_state,
                spent=session.spent,
                reserved=session.reserved,
                last_action_at=session.last_action_at,
                quarantine=frozenset(),
            ),
            policy=policy,
            spec=self.spec,
            parameters=MarginParameters(),
            charges=self.charges,
            profile=MarginProfile(premium_counted=True),
            enabled=True,
            window=Window(self.hours.act_from, self.hours.act_until, self.hours.closes),
            breaker_open=False,
            reconciled=True,
            funds=None,
            used=None,
            free_margin=None,
            positions=None,
            held=(),
            in_flight=(),
            coming=(),
            soon=(),
            later=(),
            just_due=False,
            just_exited=False,
        )


@dataclass(frozen=True, slots=True)
class Dated:
    """The dated facts of a schedule's day."""

    hours: SessionHours
    spec: ContractSpec
    charges: ChargeRates


def write_dated(day: date) -> Dated:
    """Write the reference rows of a day that no seeded row speaks of, where they are missing.

    No entry of a timetable is due: what is decided is scripted, and tables in memory have no timetable.
    """
    reference.StrategyEntry.objects.filter(active=True).update(active=False)
    reference.TradingDay.objects.get_or_create(day=day, defaults={"is_open": True})
    spec, _ = reference.ContractSpec.objects.get_or_create(
        index=Index.NIFTY.value,
        effective_from=day,
        defaults={
            "lot": LOT,
            "strike_step": Decimal(50),
            "tick": TICK,
            "freeze_quantity": FREEZE_LOTS * LOT + 1,
            "otm_min": Decimal(200),
            "otm_max": Decimal(1000),
            "expiry_weekday": reference.Weekday.TUESDAY,
        },
    )
    rates, _ = reference.ChargeRates.objects.get_or_create(
        exchange=Exchange.NFO.value,
        effective_from=day,
        defaults={"exchange_pct": Decimal("0.03553")},
    )
    hours = acting_hours(day)
    if hours is None:
        raise RuntimeError(f"{day} has no hours although its row was just written")
    return Dated(hours=hours, spec=spec.as_facts(), charges=rates.as_facts())


def write_rows(script: Script, *, name: str, dated: Dated) -> Rows:
    """Write an account called `name` and its open live session."""
    day, hours = script.day, dated.hours
    account = Account.objects.create(name=name, mode=Mode.LIVE)
    session = TradingSession.objects.create(
        account=account,
        trading_day=day,
        mode=Mode.LIVE,
        index=Index.NIFTY.value,
        expiry=day,
        dte=0,
        opened_at=hours.opens,
        baseline=Decimal(0),
        baseline_at=hours.opens,
    )
    rows = Rows(
        account_id=account.pk,
        session_id=session.pk,
        mode=session.mode,
        hours=hours,
        spec=dated.spec,
        charges=dated.charges,
    )
    return replace(rows, morning=_buy_in_the_morning(script, rows)) if script.held_lots else rows


def _buy_in_the_morning(script: Script, rows: Rows) -> int:
    """Write what was bought, filled and booked before the schedule; return the slice's id."""
    wing, quantity, at = contracts(script.day)[0], script.held_lots * LOT, script.start - timedelta(hours=1)
    premium = MORNING_PRICE * quantity
    paid = order_charges(rates=rows.charges, side=Side.BUY, premium_rupees=premium).quantize(Decimal("0.01"))
    card = HedgeDecision.objects.create(
        session_id=rows.session_id,
        mode=rows.mode,
        kind=CycleKind.MARGIN_CHECK.value,
        at=at,
        action=Action.ADD.value,
        reason=Reason.ADD_PROJECTION_OVER_TRIGGER.value,
    )
    tx = HedgeTransaction.objects.create(
        decision=card,
        session_id=rows.session_id,
        mode=rows.mode,
        index=wing.index.value,
        expiry=wing.expiry,
        strike=wing.strike,
        right=wing.right.value,
        product=Product.NRML.value,
        symbol=format_symbol(wing),
        side=Side.BUY.value,
        quantity=quantity,
        lot=LOT,
        reference_price=MORNING_PRICE,
        worst_price=MORNING_PRICE,
        reason=card.reason,
        created_at=at,
        valid_until=at,
        is_live=False,
        ended_at=at,
        filled_quantity=quantity,
        average_price=MORNING_PRICE,
        charges=paid,
    )
    order = HedgeOrder.objects.create(
        transaction=tx,
        account_id=rows.account_id,
        trading_day=script.day,
        mode=rows.mode,
        slice=1,
        status=OrderStatus.FILLED.value,
        quantity=quantity,
        limit_price=MORNING_PRICE,
        broker_order_id=MORNING_ORDER,
        created_at=at,
        sent_at=at,
        touched_wall=at,
    )
    Fill.objects.create(order=order, mode=rows.mode, sequence=1, quantity=quantity, price=MORNING_PRICE, at=at)
    TradingSession.objects.filter(pk=rows.session_id).update(spent=premium + paid)
    return order.pk
