"""Chooser: the decision that a script wants at a moment, in place of the optimizer's."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial

from hedging.chaos.rows import Rows
from hedging.chaos.script import LOT, Act, Deed, Script, contracts
from hedging.domain.decision import AddHedge, Decision, LegOrder, Unwind
from hedging.domain.instruments import Contract, Side
from hedging.domain.optimizer_types import Aim, HedgeSolution, Status
from hedging.domain.reasons import Reason
from hedging.domain.worst_case import worst_price
from hedging.selectors import holdings

_ZERO = Decimal(0)
_SOLVED = HedgeSolution(
    status=Status.SOLVED,
    proven=True,
    utilization_before_pct=_ZERO,
    at_order_before=_ZERO,
    used_after=_ZERO,
    utilization_after_pct=_ZERO,
    at_order_after=_ZERO,
    aim=Aim.TARGET,
)


def choose(deed: Deed, *, script: Script, rows: Rows, asks: Mapping[Contract, Decimal]) -> Decision | None:
    """Return what a deed decides on the prices of now; `None` where there is nothing to decide."""
    leg = partial(_leg, script=script, rows=rows, asks=asks)
    wings = contracts(script.day)
    if deed.act is Act.BUY:
        legs = [leg(contract, Side.BUY, deed.lots) for contract in wings[: deed.legs]]
        return AddHedge(legs[0].reason, (), tuple(legs), _SOLVED, (), _ZERO)
    found = holdings(account_id=rows.account_id, mode=rows.mode, day=script.day)
    held = {row.contract: row.quantity for row in found}
    wing = next((contract for contract in wings if held.get(contract, 0) > 0), wings[0])
    if deed.act is Act.REPLACE:
        if held.get(wing, 0) < LOT:
            return None
        lots = held[wing] // LOT
        nearer = wings[2] if wing == wings[0] else wings[3]
        sale = leg(wing, Side.SELL, lots, reason=Reason.UNWIND_REPLACED, after_buys=True)
        buy = leg(nearer, Side.BUY, lots)
        return AddHedge(buy.reason, (), (buy, sale), _SOLVED, (), _ZERO)
    by_clock = deed.act is Act.SELL_BY_CLOCK
    reason = Reason.UNWIND_SESSION_END if by_clock else Reason.UNWIND_SHORTS_GONE
    return Unwind(reason, (), (leg(wing, Side.SELL, deed.lots, reason=reason, by_clock=by_clock),))


def _leg(
    contract: Contract,
    side: Side,
    lots: int,
    *,
    script: Script,
    rows: Rows,
    asks: Mapping[Contract, Decimal],
    reason: Reason = Reason.ADD_PROJECTION_OVER_TRIGGER,
    by_clock: bool = False,
    after_buys: bool = False,
) -> LegOrder:
    ask = asks[contract]
    touch = ask if side is Side.BUY else ask - 2 * rows.spec.tick
    worst = worst_price(side=side, touch=touch, policy=script.policy, spec=rows.spec)
    return LegOrder(contract, side, lots * LOT, touch, worst, reason, by_clock, after_buys)
