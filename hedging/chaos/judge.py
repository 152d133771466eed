"""Judge: what must be true when a schedule is over, by the gateway's own orders and trades. Our tables are the accused."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise

from hedging.brokers.base import BrokerStatus
from hedging.chaos.exchange import Exchange, Order, Trade
from hedging.chaos.rows import Rows
from hedging.chaos.script import Script
from hedging.chaos.witness import Witness
from hedging.domain.charges import order_charges
from hedging.domain.instruments import Side
from hedging.domain.lifecycle import EDGES, LIVE, OrderStatus
from hedging.models import AuditEvent, Fill, HedgeOrder, HedgeTransaction
from notifications.models import Alert
from sessions_app.models import TradingSession

RULES: dict[str, str] = {
    "one POST": "No order is posted twice from one slice.",
    "one live order a slice": "At most one order of a slice lives at the exchange, ever.",
    "quantity": "What the exchange took of an intent never exceeds the intent.",
    "cap": "True spend, charges included, never exceeds the day's cap.",
    "never short": "Sales never exceed what the account is long, at no moment.",
    "fresh positions": "A sale rests on positions read less than 5 s before.",
    "halt": "Nothing is posted past a fence that a committed state forbids.",
    "hours": "Nothing is posted outside our hours.",
    "age": "Nothing is posted after its intent's validity.",
    "price": "No limit price lies beyond the intent's worst price; the product is the shorts'.",
    "whole lots": "Orders are whole lots, within the freeze quantity, on tick.",
    "one call site": "Only the sender of a slice posts.",
    "no lock over the network": "No transaction is open while the network is used.",
    "fills": "Every trade of ours is in our tables, quantity and premium, unless a person was told to look.",
    "resolved": "Every order ends, or stays open only where a person was told.",
    "money": "Reserve and spend are what intents and fills add up to.",
    "cooldown": "Two actions that reached the server, but those due by the clock, are a cooldown apart.",
    "audit": "The audit trail tells every state of every order, in legal steps.",
    "no surprise": "No exception leaves production code but those of the disaster itself.",
}

_MAY_STAY = frozenset({OrderStatus.UNKNOWN, OrderStatus.QUEUED_UPSTREAM, OrderStatus.REVIEW})


def judge(*, witness: Witness, gateway: Exchange, rows: Rows, script: Script) -> None:
    """Write every breach that can be seen at the end into the witness."""
    orders = list(HedgeOrder.objects.filter(account_id=rows.account_id).order_by("id"))
    intents = {
        tx.pk: tx for tx in HedgeTransaction.objects.filter(session_id=rows.session_id).select_related("decision")
    }
    fills: dict[int, list[Fill]] = defaultdict(list)
    for fill in Fill.objects.filter(order__account_id=rows.account_id).order_by("id"):
        fills[fill.order_id].append(fill)
    tally = witness.kernel.tally
    tally.update(f"slice: {order.status}" for order in orders if order.pk != rows.morning)
    tally.update("slice: another attempt after a cancel" for order in orders if order.attempt > 1)
    told = set(Alert.objects.filter(account_id=rows.account_id).values_list("kind", "subject_kind", "subject_id"))
    mine = [order for order in gateway.orders if order.owner is not None]
    for name, error in witness.kernel.escaped:
        witness.breach("no surprise", f"{name}: {type(error).__name__}: {error}")
    tally.update(f"alert: {kind}" for kind, _, _ in told)
    _slices(witness, mine, {order.pk: order for order in orders})
    _quantities(witness, mine, orders, intents)
    _cap(witness, mine, rows, script)
    _fills(witness, mine, orders, fills, told)
    _resolved(witness, mine, orders, intents, told)
    _money(witness, rows, intents, fills, orders)
    _cooldown(witness, {order.transaction_id for order in orders if witness.posts[order.pk]}, intents, script)
    _audit(witness, rows, orders)


def _slices(witness: Witness, mine: list[Order], orders: dict[int, HedgeOrder]) -> None:
    lives: dict[tuple[int, int], list[Order]] = defaultdict(list)
    for order in mine:
        row = orders.get(order.owner or 0)
        if row is not None:
            lives[(row.transaction_id, row.slice)].append(order)
    for (tx, number), group in lives.items():
        group.sort(key=lambda order: order.accepted_at)
        for earlier, later in pairwise(group):
            if earlier.ended_at is None or earlier.ended_at > later.accepted_at:
                witness.breach(
                    "one live order a slice", f"intent {tx} slice {number}: {len(group)} orders lived at once"
                )


def _quantities(
    witness: Witness, mine: list[Order], orders: list[HedgeOrder], intents: dict[int, HedgeTransaction]
) -> None:
    owners = {order.pk: order.transaction_id for order in orders}
    taken: Counter[int] = Counter()
    for order in mine:
        taken[owners.get(order.owner or 0, 0)] += order.filled + order.rest
    for tx_id, units in taken.items():
        tx = intents.get(tx_id)
        if tx is None or units > tx.quantity:
            witness.breach("quantity", f"{units} taken of intent {tx_id}, {tx.quantity if tx else 'unknown'} wanted")


def _cap(witness: Witness, mine: list[Order], rows: Rows, script: Script) -> None:
    spent = Decimal(0)
    for order in mine:
        if order.request.side is Side.BUY and order.trades:
            premium = sum((trade.price * trade.quantity for trade in order.trades), Decimal(0))
            spent += premium + order_charges(rates=rows.charges, side=Side.BUY, premium_rupees=premium)
    if spent > script.policy.max_cost_per_day:
        witness.breach("cap", f"₹{spent:.2f} spent of ₹{script.policy.max_cost_per_day}")


def _fills(
    witness: Witness,
    mine: list[Order],
    orders: list[HedgeOrder],
    fills: dict[int, list[Fill]],
    told: set[tuple[str, str, int | None]],
) -> None:
    by_id = {order.broker_order_id: order for order in orders if order.broker_order_id}
    rows = {order.pk: order for order in orders if OrderStatus(order.status) in _MAY_STAY | {OrderStatus.LOST}}
    for order in mine:
        row = by_id.get(order.order_id)
        true = _at_each_price(order.trades)
        if row is None:
            held = rows.get(order.owner or 0)
            if true and (held is None or not _was_told(held, told)):
                witness.breach("fills", f"{order.order_id} filled {order.filled} and is in no row of ours")
            continue
        if row.pk != order.owner:
            witness.breach("fills", f"{order.order_id} of slice {order.owner} is written down as slice {row.pk}'s")
        known = _at_each_price(fills[row.pk])
        if known != true:
            witness.breach("fills", f"{order.order_id}: {known} known, {true} true")
    for order_id, row in by_id.items():
        if not any(order.order_id == order_id for order in mine):
            witness.breach("fills", f"{order_id} is written down as slice {row.pk}'s and is not ours")


def _at_each_price(traded: Iterable[Trade | Fill]) -> dict[Decimal, int]:
    """Return the units at each price: a book may have joined what was traded at one."""
    units: dict[Decimal, int] = {}
    for one in traded:
        units[one.price] = units.get(one.price, 0) + one.quantity
    return units


def _was_told(row: HedgeOrder, told: set[tuple[str, str, int | None]]) -> bool:
    # Of an order that was given up since, that its fate was unknown is no news: a person must have been sent to look.
    kinds = {"order_review"} if row.status == OrderStatus.LOST else {"order_unknown", "order_review", "mode_mismatch"}
    return any((kind, "hedgeorder", row.pk) in told for kind in kinds)


def _resolved(
    witness: Witness,
    mine: list[Order],
    orders: list[HedgeOrder],
    intents: dict[int, HedgeTransaction],
    told: set[tuple[str, str, int | None]],
) -> None:
    live_intents = set()
    for row in orders:
        status = OrderStatus(row.status)
        if status in LIVE:
            live_intents.add(row.transaction_id)
        if status in _MAY_STAY and not _was_told(row, told):
            witness.breach("resolved", f"slice {row.pk} stays {status} and nobody was told")
        elif status in LIVE - _MAY_STAY:
            witness.breach("resolved", f"slice {row.pk} is still {status}")
    for tx in intents.values():
        if tx.is_live != (tx.pk in live_intents):
            witness.breach("resolved", f"intent {tx.pk} live={tx.is_live}, its slices say otherwise")
    known = {row.broker_order_id: row for row in orders if row.broker_order_id}
    for order in mine:
        row_of = known.get(order.order_id)
        if order.status is BrokerStatus.WORKING and row_of is not None and row_of.status not in LIVE:
            witness.breach("resolved", f"{order.order_id} works on, slice {row_of.pk} is {row_of.status}")


def _money(
    witness: Witness,
    rows: Rows,
    intents: dict[int, HedgeTransaction],
    fills: dict[int, list[Fill]],
    orders: list[HedgeOrder],
) -> None:
    session = TradingSession.objects.get(pk=rows.session_id)
    reserved = sum((tx.reserve for tx in intents.values() if tx.is_live), Decimal(0))
    if session.reserved != reserved:
        witness.breach("money", f"₹{session.reserved} reserved, live intents come to ₹{reserved}")
    spent, allowed = Decimal(0), Decimal(0)
    for tx in intents.values():
        mine = [fill for order in orders if order.transaction_id == tx.pk for fill in fills[order.pk]]
        if tx.filled_quantity != sum(fill.quantity for fill in mine):
            witness.breach("money", f"intent {tx.pk} counts {tx.filled_quantity}, its fills another number")
        if tx.side == Side.BUY and not tx.is_live:
            spent += sum((fill.price * fill.quantity for fill in mine), Decimal(0)) + tx.charges
            allowed += Decimal("0.02")
    if abs(session.spent - spent) > allowed:
        witness.breach("money", f"₹{session.spent} spent by the session's row, ₹{spent} by fills")


def _cooldown(witness: Witness, posted: set[int], intents: dict[int, HedgeTransaction], script: Script) -> None:
    chosen = [tx for tx in intents.values() if tx.pk in posted and not tx.due_by_clock]
    actions = sorted({(tx.decision_id, tx.created_at) for tx in chosen}, key=lambda pair: pair[1])
    for (_, first), (_, second) in pairwise(actions):
        if (second - first).total_seconds() < script.policy.cooldown_seconds:
            witness.breach("cooldown", f"{(second - first).total_seconds():.1f} s between two actions")


def _audit(witness: Witness, rows: Rows, orders: list[HedgeOrder]) -> None:
    told: dict[int, OrderStatus] = {}
    events = AuditEvent.objects.filter(account_id=rows.account_id, subject_kind="hedgeorder").order_by("id")
    for subject, facts in events.values_list("subject_id", "facts"):
        if "from" not in facts:
            continue
        before, after = OrderStatus(facts["from"]), OrderStatus(facts["to"])
        legal = after in EDGES[before] or (before is after and "filled_quantity" in facts)
        if told.get(subject, OrderStatus.NEW) is not before or not legal:
            witness.breach("audit", f"slice {subject}: {before} to {after} after {told.get(subject, 'nothing')}")
        told[subject] = after
    for row in orders:
        if row.pk != rows.morning and told.get(row.pk, OrderStatus.NEW) != row.status:
            witness.breach("audit", f"slice {row.pk} is {row.status}, the trail says {told.get(row.pk)}")
