"""Factories: one valid row of every model, on the NIFTY expiry Tuesday 1-Dec-2026; a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Model
from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence, SubFactory, Trait
from factory.django import DjangoModelFactory

from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.audit_chain import AuditLine, digest_of
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.lifecycle import OrderStatus
from hedging.domain.reasons import Reason
from hedging.models import (
    Action,
    Adjustment,
    AdjustmentKind,
    AuditEvent,
    AuditLink,
    BookCheck,
    CycleKind,
    Fill,
    Heartbeat,
    HedgeDecision,
    HedgeOrder,
    HedgeTransaction,
    JumpKind,
    MarginJump,
    Origin,
    PaperOrder,
)
from notifications.models import Alert, Severity
from schedule.models import ChargeRates, ContractSpec, MarginParameters, StrategyEntry, TradingDay, Weekday
from sessions_app.models import Account, Calibration, MarginSnapshot, Mode, TradingSession

IST = ZoneInfo("Asia/Kolkata")
TUESDAY = date(2026, 12, 1)  # a NIFTY expiry
OPEN = datetime(2026, 12, 1, 3, 45, tzinfo=UTC)  # 09:15 IST


def ist(hour: int, minute: int = 0, second: int = 0, *, day: date = TUESDAY) -> datetime:
    """Return an IST time of `day` as aware UTC."""
    return datetime.combine(day, time(hour, minute, second), IST).astimezone(UTC)


Row = TypeVar("Row", bound=Model)


class RowFactory(DjangoModelFactory[Row]):
    """Tell the type checker what calling a factory returns: the stored row, not the factory."""

    class Meta:
        abstract = True

    if TYPE_CHECKING:

        def __new__(cls, *_args: Any, **_fields: Any) -> Row:  # type: ignore[misc]
            ...


class AccountFactory(RowFactory[Account]):
    class Meta:
        model = Account

    name = Sequence(lambda n: f"account {n}")
    mode = Mode.LIVE


class CalibrationFactory(RowFactory[Calibration]):
    class Meta:
        model = Calibration

    account = SubFactory(AccountFactory)
    index = Index.NIFTY.value
    trading_day = TUESDAY
    expiring = True
    at = OPEN
    found_by = "basket"
    nets = True
    scan_pct = 9.3
    elm_pct = 2.0
    elm_deep_pct = 3.0
    elm_expiry_extra_pct = 2.0
    error_pct = Decimal("0.50")


class TradingSessionFactory(RowFactory[TradingSession]):
    class Meta:
        model = TradingSession

    account = SubFactory(AccountFactory)
    trading_day = TUESDAY
    mode = SelfAttribute("account.mode")
    index = Index.NIFTY.value
    expiry = SelfAttribute("trading_day")
    dte = 0
    opened_at = OPEN

    class Params:
        closed = Trait(closed_at=ist(15, 40))


class MarginSnapshotFactory(RowFactory[MarginSnapshot]):
    class Meta:
        model = MarginSnapshot

    session = SubFactory(TradingSessionFactory)
    mode = SelfAttribute("session.mode")
    at = Sequence(lambda n: OPEN + timedelta(seconds=30 * n))
    broker_used = Decimal("500000.00")
    used = Decimal("500000.00")
    utilization_pct = Decimal("50.00")
    free_margin = Decimal("500000.00")
    spot = Decimal("26000.00")

    class Params:
        unknown = Trait(
            broker_used=None,
            used=None,
            utilization_pct=None,
            free_margin=None,
            spot=None,
            unknown_reason="the funds could not be read",
        )


class StrategyEntryFactory(RowFactory[StrategyEntry]):
    class Meta:
        model = StrategyEntry

    portfolio = Sequence(lambda n: f"PORTFOLIO {n}")
    index = Index.NIFTY.value
    dte = 0
    weekday = Weekday.TUESDAY
    entry_time = time(9, 16)
    exit_time = time(14, 15)


class TradingDayFactory(RowFactory[TradingDay]):
    class Meta:
        model = TradingDay

    day = Sequence(lambda n: TUESDAY + timedelta(days=n))
    is_open = True


class ContractSpecFactory(RowFactory[ContractSpec]):
    class Meta:
        model = ContractSpec

    index = Index.NIFTY.value
    effective_from = date(2026, 1, 1)
    lot = 65
    strike_step = Decimal(50)
    freeze_quantity = 1800
    otm_min = Decimal(200)
    otm_max = Decimal(1000)
    expiry_weekday = Weekday.TUESDAY

    class Params:
        sensex = Trait(
            index=Index.SENSEX.value,
            lot=20,
            strike_step=Decimal(100),
            freeze_quantity=1000,
            otm_min=Decimal(500),
            otm_max=Decimal(2500),
            expiry_weekday=Weekday.THURSDAY,
        )
        banknifty = Trait(
            index=Index.BANKNIFTY.value,
            lot=30,
            strike_step=Decimal(100),
            freeze_quantity=600,
            otm_min=Decimal(500),
            otm_max=Decimal(2500),
            weekly=False,
        )


class MarginParametersFactory(RowFactory[MarginParameters]):
    class Meta:
        model = MarginParameters

    index = Index.NIFTY.value
    effective_from = date(2026, 1, 1)


class ChargeRatesFactory(RowFactory[ChargeRates]):
    class Meta:
        model = ChargeRates

    exchange = "NFO"
    effective_from = date(2026, 1, 1)
    exchange_pct = Decimal("0.03553")


class HedgeDecisionFactory(RowFactory[HedgeDecision]):
    class Meta:
        model = HedgeDecision

    session = SubFactory(TradingSessionFactory)
    mode = SelfAttribute("session.mode")
    kind = CycleKind.ENTRY_PROJECTION.value
    slot = Sequence(lambda n: n)
    at = ist(10, 11, 30)
    action = Action.ADD.value
    reason = Reason.ADD_PROJECTION_OVER_TRIGGER.value


class HedgeTransactionFactory(RowFactory[HedgeTransaction]):
    """A live buy of two lots. The symbol follows from index, expiry, strike and right."""

    class Meta:
        model = HedgeTransaction

    decision = SubFactory(HedgeDecisionFactory)
    session = SelfAttribute("decision.session")
    mode = SelfAttribute("session.mode")
    index = SelfAttribute("session.index")
    expiry = SelfAttribute("session.expiry")
    strike = Sequence(lambda n: Decimal(26500 + 50 * n))
    right = Right.CE.value
    symbol = LazyAttribute(
        lambda o: format_symbol(Contract(Index(o.index), o.expiry, Decimal(o.strike), Right(o.right)))
    )
    product = SelfAttribute("session.account.product")
    side = Side.BUY.value
    lot = 65
    quantity = LazyAttribute(lambda o: 2 * o.lot)
    reference_price = Decimal("4.00")
    worst_price = Decimal("4.50")
    reserve = LazyAttribute(lambda o: o.worst_price * o.quantity if o.side == Side.BUY.value else Decimal(0))
    reason = SelfAttribute("decision.reason")
    origin = Origin.AUTO.value
    created_at = SelfAttribute("decision.at")
    valid_until = LazyAttribute(lambda o: o.created_at + timedelta(seconds=240))

    class Params:
        sell = Trait(side=Side.SELL.value, reason=Reason.UNWIND_SHORTS_GONE.value, worst_price=Decimal("3.50"))
        ended = Trait(is_live=False, ended_at=LazyAttribute(lambda o: o.valid_until))


class HedgeOrderFactory(RowFactory[HedgeOrder]):
    class Meta:
        model = HedgeOrder

    transaction = SubFactory(HedgeTransactionFactory)
    account = SelfAttribute("transaction.session.account")
    trading_day = SelfAttribute("transaction.session.trading_day")
    mode = SelfAttribute("transaction.mode")
    slice = 1
    quantity = SelfAttribute("transaction.quantity")
    created_at = SelfAttribute("transaction.created_at")
    touched_wall = SelfAttribute("transaction.created_at")

    class Params:
        acked = Trait(
            status=OrderStatus.ACKED.value,
            limit_price=Decimal("4.15"),
            broker_order_id=Sequence(lambda n: f"2612010000{n:05d}"),
            sent_at=SelfAttribute("created_at"),
        )


class FillFactory(RowFactory[Fill]):
    class Meta:
        model = Fill

    order = SubFactory(HedgeOrderFactory, acked=True)
    mode = SelfAttribute("order.mode")
    sequence = Sequence(lambda n: n)
    quantity = SelfAttribute("order.quantity")
    price = Decimal("4.05")
    at = LazyAttribute(lambda o: o.order.created_at + timedelta(seconds=2))


class PaperOrderFactory(RowFactory[PaperOrder]):
    class Meta:
        model = PaperOrder

    account = SubFactory(AccountFactory, mode=Mode.DRY_RUN)
    trading_day = TUESDAY
    order_id = Sequence(lambda n: f"PAPER-{n}")
    symbol = "NIFTY01DEC2626500CE"
    product = Product.NRML.value
    side = Side.BUY.value
    quantity = 130
    limit_price = Decimal("4.15")
    status = "complete"
    placed_at = OPEN
    trades = LazyAttribute(lambda o: [[o.quantity, "4.05"]])


class AuditEventFactory(RowFactory[AuditEvent]):
    class Meta:
        model = AuditEvent

    session = SubFactory(TradingSessionFactory)
    account = SelfAttribute("session.account")
    at = OPEN
    wall_at = OPEN
    actor = "engine"
    event = "intent_claimed"
    subject_kind = "transaction"
    subject_id = Sequence(lambda n: n)
    facts: Any = LazyFunction(dict)
    digest = LazyAttribute(
        lambda o: digest_of(
            AuditLine(
                o.account.pk, o.session.pk, o.at, o.wall_at, o.actor, o.event, o.subject_kind, o.subject_id, o.facts
            )
        )
    )


class AuditLinkFactory(RowFactory[AuditLink]):
    """The link that the database makes of a new event, at once and not when the transaction commits."""

    class Meta:
        model = AuditLink

    event = SubFactory(AuditEventFactory)

    @classmethod
    def _create(cls, model_class: Any, *_args: Any, **fields: Any) -> AuditLink:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS audit_link IMMEDIATE")
            cursor.execute("SET CONSTRAINTS audit_link DEFERRED")
        return AuditLink.objects.get(event=fields["event"])


class AdjustmentFactory(RowFactory[Adjustment]):
    class Meta:
        model = Adjustment

    session = SubFactory(TradingSessionFactory)
    account = SelfAttribute("session.account")
    mode = SelfAttribute("session.mode")
    index = SelfAttribute("session.index")
    expiry = SelfAttribute("session.expiry")
    strike = Decimal(26500)
    right = Right.CE.value
    symbol = LazyAttribute(
        lambda o: format_symbol(Contract(Index(o.index), o.expiry, Decimal(o.strike), Right(o.right)))
    )
    product = SelfAttribute("session.account.product")
    quantity = 130
    kind = AdjustmentKind.SOLD_BY_HAND.value
    detail = "sold by order 5"
    at = ist(11)


class BookCheckFactory(RowFactory[BookCheck]):
    class Meta:
        model = BookCheck

    session = SubFactory(TradingSessionFactory)
    read_at = OPEN
    read_wall = OPEN


class MarginJumpFactory(RowFactory[MarginJump]):
    class Meta:
        model = MarginJump

    session = SubFactory(TradingSessionFactory)
    mode = SelfAttribute("session.mode")
    kind = JumpKind.ENTRY.value
    subject = Sequence(lambda n: f"PORTFOLIO {n}")
    at = OPEN
    baskets = SelfAttribute("session.baskets")
    index = SelfAttribute("session.index")
    dte = SelfAttribute("session.dte")


class HeartbeatFactory(RowFactory[Heartbeat]):
    class Meta:
        model = Heartbeat

    name = Sequence(lambda n: f"worker {n}")
    wall_at = OPEN


class AlertFactory(RowFactory[Alert]):
    class Meta:
        model = Alert

    kind = "hedge_bought"
    severity = Severity.INFO
    title = Sequence(lambda n: f"Hedge {n} bought")
    facts: Any = LazyFunction(dict)
    happened_at = OPEN
    next_attempt_at = OPEN
