"""The bot that always hedges: which wings it buys, what they cost and bring, and when a day may be compared."""

from dataclasses import replace
from decimal import Decimal

import pytest

from hedging.domain.charges import ChargeRates
from hedging.domain.instruments import Right
from hedging.domain.policy import HedgePolicy
from hedging.domain.static_hedge import Fate, Kept, Wing, day_of, paid_for, settled_for, sold_for, wings_for
from tests.unit.cycle_facts import SPEC, chain, option

RATES = ChargeRates()
BOTH = {Right.CE: 130, Right.PE: 130}


def wings(units=BOTH, *, quoted=None, **policy):
    return wings_for(units, chain=quoted or chain(), policy=HedgePolicy(**policy), spec=SPEC)


def without(*contracts, **changes):
    """The chain where some quotes are gone, or changed."""
    told = chain()
    kept = {c: replace(q, **changes) if c in contracts else q for c, q in told.quotes.items()}
    if not changes:
        kept = {c: q for c, q in kept.items() if c not in contracts}
    return replace(told, quotes=kept)


def test_it_buys_the_cheapest_strike_in_the_band_as_many_as_are_sold():
    assert wings() == (
        Wing(option(26850, Right.CE), 130, Decimal("2.05")),
        Wing(option(25150, Right.PE), 130, Decimal("2.05")),
    )


@pytest.mark.parametrize(
    ("band", "strikes"),
    [(("2.06", "6"), (26800, 25200)), (("1.62", "6"), (26900, 25100)), (("4.95", "4.95"), (26650, 25350))],
)
def test_the_band_counts_to_its_very_edge(band, strikes):
    found = wings(min_premium=Decimal(band[0]), max_premium=Decimal(band[1]))

    assert found is not None
    assert tuple(int(wing.contract.strike) for wing in found) == strikes


def test_a_side_without_a_strike_in_the_band_means_that_neither_is_bought():
    in_band = [option(25000 + 50 * n, Right.PE) for n in range(20)]

    assert wings(quoted=without(*in_band)) is None
    assert wings({Right.CE: 65}, quoted=without(*in_band)) == (Wing(option(26850), 65, Decimal("2.05")),)


@pytest.mark.parametrize("changes", [{"ask": None}, {"bid": Decimal(3)}])
def test_an_unknown_or_crossed_quote_is_no_price(changes):
    found = wings({Right.CE: 65}, quoted=without(option(26850), **changes))

    assert found is not None
    assert found[0].contract == option(26800)


@pytest.mark.parametrize(("bounds", "strike"), [((850, 1000), 26850), ((851, 1000), None), ((200, 849), 26800)])
def test_the_distance_counts_to_its_very_edge(bounds, strike):
    spec = replace(SPEC, otm_min=Decimal(bounds[0]), otm_max=Decimal(bounds[1]))

    found = wings_for({Right.CE: 65}, chain=chain(), policy=HedgePolicy(), spec=spec)

    assert (found and found[0].contract) == (strike and option(strike))


def test_a_purchase_costs_its_premium_and_the_charges_of_every_order():
    assert paid_for(Wing(option(26850), 650, Decimal(3)), rates=RATES, spec=SPEC).quantize(Decimal("0.01")) == Decimal(
        "1974.48"
    )
    beyond_the_freeze = Wing(option(26850), 28 * 65, Decimal(3))
    assert paid_for(beyond_the_freeze, rates=RATES, spec=SPEC) > Decimal(28 * 65 * 3) + 2 * RATES.fixed_per_order


@pytest.mark.parametrize(("bid", "brings"), [(None, "0"), ("0.05", "0"), ("0.20", "2.35"), ("2.00", "235.90")])
def test_a_sale_brings_its_bid_less_charges_and_never_less_than_nothing(bid, brings):
    got = sold_for(130, None if bid is None else Decimal(bid), rates=RATES, spec=SPEC)

    assert got.quantize(Decimal("0.01")) == Decimal(brings)


@pytest.mark.parametrize(
    ("strike", "right", "spot", "brings"),
    [
        (26850, Right.CE, 26850, 0),
        (26850, Right.CE, 26860, 650),
        (25150, Right.PE, 25140, 650),
        (25150, Right.PE, 26000, 0),
    ],
)
def test_at_expiry_it_settles_for_what_it_is_in_the_money(strike, right, spot, brings):
    assert settled_for(option(strike, right), 65, spot=Decimal(spot)) == brings


@pytest.mark.parametrize(("unknown", "whole"), [(None, True), (Fate.NO_PRICE, False), (Fate.NO_END, False)])
def test_a_day_with_an_unknown_entry_is_not_compared_and_unknown_is_no_zero(unknown, whole):
    known = Kept(Fate.KNOWN, paid=Decimal(500), got_back=Decimal(40))
    more = [] if unknown is None else [Kept(unknown, paid=Decimal(300) if unknown is Fate.NO_END else None)]

    day = day_of([known, Kept(Fate.NO_STRIKE), *more])

    assert day.whole is whole
    assert (day.entries, day.fates[Fate.KNOWN], day.fates[Fate.NO_STRIKE]) == (2 + len(more), 1, 1)
    assert day.paid == (800 if unknown is Fate.NO_END else 500)
    assert day.got_back == 40
