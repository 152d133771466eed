"""HiGHS through scipy: one mixed-integer solve to proven optimality, with the settings that suit our small programs."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp

from hedging.domain.pricing import FloatArray

# Passed to HiGHS by name, which scipy permits under a warning. Its feasibility jump finds a first answer for programs that
# have none at hand; ours have one after the first relaxation, and it took half of every solve.
_SETTINGS = {"mip_rel_gap": 0.0, "mip_heuristic_run_feasibility_jump": False}


def solve_program(
    cost: FloatArray,
    *,
    rows: FloatArray,
    tops: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    integrality: FloatArray,
    time_limit_seconds: float,
) -> OptimizeResult:
    """Return scipy's answer to: least cost @ x, rows @ x <= tops, lower <= x <= upper, whole where `integrality` is 1."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Unrecognized options detected")
        return milp(
            cost,
            constraints=LinearConstraint(rows, np.full(len(rows), -np.inf), tops),
            integrality=integrality,
            bounds=Bounds(lower, upper),
            options={**_SETTINGS, "time_limit": time_limit_seconds},
        )
