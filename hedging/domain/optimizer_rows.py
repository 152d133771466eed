"""Rows of the integer programs: what keeps margin under a limit at every moment, and which rows and columns matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from hedging.domain.instruments import Right
from hedging.domain.optimizer_model import HedgeModel, State
from hedging.domain.pricing import BoolArray, FloatArray

LAKH = 1e5


def margin_rows(
    model: HedgeModel,
    picked: npt.NDArray[np.int64],
    moments: Sequence[tuple[State, float]],
    *,
    per_lot: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return rows and tops, in lakh over the lots of `picked`, that say scale x margin + per_lot <= most at each moment.

    `moments` pairs a state of the book with the most that its margin may be, in rupees. Only one scan tier of a state
    holds tradable strikes, so its z >= every scenario loss, z >= 0 is projected out: one row for each scenario, one for a
    scan of 0, and one (the first) for a SPAN of 0. What a lot does in a scenario is the same at every moment, so of all
    moments only the tightest top of each scenario counts.
    """
    risk = np.vstack([np.zeros(len(picked)), model.risk[picked].T])
    rows = np.vstack([per_lot, model.scale * (risk - model.nov[picked]) + per_lot])
    tops = np.full(len(rows), np.inf)
    for state, most in moments:
        outer = most - model.scale * state.outer
        losses = np.concatenate([[0.0], state.losses])
        tops = np.minimum(tops, np.concatenate([[outer], outer - model.scale * (state.inner + losses)]))
    return rows / LAKH, tops / LAKH


def binding_rows(rows: FloatArray, tops: FloatArray) -> npt.NDArray[np.int64]:
    """Return which of `rows @ x <= tops`, x >= 0, are not implied by another one (of equal rows the first)."""
    return np.flatnonzero(~_at_least(np.column_stack([rows, -tops])).any(axis=0))


def outdone_buys(model: HedgeModel, most: FloatArray, room: Mapping[Right, float] | None) -> BoolArray:
    """Return which buys another one outdoes: nearer or as near, no dearer, releasing no less in any scenario.

    Moving all lots of such a strike to the other one keeps every row satisfied and costs no more (orders only merge),
    provided that the other one's depth holds all that fits on the side: `room`, or where capacity is lifted (`None`) the
    lots of all of them. So dropping it cannot cost the optimum.
    """
    outdone = np.zeros(len(most), dtype=np.bool_)
    for right in Right:
        rows = np.flatnonzero(model.is_buy & model.is_right[right] & (most > 0))
        if len(rows) < 2:
            continue
        needed = most[rows].sum() if room is None else min(room[right], most[rows].sum())
        roomy = model.depth[rows] >= needed
        effect = np.column_stack(
            [
                model.risk[rows] - model.nov[rows, None],
                -model.nov[rows],
                model.outlay[rows],
                model.reserve[rows],
                model.weight[rows],
                model.weight_of_order[rows],
                model.distance[rows],
            ]
        )
        outdone[rows] = (_at_least(-effect) & roomy[:, None]).any(axis=0)
    return outdone


def _at_least(table: FloatArray) -> BoolArray:
    """Return [i, j]: row i is at least row j everywhere, and not merely equal to an earlier j."""
    better = (table[:, None, :] >= table[None, :, :]).all(axis=2)
    earlier = np.tri(len(table), dtype=np.bool_).T
    beats: BoolArray = better & (~better.T | earlier)
    np.fill_diagonal(beats, val=False)
    return beats
