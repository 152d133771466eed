"""The judge: was a refused entry preventable by hedging? Asked at the moment of refusal, by the simulator's own margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hedging.domain.instruments import Contract, Product, Right
from hedging.simulator.day import JudgePolicy
from hedging.simulator.funds import Book, filled_book

if TYPE_CHECKING:
    from hedging.simulator.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict with its figures in rupees: the requirement with the best wings, what would be free for it, their cost."""

    preventable: bool
    required: float
    available: float
    wings_cost: float
    wings: dict[str, int]
    reason: str


def judge_refusal(
    *, exchange: Exchange, policy: JudgePolicy, legs: Sequence[tuple[Contract, int]], product: Product
) -> Judgement:
    """Judge an entry whose `legs` (contract, signed units, in order) were refused and are not in the book.

    The best that hedging can do: one wing for each short on both sides, all at the nearest strike that the policy's last
    relaxation allows (the preferred distance from spot, or one step beyond the outermost short where that is nearer), after selling every wing held of that expiry at its bid. Preventable if with it each leg in turn
    would have passed the gross test, and the wings' cost stays under the cap.
    """
    t = exchange.t
    market, account, risk = exchange.market, exchange.account, exchange.risk
    index, expiry = legs[0][0].index, legs[0][0].expiry
    tick = float(exchange.day.specs[index].tick)

    def ours(contract: Contract, held: Product) -> bool:
        return contract.index is index and contract.expiry == expiry and held is product

    book = filled_book(account)
    base: Book = {key: units for key, units in book.items() if not (ours(*key) and units > 0)}
    held = [(contract, units) for (contract, kind), units in book.items() if ours(contract, kind) and units > 0]
    sold = sum(units * market.ticks(contract, t)[1] * tick for contract, units in held)

    shorts = [(contract, -units) for (contract, kind), units in base.items() if ours(contract, kind) and units < 0]
    shorts += [(contract, -units) for contract, units in legs if units < 0]
    step = int(exchange.day.specs[index].strike_step) * policy.steps_beyond_outermost_short
    spot, preferred = market.spot(index, t), float(exchange.day.specs[index].otm_min)
    strikes = market.strikes(index)
    piece = market.slice(index, expiry, t)
    wings: dict[str, int] = {}
    cost = 0.0
    for right in Right:
        of_side = [(int(contract.strike), units) for contract, units in shorts if contract.right is right]
        if not of_side:
            continue
        asks = piece.prices[right].ask * tick
        fits = (asks >= policy.min_premium - 1e-9) & (asks <= policy.max_premium + 1e-9)
        beyond = (
            strikes >= min(max(s for s, _ in of_side) + step, spot + preferred)
            if right is Right.CE
            else strikes <= max(min(s for s, _ in of_side) - step, spot - preferred)
        )
        listed = [int(i) for i in (fits & beyond).nonzero()[0]]
        if not listed:
            continue
        column = listed[0] if right is Right.CE else listed[-1]
        units = sum(units for _, units in of_side)
        contract = Contract(index, expiry, legs[0][0].strike.__class__(int(strikes[column])), right)
        base[(contract, product)] = base.get((contract, product), 0) + units
        cost += units * float(asks[column])
        wings[right.value] = int(strikes[column])

    free = float(account.cash + account.collateral - account.premium_paid) + sold - cost
    required, short_of, fits_all = 0.0, 0.0, True
    running = dict(base)
    for contract, units in legs:
        running[(contract, product)] = running.get((contract, product), 0) + units
        required, short_of = risk.need(running, t).total, free
        if required > free:
            fits_all = False
            break
        free -= units * market.ticks(contract, t)[1 if units < 0 else 2] * tick
    if cost > policy.cost_cap:
        reason = "wings above the cost cap"
    elif fits_all:
        reason = "wings would have let it in"
    else:
        reason = "even the nearest wings leave the requirement above free funds"
    return Judgement(
        preventable=fits_all and cost <= policy.cost_cap,
        required=round(required, 2),
        available=round(short_of, 2),
        wings_cost=round(cost, 2),
        wings=wings,
        reason=reason,
    )
