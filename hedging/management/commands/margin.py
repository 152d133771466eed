"""Print the margin of a book given as a file, and every figure that it comes from."""

from __future__ import annotations

from typing import Any

from hedging.management.books.command import BookCommand
from hedging.management.books.margin_report import margin_report
from hedging.management.books.tables import as_json, told_margin


class Command(BookCommand):
    help = "Compute SPAN and exposure margin of a book from a JSON or CSV file (docs/books.md). No server is needed."
    flags = {
        "--as-of": ("as_of", "date-time of the prices, IST unless it says otherwise"),
        "--spot": ("spot", "level of the index, or NIFTY=…,SENSEX=…"),
        "--budget": ("budget", "rupees that utilization is a percentage of"),
    }

    def handle(self, *_args: Any, **options: Any) -> None:
        report = margin_report(self.read(options))
        self.stdout.write(as_json(report) if options["as_json"] else told_margin(report))
