"""Tables: the reports of `margin` and `optimize` as text for people."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

WORST = 3
"""How many of the worst scenarios of a tier are named."""


_NUMBERS = re.compile(r"\[\s+([-+0-9.eE,\s]+?)\s+\]")


def as_json(report: Mapping[str, Any]) -> str:
    """Return a report as JSON for machines that people can read too: a list of numbers on one line."""
    text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text)


def told_margin(report: Mapping[str, Any]) -> str:
    """Return a margin report as text."""
    share = "" if report["utilization"] is None else f", {report['utilization']:.2f} % of the budget"
    parts = f"scan {report['scan']:,.2f} + calendar {report['calendar']:,.2f} − net option value {report['nov']:,.2f}"
    lines = [
        f"Margin at {report['as_of']}: ₹{report['total']:,.2f}{share}",
        f"SPAN ₹{report['span']:,.2f} = {parts} (each pool at least 0); exposure ₹{report['elm']:,.2f}",
        "",
        f"{'contract':<24}{'product':<8}{'quantity':>9}{'price':>11}{'IV %':>9}{'exposure':>15}",
    ]
    for row in report["contracts"]:
        volatility = "none" if row["implied_volatility"] is None else f"{row['implied_volatility']:.2f}"
        lines.append(
            f"{row['symbol']:<24}{row['product']:<8}{row['quantity']:>9}{row['price']:>11.2f}{volatility:>9}{row['elm']:>15,.2f}"
        )
    for pool in report["pools"]:
        for tier in pool["tiers"]:
            worst = sorted(enumerate(tier["losses"], start=1), key=lambda pair: -pair[1])[:WORST]
            named = ", ".join(f"{number}: {loss:,.2f}" for number, loss in worst)
            lines += ["", f"{pool['index']} {pool['product']} {tier['tier']}: worst scenarios {named}"]
    for entry in report["coming"]:
        share = "" if entry["utilization"] is None else f" ({entry['utilization']:.2f} %)"
        lines += ["", f"after {entry['entry']}: ₹{entry['total']:,.2f}{share}, ₹{entry['added']:,.2f} more"]
    return "\n".join(lines)


def told_hedge(report: Mapping[str, Any]) -> str:
    """Return an optimize report as text."""
    proof = "proven" if report["proven"] else "NOT PROVEN"
    change = f"{report['utilization_before']:.2f} % → {report['utilization_after']:.2f} % of ₹{report['budget']:,.2f}"
    lines = [f"{report['status']} ({proof}): {change}; target {report['target']:g} %, trigger {report['trigger']:g} %"]
    if report["legs"]:
        lines.append(f"aim {report['aim']}, cost ₹{report['cost']:,.2f} with charges of ₹{report['charges']:,.2f}")
        lines += ["", *_legs(report["legs"])]
    if report["relaxations"]:
        lines.append(f"given up: {', '.join(report['relaxations'])}")
    if report["binding"] is not None:
        lines.append(f"bound by: {report['binding']}")
    if report["floor"] is not None:
        lines.append(f"the least that buying could reach: {report['floor']:.2f} %")
    if report["would_do"]:
        lines.append(f"would do, outside band or distance: {', '.join(report['would_do'])}")
    for other in report["alternatives"]:
        lines += ["", f"without {other['without']}: ₹{other['cost']:,.2f}, {other['why_not']}", *_legs(other["legs"])]
    return "\n".join(lines)


def _legs(legs: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"  {leg['side']:<5}{leg['symbol']:<24}{leg['lots']:>4} lots{leg['quantity']:>8} at {leg['price']:.2f} {leg['product']}"
        for leg in legs
    ]
