"""Floor: the nearest wings that may be bought, one for each short left bare. What hedging cannot go below follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import numpy as np

from hedging.domain.instruments import Contract, ContractSpec, Product, Right
from hedging.domain.margin import IntArray, MarginMarket, MarginParameters
from hedging.domain.policy import HedgePolicy, Relaxation
from hedging.domain.pricing import YEAR_SECONDS, FloatArray, black_scholes, implied_volatility


@dataclass(frozen=True, slots=True)
class _Side:
    """One right: the columns whose shorts need cover with their distance out of the money, and what may cover them.

    Distances are index points, negative in the money; the wings stand nearest first.
    """

    is_call: bool
    columns: IntArray
    distances: FloatArray
    wing_columns: IntArray
    wing_distances: FloatArray
    asks: FloatArray
    volatilities: FloatArray


class NearestWings:
    """The nearest permitted wings of a chain at any moment of the day.

    Permitted is what the policy allows after all its relaxations: distance, and the most premium. A strike's premium at a
    later moment is today's ask carried there by its own volatility at an unmoved spot, since bands come nearer as the day
    decays. The least premium, depth, cash and the cost cap are left out: a floor may be too low, never too high.
    """

    def __init__(
        self,
        *,
        columns: Mapping[tuple[Contract, Product], int],
        asks: Mapping[Contract, Decimal],
        spec: ContractSpec,
        expiry: date,
        product: Product,
        market: MarginMarket,
        parameters: MarginParameters,
        policy: HedgePolicy,
    ) -> None:
        """Value every strike of `asks`; `columns` names the place of each contract in a vector of units."""
        self._spec, self._market, self._years = spec, market, market.years_to(expiry)
        self._rate = parameters.rate_pct / 100
        given_up = policy.relaxations
        high = policy.ceiling_premium if Relaxation.HIGHER_PREMIUM in given_up else policy.max_premium
        self._high = float(high)
        self._nearer = Relaxation.OTM_BOUND in given_up
        spot = float(market.spots[spec.index])
        sides = []
        for right in Right:
            sign = 1.0 if right is Right.CE else -1.0
            mine = [
                (column, sign * (float(contract.strike) - spot))
                for (contract, held_as), column in columns.items()
                if (contract.expiry, contract.right, held_as) == (expiry, right, product)
            ]
            wings = sorted(
                (sign * (float(contract.strike) - spot), columns[contract, product], float(ask))
                for contract, ask in asks.items()
                if contract.expiry == expiry and contract.right is right
            )
            wings = [wing for wing in wings if 0 < wing[0] <= float(spec.otm_max)]
            distances = np.array([wing[0] for wing in wings])
            prices = np.array([wing[2] for wing in wings])
            volatilities = implied_volatility(
                price=prices,
                spot=spot,
                strike=spot + sign * distances,
                years=self._years,
                is_call=right is Right.CE,
                fallback=parameters.base_volatility_pct / 100,
                rate=self._rate,
            )
            sides.append(
                _Side(
                    is_call=right is Right.CE,
                    columns=np.array([column for column, _ in mine], dtype=np.int64),
                    distances=np.array([distance for _, distance in mine]),
                    wing_columns=np.array([wing[1] for wing in wings], dtype=np.int64),
                    wing_distances=distances,
                    asks=prices,
                    volatilities=volatilities,
                )
            )
        self._sides = tuple(sides)

    def covering(self, units: FloatArray, at: Sequence[datetime]) -> FloatArray:
        """Return the wings that cover each of the books `units`, [books, contracts], as units of the same shape.

        Row by row at the moments `at`: every short beyond the longs of its side, in whole lots, by the nearest strike
        that is permitted then and in which the book is not short; nothing on a side without one.
        """
        found = np.zeros_like(units)
        ahead = np.array([(moment - self._market.now).total_seconds() for moment in at])
        years = self._years - ahead / YEAR_SECONDS
        for side in self._sides:
            if not len(side.columns) or not len(side.wing_columns):
                continue
            mine = units[:, side.columns]
            bare = np.maximum(-mine, 0.0).sum(axis=1) - np.maximum(mine, 0.0).sum(axis=1)
            bare = np.maximum(np.floor(bare / self._spec.lot), 0.0) * self._spec.lot
            nearest = np.full(len(units), float(self._spec.otm_min))
            if self._nearer:
                # As `optimizer_band` has it: of the shorts within the bound the outermost counts.
                within = (mine < 0) & (side.distances < float(self._spec.otm_min))
                outermost = np.where(within, side.distances, -np.inf).max(axis=1) + float(self._spec.strike_step)
                nearest = np.where(within.any(axis=1), np.minimum(nearest, outermost), nearest)
            allowed = (
                (side.wing_distances >= nearest[:, None])
                & (self._premiums(side, years) <= self._high)
                & (units[:, side.wing_columns] >= 0)
            )
            rows = np.flatnonzero(allowed.any(axis=1))
            found[rows, side.wing_columns[allowed[rows].argmax(axis=1)]] = bare[rows]
        return found

    def _premiums(self, side: _Side, years: FloatArray) -> FloatArray:
        spot = float(self._market.spots[self._spec.index])
        later = black_scholes(
            spot=spot,
            strike=spot + (1 if side.is_call else -1) * side.wing_distances,
            years=years[:, None],
            volatility=side.volatilities,
            is_call=side.is_call,
            rate=self._rate,
        )
        return np.minimum(later, side.asks)
