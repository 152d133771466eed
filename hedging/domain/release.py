"""Release: whether a hedge that was bought gave back the margin it promised, and if not, the likely reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

from hedging.domain.exposure import Exposure, ExposureKey, Holding, exposures
from hedging.domain.instruments import Right

HUNDRED = Decimal(100)
MATERIAL_PCT = Decimal(1)
"""A promise below this share of the budget is within the noise of two readings, and nobody is woken for it."""
NOTHING_PCT = Decimal(25)
"""Less than this share of the promise counts as nothing released."""


class Missing(StrEnum):
    """Why a hedge released nothing, as far as the book shows."""

    PRODUCT = "product"
    EXPIRY = "expiry"
    ONE_SIDE = "one_side"
    BEYOND_SHORTS = "beyond_shorts"
    UNKNOWN = "unknown"


MISSING_TEXT: dict[Missing, str] = {
    Missing.PRODUCT: "The hedge carries another product than the shorts: a long covers shorts of its own product only.",
    Missing.EXPIRY: "The hedge is of another expiry than the shorts: it covers nothing of theirs.",
    Missing.ONE_SIDE: "Only one side is hedged: the other side's risk sets the margin.",
    Missing.BEYOND_SHORTS: "The longs are beyond the shorts: a long without a short to cover releases nothing.",
    Missing.UNKNOWN: "The book does not show why: the broker's figures may lag, or it counts hedges in its own way.",
}


def released_nothing(*, forecast: Decimal | None, realized: Decimal | None, budget: Decimal) -> bool:
    """Return whether a material release was promised and less than a quarter of it came.

    `forecast` and `realized` are changes of used margin in rupees, negative for a release; `None` is unknown, and says no.
    """
    if forecast is None or realized is None or -forecast < budget * MATERIAL_PCT / HUNDRED:
        return False
    return -realized < -forecast * NOTHING_PCT / HUNDRED


def missing_reason(*, bought: Sequence[Holding], book: Iterable[Holding]) -> Missing:
    """Return the likely reason why `bought` released nothing; `book` is the whole book with it, signed units.

    The reasons are tried from the one that makes a hedge useless altogether to the one that only limits it.
    """
    found = exposures(book)
    reasons = [_reason_of(leg, found) for leg in bought]
    # Where one leg could have released something, the others' reasons do not explain that nothing came.
    if not reasons or Missing.UNKNOWN in reasons:
        return Missing.UNKNOWN
    order = (Missing.PRODUCT, Missing.EXPIRY, Missing.BEYOND_SHORTS, Missing.ONE_SIDE)
    return next(reason for reason in order if reason in reasons)


def _reason_of(leg: Holding, found: Mapping[ExposureKey, Exposure]) -> Missing:
    own = leg.contract
    shorts = {key for key, exposure in found.items() if exposure.shorts and key.index is own.index}
    if not shorts:
        return Missing.BEYOND_SHORTS
    if not any((key.expiry, key.product) == (own.expiry, leg.product) for key in shorts):
        same_expiry = any(key.expiry == own.expiry for key in shorts)
        return Missing.PRODUCT if same_expiry else Missing.EXPIRY
    sides = {right: found.get(ExposureKey(own.index, own.expiry, right, leg.product), Exposure()) for right in Right}
    mine = sides[own.right]
    if mine.longs - leg.quantity >= mine.shorts:
        return Missing.BEYOND_SHORTS
    other = sides[Right.PE if own.right is Right.CE else Right.CE]
    # The worse side sets the margin: covering this one helps up to what is covered of the other.
    if other.shorts and not other.longs:
        return Missing.ONE_SIDE
    return Missing.UNKNOWN
