"""Why a margin file is refused: the line, the reason, and what would be right."""

from __future__ import annotations


class MarginFileRefused(Exception):
    """A margin file was not imported, and every parameter is as before. Get the file again, or the right one.

    `line` counts from 1 in the unpacked file; None where the reason lies in no line.
    """

    def __init__(self, reason: str, *, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason = reason
        self.line = line
