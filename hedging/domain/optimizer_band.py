"""Which strikes may be bought: never a short one, and within the premium band and distance that the policy prefers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from hedging.domain.instruments import Contract, Right
from hedging.domain.margin import MarginLine
from hedging.domain.optimizer_types import Candidate, HedgeProblem
from hedging.domain.policy import Relaxation


@dataclass(frozen=True, slots=True)
class Level:
    """What may be bought once everything up to `relaxation` is given up."""

    relaxation: Relaxation
    contracts: frozenset[Contract]


def levels(problem: HedgeProblem) -> Iterator[Level]:
    """Yield the policy's relaxations in order, cumulative; one that adds no strike to those before is left out."""
    before: frozenset[Contract] = frozenset()
    buyable = buyable_contracts(problem)
    for relaxation in problem.policy.relaxations:
        contracts = buyable & _preferred(problem, relaxation)
        if contracts - before:
            yield Level(relaxation, contracts)
            before = contracts


def eligible_contracts(problem: HedgeProblem, relaxation: Relaxation) -> frozenset[Contract]:
    """Return the candidates that may be bought when the policy's relaxations up to `relaxation` are given up.

    Relaxed, the distance goes down to one strike step beyond the outermost short of the side that lies within the bound,
    and the premium to `floor_premium` or `ceiling_premium`. Raises `ValueError` for a relaxation that the policy does not
    permit.
    """
    return buyable_contracts(problem) & _preferred(problem, relaxation)


def _preferred(problem: HedgeProblem, relaxation: Relaxation) -> frozenset[Contract]:
    given_up = problem.policy.relaxations[: problem.policy.relaxations.index(relaxation) + 1]
    policy, spec = problem.policy, problem.spec
    low = policy.floor_premium if Relaxation.LOWER_PREMIUM in given_up else policy.min_premium
    high = policy.ceiling_premium if Relaxation.HIGHER_PREMIUM in given_up else policy.max_premium
    spot = problem.market.spots[spec.index]
    nearest = dict.fromkeys(Right, spec.otm_min)
    if Relaxation.OTM_BOUND in given_up:
        for right in Right:
            nearest[right] = min(spec.otm_min, _outermost_short(problem, right, spot) + spec.strike_step)
    return frozenset(
        c.contract
        for c in problem.candidates
        if low <= c.ask <= high and nearest[c.contract.right] <= _distance(c.contract, spot) <= spec.otm_max
    )


def buyable_contracts(problem: HedgeProblem) -> frozenset[Contract]:
    """Return the candidates that may be bought at all: right expiry, sane quote, not quarantined, not short.

    A contract in which the account is short, or is about to be, is never bought: that would close the short.
    """
    shorts = {line.contract for line in _lines(problem) if line.quantity < 0}
    return frozenset(
        c.contract
        for c in problem.candidates
        if (c.contract.index, c.contract.expiry) == (problem.spec.index, problem.expiry)
        and _sane(c)
        and c.contract not in problem.quarantined
        and c.contract not in shorts
    )


def _sane(candidate: Candidate) -> bool:
    return candidate.ask > 0 and (candidate.bid is None or candidate.bid <= candidate.ask)


def _outermost_short(problem: HedgeProblem, right: Right, spot: Decimal) -> Decimal:
    """Return the distance of the outermost short within the bound.

    One beyond it does not count: what the market has left behind needs no wing of its own, and the wings of those near
    the money would have to lie beyond it, where late in the day nothing has a price.
    """
    distances = [
        _distance(line.contract, spot)
        for line in _lines(problem)
        if line.quantity < 0
        and line.product is problem.product
        and (line.contract.index, line.contract.expiry, line.contract.right)
        == (problem.spec.index, problem.expiry, right)
    ]
    within = (distance for distance in distances if distance < problem.spec.otm_min)
    return max(within, default=problem.spec.otm_min)


def _lines(problem: HedgeProblem) -> tuple[MarginLine, ...]:
    return (*problem.book, *(line for entry in problem.coming for line in entry.lines))


def _distance(contract: Contract, spot: Decimal) -> Decimal:
    """Return how many points a contract lies out of the money; negative in the money."""
    return contract.strike - spot if contract.right is Right.CE else spot - contract.strike
