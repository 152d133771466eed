"""Used margin that cannot be what the broker says: zero beside a short, or far below what the book must take."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from hedging.domain.plausible import contradiction, too_little
from tests.unit.cycle_facts import funds, long, option, short_straddle

ZERO = Decimal(0)


@pytest.mark.parametrize(
    ("used", "positions", "believed"),
    [
        (0, (), True),
        (0, (long(option(26500), 2)[0],), True),
        (0, short_straddle(1), False),
        (1, short_straddle(1), True),
        (-1, short_straddle(1), True),
    ],
)
def test_zero_is_believed_of_a_book_without_a_short_only(used, positions, believed):
    assert (not contradiction(replace(funds(), utilised=Decimal(used)), positions)) is believed


@pytest.mark.parametrize(
    ("used", "realized", "believed"),
    [(100_000, 0, True), (88_300, 0, True), (88_299, 0, False), (80_000, 8_300, True), (80_000, -9_000, False)],
)
def test_half_of_the_engines_margin_less_premium_received_and_profit_is_believed(used, realized, believed):
    # A straddle sold at 90 + 90: ₹11,700 of premium.
    said = too_little(
        used=Decimal(used), margin=Decimal(200_000), positions=short_straddle(1), realized_pnl=Decimal(realized)
    )
    assert (not said) is believed


def test_zero_is_never_believed_beside_a_short_whatever_was_earned():
    said = {"margin": Decimal(200_000), "positions": short_straddle(1), "realized_pnl": Decimal(500_000)}
    assert too_little(used=ZERO, **said)  # type: ignore[arg-type]
    assert not too_little(used=Decimal(-50_000), **said)  # type: ignore[arg-type]


def test_a_book_that_takes_nothing_says_nothing():
    assert not too_little(used=ZERO, margin=ZERO, positions=short_straddle(1))
    assert not too_little(used=ZERO, margin=Decimal(1), positions=())
