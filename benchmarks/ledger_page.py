"""The table of the ledgers' figures in docs/api.md: between two marks, rewritten by the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

BEGIN = "## With a million transactions\n"
END = "\n## What holds it to its word\n"
_WORDS = """
Written by `python -m benchmarks.bench_ledgers --page docs/api.md` (`make bench` prints it). Server time in ms, from the
request to the last byte, in one process and without the network: {rows}. Of each group, its slowest line.

| asked for | p50 | p99 | queries | bar |
|---|---|---|---|---|
"""

Measured = tuple[str, float, float, int, int | None]


def write_table(page: Path, *, rows: str, measured: Sequence[Measured]) -> None:
    """Put the figures into the page. Raises `ValueError` where the page has lost its marks."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2] if rest else None
    if after is None:
        before, mark, after = text.partition(END)
        if not mark:
            raise ValueError(f"{page} has no heading to write the figures before")
        before += "\n"
    lines = [
        f"| {name} | {p50:.1f} | {p99:.1f} | {queries} | {'' if bar is None else bar} |\n"
        for name, p50, p99, queries, bar in _slowest(measured)
    ]
    page.write_text(before + BEGIN + _WORDS.format(rows=rows) + "".join(lines) + END + after, encoding="utf-8")


def _slowest(measured: Sequence[Measured]) -> list[Measured]:
    """Return the slowest line of each group: filters of transactions together, and the lines of each admin list."""
    groups: dict[str, Measured] = {}
    for row in measured:
        name = row[0]
        group = name
        if name.startswith("GET transactions, ") and "=" in name and "cursor" not in name:
            group = "filtered"
        elif name.startswith("admin "):
            group = name.partition(",")[0]
        if group not in groups or groups[group][2] < row[2]:
            groups[group] = row
    return list(groups.values())
