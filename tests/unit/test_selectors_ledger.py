"""What fills add up to."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.selectors.ledger import FillRow, net

CE = Contract(Index.NIFTY, date(2026, 12, 1), Decimal(26500), Right.CE)
PE = Contract(Index.NIFTY, date(2026, 12, 1), Decimal(25500), Right.PE)
OPEN = datetime(2026, 12, 1, 3, 45, tzinfo=UTC)


def fill(side, quantity, price, *, contract=CE, minute=0, product=Product.NRML):
    return FillRow(contract, product, side, quantity, Decimal(price), OPEN + timedelta(minutes=minute))


def test_nothing_filled_is_nothing_held():
    assert net([]) == ()


def test_buys_of_one_contract_are_one_holding_at_their_weighted_average():
    (held,) = net([fill(Side.BUY, 65, "3"), fill(Side.BUY, 130, "4.5", minute=1)])

    assert (held.quantity, held.average_price, held.since) == (195, Decimal(4), OPEN)


def test_a_sell_reduces_the_quantity_and_leaves_the_average():
    (held,) = net([fill(Side.BUY, 130, "3"), fill(Side.SELL, 65, "9", minute=1)])

    assert (held.quantity, held.average_price) == (65, Decimal(3))


def test_what_was_sold_completely_is_not_held():
    assert net([fill(Side.BUY, 65, "3"), fill(Side.SELL, 65, "1", minute=1)]) == ()


def test_a_holding_bought_again_after_flat_starts_over():
    (held,) = net(
        [fill(Side.BUY, 65, "3"), fill(Side.SELL, 65, "1", minute=1), fill(Side.BUY, 65, "5", minute=2)],
    )

    assert (held.average_price, held.since) == (Decimal(5), OPEN + timedelta(minutes=2))


def test_contracts_and_products_are_kept_apart_and_ordered():
    held = net(
        [
            fill(Side.BUY, 65, "3"),
            fill(Side.BUY, 65, "2", product=Product.MIS),
            fill(Side.BUY, 65, "4", contract=PE),
        ]
    )

    assert [(h.contract, h.product) for h in held] == [
        (PE, Product.NRML),
        (CE, Product.MIS),
        (CE, Product.NRML),
    ]


def test_more_sold_than_bought_is_shown_not_hidden():
    (held,) = net([fill(Side.BUY, 65, "3"), fill(Side.SELL, 130, "1", minute=1)])

    assert held.quantity == -65
