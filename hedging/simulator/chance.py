"""Chance without memory: numbers that look random and depend only on what they are drawn for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hedging.simulator.families import Floats

Ints = NDArray[np.int64]

_M64 = (1 << 64) - 1
_SHIFTS = tuple(np.uint64(n) for n in (30, 27, 31, 11))
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def hash01(*parts: int | NDArray[np.int64]) -> Floats:
    """Return numbers in [0, 1) that depend on all parts and look random (splitmix64's finalizer, chained).

    Plain ints are folded in first, then the arrays, which broadcast.
    """
    arrays = [part for part in parts if not isinstance(part, int)]
    return drawn(np.full(1, folded(*(part for part in parts if isinstance(part, int))), dtype=np.uint64), *arrays)


def folded(*parts: int) -> int:
    """Return the state of the hash after some plain ints: where `drawn` goes on from."""
    state = 0x9E3779B97F4A7C15
    for part in parts:
        state ^= part & _M64
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _M64
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _M64
        state ^= state >> 31
    return state


def drawn(state: NDArray[np.uint64], *arrays: Ints) -> Floats:
    """Fold arrays into states (at least one-dimensional), and return the numbers in [0, 1) that come out."""
    for array in arrays:  # products of arrays wrap without a warning; those of scalars would not
        state = state ^ array.astype(np.uint64)
        state = (state ^ (state >> _SHIFTS[0])) * _FACTORS[0]
        state = (state ^ (state >> _SHIFTS[1])) * _FACTORS[1]
        state = state ^ (state >> _SHIFTS[2])
    return np.asarray((state >> _SHIFTS[3]).astype(np.float64) / float(1 << 53))
