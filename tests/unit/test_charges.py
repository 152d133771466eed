"""What an executed option order costs beside its premium."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hedging.domain.charges import DEFAULT_CHARGES, ChargeRates, order_charges, orders_for
from hedging.domain.instruments import Exchange, Side

RATES = ChargeRates()


def test_ten_lots_of_nifty_bought_at_three_rupees_cost_24_50_in_charges():
    paid = order_charges(rates=RATES, side=Side.BUY, premium_rupees=Decimal(650) * 3, orders=1)
    assert paid == pytest.approx(Decimal("24.48"), abs=Decimal("0.01"))


def test_a_pair_bought_and_sold_costs_about_99_whatever_the_size():
    for lots, price in ((1, Decimal(3)), (10, Decimal("1.5")), (27, Decimal("0.5"))):
        premium = price * 65 * lots
        one_wing = sum(order_charges(rates=RATES, side=side, premium_rupees=premium) for side in Side)
        assert 2 * one_wing == pytest.approx(Decimal(99), abs=Decimal(5))


def test_transaction_tax_falls_on_sells_and_stamp_duty_on_buys():
    free = ChargeRates(brokerage_rupees=Decimal(0), exchange_pct=Decimal(0), sebi_pct=Decimal(0), gst_pct=Decimal(0))
    assert order_charges(rates=free, side=Side.SELL, premium_rupees=Decimal(1000)) == Decimal("1.5")
    assert order_charges(rates=free, side=Side.BUY, premium_rupees=Decimal(1000)) == Decimal("0.03")


def test_every_further_order_costs_its_brokerage_and_gst_again():
    one, two = (
        order_charges(rates=RATES, side=Side.BUY, premium_rupees=Decimal(5000), orders=count) for count in (1, 2)
    )
    assert two - one == Decimal("23.60")


def test_the_bombay_exchange_charges_less():
    premium = Decimal(100_000)
    nse, bse = (
        order_charges(rates=DEFAULT_CHARGES[exchange], side=Side.BUY, premium_rupees=premium)
        for exchange in (Exchange.NFO, Exchange.BFO)
    )
    assert bse < nse


@pytest.mark.parametrize(("lots", "orders"), [(1, 1), (27, 1), (28, 2), (54, 2), (55, 3)])
def test_lots_beyond_the_freeze_quantity_need_another_order(lots, orders):
    assert orders_for(lots=lots, freeze_lots=27) == orders


@pytest.mark.parametrize(("premium", "orders"), [(Decimal(-1), 1), (Decimal(1), 0)])
def test_nonsense_is_refused(premium, orders):
    with pytest.raises(ValueError, match="must"):
        order_charges(rates=RATES, side=Side.BUY, premium_rupees=premium, orders=orders)
