"""Rows: what a schedule finds in its tables at the start, and the facts of a cycle that its scripted choice needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from hedging.chaos.script import FREEZE_LOTS, LOT, TICK, Script
from hedging.domain.charges import ChargeRates
from hedging.domain.facts import CycleFacts, SessionFacts, Window
from hedging.domain.instruments import ContractSpec, Exchange, Index, Product
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.policy import HedgePolicy
from hedging.domain.risk import MarginParameters
from hedging.engine.hours import acting_hours
from schedule import models as reference
from schedule.calendar import SessionHours
from sessions_app.models import Account, Mode, TradingSession


@dataclass(frozen=True, slots=True)
class Rows:
    """The account and session of a schedule, and the dated facts that it goes by."""

    account_id: int
    session_id: int
    mode: str
    hours: SessionHours
    spec: ContractSpec
    charges: ChargeRates

    def facts(self, *, now: datetime, policy: HedgePolicy) -> CycleFacts:
        """Return what a cycle knows at `now` where used margin is not looked at. One query."""
        session = TradingSession.objects.get(pk=self.session_id)
        return CycleFacts(
            now=now,
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
    """Write the reference rows of a day that no seeded row speaks of, where they are missing."""
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
    return Rows(
        account_id=account.pk,
        session_id=session.pk,
        mode=session.mode,
        hours=hours,
        spec=dated.spec,
        charges=dated.charges,
    )
