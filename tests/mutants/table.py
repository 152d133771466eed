"""Table: all mutants, by invariant."""

from __future__ import annotations

from tests.mutants import gates, protocol, rows

MUTANTS = tuple(sorted(protocol.MUTANTS + gates.MUTANTS + rows.MUTANTS, key=lambda mutant: mutant.invariant))
