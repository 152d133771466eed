"""Print the cheapest hedge that brings the margin of a book, given as a file, to a target: with proof, or why there is none."""

from __future__ import annotations

from typing import Any

from hedging.management.books.command import BookCommand
from hedging.management.books.optimize_report import optimize_report
from hedging.management.books.tables import as_json, told_hedge


class Command(BookCommand):
    help = "Find the cheapest sufficient hedge of a book from a JSON or CSV file (docs/books.md). No server is needed."
    for_hedging = True
    flags = {
        "--target": ("policy.utilization_target_pct", "utilization to reach, percent of the budget"),
        "--trigger": (
            "policy.utilization_trigger_pct",
            "utilization above which a hedge is needed; default: the target",
        ),
        "--premium-min": ("policy.min_premium", "least preferred premium of a hedge, rupees a unit"),
        "--premium-max": ("policy.max_premium", "greatest preferred premium of a hedge, rupees a unit"),
        "--cap": ("policy.max_cost_per_day", "most that the hedge may cost, rupees"),
        "--budget": ("budget", "rupees that utilization is a percentage of"),
        "--used": ("used_now", "margin in use as the broker shows it; default: the engine's margin of the rows"),
        "--free-margin": ("free_margin", "what the broker would still let us block; default: not checked"),
        "--cash": ("cash", "cash for premium; default: the free margin"),
        "--buffer": ("buffer", "safety buffer on coming entries, rupees; default: 0"),
        "--as-of": ("as_of", "date-time of the prices, IST unless it says otherwise"),
        "--spot": ("spot", "level of the index, or NIFTY=…,SENSEX=…"),
    }

    def handle(self, *_args: Any, **options: Any) -> None:
        report = optimize_report(self.read(options))
        self.stdout.write(as_json(report) if options["as_json"] else told_hedge(report))
