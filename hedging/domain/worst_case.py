"""The worst case of an order: the price that no slice of it may pass, and what a buy sets aside for that."""

from __future__ import annotations

from decimal import Decimal

from hedging.domain.charges import ChargeRates, order_charges, orders_for
from hedging.domain.instruments import ContractSpec, Side, round_down_to_tick, round_up_to_tick
from hedging.domain.policy import HedgePolicy

HUNDRED = Decimal(100)


def worst_price(*, side: Side, touch: Decimal, policy: HedgePolicy, spec: ContractSpec) -> Decimal:
    """Return the price in rupees a unit, on tick, that an order priced off `touch` may not pass.

    The policy's order buffer beyond the ask (buys) or the bid (sells), ticks or percent, whichever is larger.
    """
    slack = max(policy.order_buffer_ticks * spec.tick, touch * policy.order_buffer_pct / HUNDRED)
    if side is Side.BUY:
        return round_down_to_tick(touch + slack, spec.tick)
    return max(spec.tick, round_up_to_tick(touch - slack, spec.tick))


def most_orders(*, lots: int, policy: HedgePolicy, spec: ContractSpec) -> int:
    """Return how many orders `lots` may come to when every slice is chased as often as the policy permits."""
    return orders_for(lots=lots, freeze_lots=spec.freeze_lots) * (1 + policy.max_chases)


def worst_cost(*, price: Decimal, lots: int, policy: HedgePolicy, spec: ContractSpec, rates: ChargeRates) -> Decimal:
    """Return the rupees that buying `lots` may cost at the worst `price`, charges of every chase included, to the paisa."""
    premium = price * lots * spec.lot
    orders = most_orders(lots=lots, policy=policy, spec=spec)
    charges = order_charges(rates=rates, side=Side.BUY, premium_rupees=premium, orders=orders)
    return (premium + charges).quantize(Decimal("0.01"))
