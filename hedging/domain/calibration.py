"""Calibration: what one broker's margin answers mean, and the scan range and exposure rates that it charges by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from itertools import product as pairs

import numpy as np
from scipy.optimize import minimize_scalar

from hedging.domain.calibration_ground import Ground
from hedging.domain.margin import MarginLine, MarginMarket, rupees
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.pricing import FloatArray
from hedging.domain.probes import ProbeUnanswered, Reading, refuse_implausible
from hedging.domain.risk import MarginParameters

SCAN_PCT = (4.0, 18.0)
RATE_PCT = 9.0
SCALES = (Decimal("0.9"), Decimal("1.1"))
FITS = 0.04
"""Up to which share of its answers a reading of a broker may be wrong and still explain them."""
APART = 0.05
REFINED = 8
"""By which share another reading must be worse before it is ruled out."""


class Scope(StrEnum):
    """What a broker's answer for two legs or more covers; the values of `brokers.base.BasketScope`, and NONE.

    NONE: a sum of legs, a figure before the hedge benefit, or no such call: no use for a decision.
    """

    LEGS_ONLY = "legs_only"
    INCREMENT = "increment"
    TOTAL = "total"
    NONE = "none"


class FoundBy(StrEnum):
    """Where a calibration comes from: the broker's basket call, funds before and after fills, or a person."""

    BASKET = "basket"
    FILLS = "fills"
    HAND = "hand"


class Figure(StrEnum):
    """What `total_margin_required` is. With an empty book the three that net are one figure, and so are the two sums."""

    LEGS = "the legs sent, netted"
    INCREMENT = "what the legs add to the book"
    TOTAL = "the book with the legs in it"
    SUM = "the sum of the legs, each alone"
    SUM_AND_BOOK = "the book and the sum of the legs, before any benefit"

    @property
    def nets(self) -> bool:
        """Return whether a wing lowers it."""
        return self not in _SUMS


_SUMS = frozenset({Figure.SUM, Figure.SUM_AND_BOOK})
_SCOPE = {Figure.LEGS: Scope.LEGS_ONLY, Figure.INCREMENT: Scope.INCREMENT, Figure.TOTAL: Scope.TOTAL}
NO_BOOK_MATTERS = (Figure.LEGS, Figure.SUM)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found out about an account's broker. `None` is not known yet.

    `scope` stays `None` while the account has held nothing that could tell. `counts_book_from` is the least number of legs
    from which positions are counted. `paid_in_answer`: premium paid is in the answer; `credit_from_legs`: from so many legs
    on premium received is taken off it. Rates in percent of the index level; `elm_expiry_extra_pct` is on top of both.
    `premium_in_used` and `cash_is_net` are about `/funds`: whether premium is in `utiliseddebits`, and whether
    `availablecash` has the used margin taken off. `error_pct` is the engine's worst remaining error on the probes that
    hedges are judged by, in percent of the answer; `None` means not calibrated.
    """

    found_by: FoundBy
    nets: bool | None
    scope: Scope | None
    counts_book_from: int | None
    paid_in_answer: bool
    credit_from_legs: int | None
    scan_pct: float
    elm_pct: float
    elm_deep_pct: float
    elm_expiry_extra_pct: float
    scale: Decimal = Decimal(1)
    error_pct: Decimal | None = None
    premium_in_used: bool | None = None
    cash_is_net: bool | None = None

    def applied_to(self, parameters: MarginParameters) -> MarginParameters:
        """Return `parameters` with what was measured in place of the dated rates."""
        return replace(
            parameters,
            price_scan_minimum_pct=self.scan_pct,
            # What was measured is the range itself: no sigma may raise it, and its own range keeps what sigma gave it.
            daily_volatility_pct=None,
            volatility_scan_minimum_points=parameters.volatility_scan * 100,
            elm_pct=self.elm_pct,
            elm_deep_otm_pct=self.elm_deep_pct,
            elm_expiry_extra_pct=self.elm_expiry_extra_pct,
        )

    def profile(self, *, premium_counted: bool) -> MarginProfile:
        """Return the profile for decisions; `premium_counted` stands where funds have not told it yet."""
        counted = premium_counted if self.premium_in_used is None else self.premium_in_used
        return MarginProfile(premium_counted=counted, scale=self.scale, error_pct=self.error_pct)

    def premium_in_answer(self, lines: Sequence[MarginLine]) -> Decimal:
        """Return the rupees of net premium that the broker's answer for these legs contains."""
        paid = sum((line.price * line.quantity for line in lines if line.quantity > 0), Decimal(0))
        got = sum((-line.price * line.quantity for line in lines if line.quantity < 0), Decimal(0))
        credited = self.credit_from_legs is not None and len(lines) >= self.credit_from_legs
        return (paid if self.paid_in_answer else Decimal(0)) - (got if credited else Decimal(0))


@dataclass(frozen=True, slots=True)
class _Meaning:
    figure: Figure
    book_from: int
    credit_from: int | None


@dataclass(frozen=True, slots=True)
class _Fit:
    meaning: _Meaning
    scan: float
    rates: tuple[float, float]
    cost: float
    worst: float


def calibrate(
    readings: Sequence[Reading],
    market: MarginMarket,
    parameters: MarginParameters,
    *,
    book: Sequence[MarginLine] = (),
    known: Calibration | None = None,
) -> Calibration:
    """Return what a broker's answers for the probes mean, and the rates that explain them best.

    For one scan range the requirement is linear in the exposure rates, so those are solved by weighted least squares and
    the scan range, the only other unknown, is searched alone: coarsely, since it has kinks, then by bounded minimization.
    Bisection on single shorts (the obvious way) would take the exposure rates for granted, and those differ, too. Of every
    meaning that an answer can have the one is taken that explains all answers best. A `book` that is held makes the scope
    visible; with `known` its rates stand and only the meaning is looked for. Raises `ProbeUnanswered` for an answer out of
    any plausible range, `MarketUnknown` without a spot.
    """
    index = readings[0].basket.lines[0].contract.index
    refuse_implausible(readings, spot=market.spots[index], index=index, alone=not book)
    fixed = None if known is None else known.applied_to(parameters)
    ground = Ground(readings, book=book, market=market, parameters=fixed or parameters)
    paid = _paid_in_answer(readings) if known is None else known.paid_in_answer
    credits_from = (None, 2, 1) if known is None else (known.credit_from_legs,)
    held = any(line.quantity for line in book)
    meanings = [
        _Meaning(figure, book_from, credit_from)
        for figure, book_from, credit_from in pairs(Figure if held else NO_BOOK_MATTERS, (1, 2), credits_from)
        if (book_from == 1 or (held and figure in {Figure.INCREMENT, Figure.TOTAL}))
        # Of single legs alone a credit cannot be told from a wider scan range, and no broker is known to give it there.
        and (figure.nets or credit_from != 1)
    ]
    best = _best(ground, meanings, paid=paid, known=fixed)
    fit = min(best, key=lambda found: found.cost)
    settled = fit if not held or _stands_out(fit, best) else None
    rates = _rates(fit, ground, parameters)
    scale, error = _scale_and_error(ground, fit, paid=paid)
    found = Calibration(
        found_by=FoundBy.BASKET,
        nets=fit.meaning.figure.nets,
        scope=_scope(fit, held=held, settled=settled is not None),
        counts_book_from=_counts_from(best, fit, held=held),
        paid_in_answer=paid,
        credit_from_legs=fit.meaning.credit_from,
        scan_pct=rates.scan_pct,
        elm_pct=rates.elm_pct,
        elm_deep_pct=rates.elm_deep_pct,
        elm_expiry_extra_pct=rates.elm_expiry_extra_pct,
        scale=scale,
        error_pct=error,
        premium_in_used=None if known is None else known.premium_in_used,
        cash_is_net=None if known is None else known.cash_is_net,
    )
    if known is None:
        return found
    # Beside a book the probes are small differences of large figures: they tell the meaning, not the rates.
    kept = replace(known, scope=found.scope, counts_book_from=found.counts_book_from)
    return kept if found.scope is not None else known


def _scope(fit: _Fit, *, held: bool, settled: bool) -> Scope | None:
    if not fit.meaning.figure.nets:
        return Scope.NONE
    return _SCOPE[fit.meaning.figure] if held and settled else None


def _paid_in_answer(readings: Sequence[Reading]) -> bool:
    """Return whether premium paid is in the answers: a wing of its own costs that and nothing else."""
    lone = [r for r in readings if len(r.basket.lines) == 1 and r.basket.bought > 0]
    return not lone or lone[0].answer >= lone[0].basket.bought / 2


def _target(ground: Ground, meaning: _Meaning, *, paid: bool) -> FloatArray:
    credited = (
        ground.legs >= meaning.credit_from if meaning.credit_from is not None else np.zeros_like(ground.legs, bool)
    )
    target: FloatArray = ground.answers - (ground.bought if paid else 0.0) + np.where(credited, ground.sold, 0.0)
    return target


def _rows(ground: Ground, meaning: _Meaning, scan: float) -> FloatArray:
    """Return [readings, 3]: rupees that do not depend on the exposure rates, and rupees for each point of the two rates."""
    at = ground.at(scan)
    match meaning.figure:
        case Figure.LEGS:
            return at.alone
        case Figure.SUM:
            return at.summed
        case Figure.SUM_AND_BOOK:
            return at.summed + at.book
        case Figure.INCREMENT:
            counted = at.with_book - at.book
        case Figure.TOTAL:
            counted = at.with_book
    return np.where((ground.legs >= meaning.book_from)[:, None], counted, at.alone)


def _fit(ground: Ground, meaning: _Meaning, scan: float, *, paid: bool, rates: tuple[float, float] | None) -> _Fit:
    rows, target = _rows(ground, meaning, scan), _target(ground, meaning, paid=paid)
    if rates is None:
        rates = ground.solve(rows, target)
    residuals = (rows @ np.array([1.0, *rates]) - target) / ground.sizes
    cost = float((ground.weights * residuals) @ residuals)
    return _Fit(meaning, scan, rates, cost, float(np.abs(residuals).max()))


def _best(
    ground: Ground, meanings: Sequence[_Meaning], *, paid: bool, known: MarginParameters | None
) -> tuple[_Fit, ...]:
    """Return each meaning with the rates that explain the answers best under it."""
    if known is not None:
        scan, rates = known.price_scan_fraction * 100, (known.elm_pct, known.elm_deep_otm_pct)
        return tuple(_fit(ground, meaning, scan, paid=paid, rates=rates) for meaning in meanings)
    scans = np.arange(SCAN_PCT[0], SCAN_PCT[1] + 0.25, 0.5)
    coarse = [
        min((_fit(ground, meaning, float(s), paid=paid, rates=None) for s in scans), key=lambda found: found.cost)
        for meaning in meanings
    ]
    coarse.sort(key=lambda found: found.cost)
    # A wrong meaning on the grid can beat the right one beside it: the likely ones are compared at their own best.
    return tuple(_refined(ground, fit, paid=paid) for fit in coarse[:REFINED]) + tuple(coarse[REFINED:])


def _refined(ground: Ground, fit: _Fit, *, paid: bool) -> _Fit:
    found = minimize_scalar(
        lambda scan: _fit(ground, fit.meaning, float(scan), paid=paid, rates=None).cost,
        bounds=(max(SCAN_PCT[0], fit.scan - 0.5), min(SCAN_PCT[1], fit.scan + 0.5)),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return _fit(ground, fit.meaning, float(found.x), paid=paid, rates=None)


def _stands_out(fit: _Fit, fits: Sequence[_Fit]) -> bool:
    others = [other.worst for other in fits if other.meaning.figure is not fit.meaning.figure]
    return fit.worst <= FITS and min(others) >= fit.worst + APART


def _counts_from(fits: Sequence[_Fit], fit: _Fit, *, held: bool) -> int | None:
    """Return from how many legs positions are counted; 2 where the answers for one leg could not tell."""
    if not held or fit.meaning.figure in NO_BOOK_MATTERS:
        return None
    if fit.meaning.figure is Figure.SUM_AND_BOOK:
        return 1
    worst = {
        f.meaning.book_from: f.worst
        for f in fits
        if (f.meaning.figure, f.meaning.credit_from) == (fit.meaning.figure, fit.meaning.credit_from)
    }
    return 1 if worst[2] >= worst[1] + APART else 2


def _rates(fit: _Fit, ground: Ground, parameters: MarginParameters) -> _Rates:
    elm, deep = fit.rates
    extra = parameters.elm_expiry_extra_pct
    if ground.expiring:
        # On an expiring contract only the sum with the extra can be seen: where it is less than the extra, so is the extra.
        extra = min(extra, elm + extra, deep + extra)
        elm, deep = elm + parameters.elm_expiry_extra_pct - extra, deep + parameters.elm_expiry_extra_pct - extra
    return _Rates(fit.scan, elm, deep, extra)


@dataclass(frozen=True, slots=True)
class _Rates:
    scan_pct: float
    elm_pct: float
    elm_deep_pct: float
    elm_expiry_extra_pct: float


def _scale_and_error(ground: Ground, fit: _Fit, *, paid: bool) -> tuple[Decimal, Decimal]:
    """Return the factor that leaves the least worst error on the probes that decide, and that error in percent."""
    deciding = ground.decides
    margin = (_rows(ground, fit.meaning, fit.scan) @ np.array([1.0, *fit.rates]))[deciding]
    target = _target(ground, fit.meaning, paid=paid)[deciding]
    ratios = target / margin
    middle = rupees(float(ratios.max() + ratios.min()) / 2 * 10_000) / 10_000
    scale = min(max(middle, SCALES[0]), SCALES[1]).quantize(Decimal("0.0001"))
    errors = np.abs(float(scale) * margin - target) / ground.sizes[deciding]
    return scale, rupees(float(errors.max()) * 100)


__all__ = ["Calibration", "FoundBy", "ProbeUnanswered", "Scope", "calibrate"]
