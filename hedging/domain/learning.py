"""Learning: correct an account's margin rates by what entries and hedges really did to its funds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

import numpy as np

from hedging.domain.calibration import SCALES, SCAN_PCT, Calibration, FoundBy, Scope
from hedging.domain.margin import MarginLine, MarginMarket, Universe, rupees
from hedging.domain.pricing import FloatArray
from hedging.domain.risk import MarginParameters

LEAST_JUMPS = 3
LAST_JUMPS = 10
FORGOTTEN = 0.85
"""Weight of a jump beside the one after it: an EWMA, so that a change of the rates is followed within a few entries."""
NOISE = 0.005
"""What spot and fills between two readings of funds do to a jump, as a share of it."""
OUTLIER = 2.0
TELLING = 0.2
NODES = np.arange(SCAN_PCT[0], SCAN_PCT[1] + 0.5, 1.0)
UNSEEN = {FoundBy.FILLS: (1.5, 0.4, 0.4), FoundBy.HAND: (1.5, 0.4, 0.4), FoundBy.BASKET: (0.1, 0.05, 0.05)}
"""How far scan range, ELM and deep ELM may lie from what is believed (percent of spot, one sigma), by who says so."""
TELLS_PREMIUM = 4.0


@dataclass(frozen=True, slots=True)
class Jump:
    """What one entry or hedge did to used margin: the book on both sides at one market, and the rupees that used changed."""

    at: datetime
    market: MarginMarket
    before: tuple[MarginLine, ...]
    after: tuple[MarginLine, ...]
    change: Decimal

    def __hash__(self) -> int:
        return hash((self.at, self.change))

    @property
    def premium(self) -> Decimal:
        """Return the rupees of premium that what was traded cost; negative where more was received."""
        value = {True: Decimal(0), False: Decimal(0)}
        for now, lines in ((True, self.after), (False, self.before)):
            value[now] = sum((line.price * line.quantity for line in lines), Decimal(0))
        return value[True] - value[False]


@dataclass(frozen=True, slots=True)
class _Row:
    """One jump along the nodes: SPAN at each scan range, rupees for each point of both rates, premium, what was seen."""

    span: FloatArray
    plain: float
    deep: float
    fixed: float
    premium: float
    change: float


@dataclass(frozen=True, slots=True)
class _Belief:
    rates: FloatArray
    """Scan range, ELM, deep ELM in percent."""
    spread: FloatArray
    cost: float
    misses: FloatArray


def nothing_known(parameters: MarginParameters) -> Calibration:
    """Return what an account is taken for whose broker has no margin call: the dated rates, no error known."""
    return Calibration(
        found_by=FoundBy.FILLS,
        nets=None,
        scope=Scope.NONE,
        counts_book_from=None,
        paid_in_answer=False,
        credit_from_legs=None,
        scan_pct=parameters.price_scan_fraction * 100,
        elm_pct=parameters.elm_pct,
        elm_deep_pct=parameters.elm_deep_otm_pct,
        elm_expiry_extra_pct=parameters.elm_expiry_extra_pct,
    )


def learn(
    calibration: Calibration, jumps: Sequence[Jump], parameters: MarginParameters, *, premium_counted: bool = True
) -> Calibration:
    """Return the calibration after the last ten `jumps` (oldest first), each weighing 0.85 of the next one.

    A plain EWMA of seen over foretold would put a wrong scan range and a wrong ELM into one factor, and then miss on wings,
    which release the one and not the other. So the rates themselves are estimated: weighted least squares with the present
    belief as prior, outliers damped (Huber), linear in the exposure rates and searched over the scan range. Straddles
    alone tell the sum only; a hedge's fill tells the two apart, and until then what is left open counts as error.
    `error_pct` stays `None` before the third jump. Whether premium is in used margin is decided where the jumps tell.
    """
    used = list(jumps)[-LAST_JUMPS:]
    if not used:
        return calibration
    rows = [_row(jump, calibration.applied_to(parameters)) for jump in used]
    counted = premium_counted if calibration.premium_in_used is None else calibration.premium_in_used
    beliefs = {p: _believe(_evidence(calibration, rows, counted=p)) for p in (True, False)}
    told = calibration.premium_in_used
    if len(used) >= LEAST_JUMPS and abs(beliefs[True].cost - beliefs[False].cost) > TELLS_PREMIUM:
        counted = told = beliefs[True].cost < beliefs[False].cost
    belief = beliefs[counted]
    scan, elm, deep = (float(rate) for rate in belief.rates)
    extra = calibration.elm_expiry_extra_pct if any(row.fixed for row in rows) else 0.0
    scale, error = _scale_and_error(belief, rows, counted=counted, extra=extra)
    known = calibration.found_by is FoundBy.BASKET and calibration.error_pct is not None
    return replace(
        calibration,
        scan_pct=scan,
        elm_pct=elm,
        elm_deep_pct=deep,
        scale=calibration.scale if known else scale,
        error_pct=error if len(used) >= LEAST_JUMPS else calibration.error_pct,
        premium_in_used=told,
    )


@lru_cache(maxsize=256)
def _row(jump: Jump, parameters: MarginParameters) -> _Row:
    def universe(scan: float, elm: float, deep: float) -> Universe:
        rates = replace(parameters, price_scan_minimum_pct=scan, elm_pct=elm, elm_deep_otm_pct=deep)
        return Universe.of((*jump.before, *jump.after), market=jump.market, parameters=rates)

    def change(valued: Universe) -> tuple[float, float]:
        after, before = (valued.pools(valued.quantities(lines)).values() for lines in (jump.after, jump.before))
        return (
            sum(pool.span for pool in after) - sum(pool.span for pool in before),
            sum(pool.elm for pool in after) - sum(pool.elm for pool in before),
        )

    spans = np.array([change(universe(float(scan), 0.0, 0.0))[0] for scan in NODES])
    fixed, plain, deep = (change(universe(9.0, *rates))[1] for rates in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)))
    return _Row(spans, plain - fixed, deep - fixed, fixed, float(jump.premium), float(jump.change))


@dataclass(frozen=True, slots=True)
class _Evidence:
    """The jumps as arrays, and the belief before them: rates in percent, one sigma each."""

    rows: Sequence[_Row]
    rates: FloatArray
    seen: FloatArray
    weights: FloatArray
    sizes: FloatArray
    prior: FloatArray
    sigma: FloatArray

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the scan ranges that are searched."""
        reach = 4 * self.sigma[0]
        return max(SCAN_PCT[0], float(self.prior[0] - reach)), min(SCAN_PCT[1], float(self.prior[0] + reach))

    def spans(self, scan: float) -> FloatArray:
        """Return each jump's change of SPAN at a scan range, in rupees."""
        return np.array([np.interp(scan, NODES, row.span) for row in self.rows])


def _evidence(calibration: Calibration, rows: Sequence[_Row], *, counted: bool) -> _Evidence:
    return _Evidence(
        rows=rows,
        rates=np.array([[row.plain, row.deep] for row in rows]),
        seen=np.array([row.change - row.fixed - (row.premium if counted else 0.0) for row in rows]),
        weights=np.array([FORGOTTEN**age for age in reversed(range(len(rows)))]),
        sizes=np.array([max(abs(row.change), abs(row.premium)) for row in rows]) * NOISE,
        prior=np.array([calibration.scan_pct, calibration.elm_pct, calibration.elm_deep_pct]),
        sigma=np.array(UNSEEN[calibration.found_by]),
    )


def _believe(evidence: _Evidence) -> _Belief:
    """Return the rates that prior and jumps together make likeliest, how sure they are, and what they cost."""
    low, high = evidence.bounds
    step = (high - low) / 40
    coarse = min((_at(evidence, float(scan)) for scan in np.linspace(low, high, 41)), key=_cost)
    middle = float(coarse.rates[0])
    fine = np.linspace(max(low, middle - step), min(high, middle + step), 21)
    best = min((_at(evidence, float(scan)) for scan in fine), key=_cost)
    middle = float(best.rates[0])
    slopes = (evidence.spans(middle + 0.1) - evidence.spans(middle - 0.1)) / 0.2
    design = np.column_stack([slopes, evidence.rates])
    information = (design * (evidence.weights / evidence.sizes**2)[:, None]).T @ design + np.diag(evidence.sigma**-2)
    spread: FloatArray = np.asarray(np.linalg.inv(information), dtype=np.float64)
    return replace(best, spread=spread)


def _cost(belief: _Belief) -> float:
    return belief.cost


def _at(evidence: _Evidence, scan: float) -> _Belief:
    """Return the exposure rates of least cost at one scan range; jumps that miss by far weigh less, not nothing."""
    spans, rates, prior, sigma = evidence.spans(scan), evidence.rates, evidence.prior[1:], evidence.sigma[1:]
    trust = np.ones(len(spans))
    found: FloatArray = prior
    for _ in range(3):
        weights = evidence.weights / evidence.sizes**2 * trust
        matrix = (rates * weights[:, None]).T @ rates + np.diag(sigma**-2)
        pulled = rates.T @ (weights * (evidence.seen - spans)) + prior / sigma**2
        found = np.asarray(np.linalg.solve(matrix, pulled), dtype=np.float64)
        off = np.abs(spans + rates @ found - evidence.seen) / evidence.sizes
        trust = np.minimum(1.0, OUTLIER / np.maximum(off, 1e-9))
    found = np.maximum(found, 0.0)
    misses = spans + rates @ found - evidence.seen
    believed = np.array([scan, *found])
    cost = float(evidence.weights @ _huber(misses / evidence.sizes))
    cost += float((((believed - evidence.prior) / evidence.sigma) ** 2).sum())
    return _Belief(believed, np.zeros((3, 3)), cost, misses)


def _huber(off: FloatArray) -> FloatArray:
    size = np.abs(off)
    cost: FloatArray = np.where(size <= OUTLIER, size**2, 2 * OUTLIER * size - OUTLIER**2)
    return cost


def _scale_and_error(
    belief: _Belief, rows: Sequence[_Row], *, counted: bool, extra: float
) -> tuple[Decimal, Decimal | None]:
    """Return the factor on the rest, and the error in percent: what the jumps show, or what they leave open on wings."""
    changes = np.array([row.change - (row.premium if counted else 0.0) for row in rows])
    modelled = changes + belief.misses
    # What moved little, such as a wing on one side, tells no ratio.
    size = np.minimum(np.abs(changes), np.abs(modelled))
    telling = size >= TELLING * np.abs(changes).max()
    if not telling.any():
        return Decimal(1), None
    ratios = changes[telling] / modelled[telling]
    scale = min(max(rupees(float(np.median(ratios)) * 10_000) / 10_000, SCALES[0]), SCALES[1]).quantize(
        Decimal("0.0001")
    )
    missed = np.abs(float(scale) * modelled - changes)[telling] / np.abs(changes[telling])
    # A straddle with wings at 2 % is about 2 % of scan and twice the exposure rate: the scan range cancels, ELM does not.
    hedged_pct = 2.0 + 2 * (float(belief.rates[1]) + extra)
    open_on_wings = 2 * float(np.sqrt(belief.spread[1, 1])) / hedged_pct
    shown = float(np.sort(missed)[-2:].mean()) if len(missed) > 1 else float(missed[0])
    return scale, rupees(100 * max(shown, open_on_wings))
