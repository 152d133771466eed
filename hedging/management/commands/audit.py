"""Verify the audit trail's hash chain, export it, or rebuild today's state from it alone."""

from __future__ import annotations

import json
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hedging.domain.audit_chain import Verifier
from hedging.management.trail import write_trail
from hedging.selectors import trail

SHOWN = 20
"""Breaks and differences that are printed; the rest is counted."""


class Command(BaseCommand):
    help = "verify: is the trail what was written. export: write it to a file. replay: does it lead to today's rows."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_subparsers(dest="what", required=True)
        verify = what.add_parser("verify", help="recompute every digest and hash; exit code 1 where one differs")
        verify.add_argument("--head", help="a head noted down earlier: it must still be in the chain")
        verify.add_argument("--json", action="store_true", help="print one JSON object")
        export = what.add_parser(
            "export", help="write the lines of some days to a new file, and print the chain's head"
        )
        export.add_argument("--from", dest="first", type=date.fromisoformat, help="first IST day, like 2026-12-01")
        export.add_argument("--to", dest="last", type=date.fromisoformat, help="last IST day, included")
        form = export.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="one JSON object on each line (the default)")
        form.add_argument("--csv", action="store_true", help="CSV with a header")
        export.add_argument("file", type=Path)
        replay = what.add_parser("replay", help="rebuild sessions, intents and orders; exit code 1 where rows differ")
        replay.add_argument("--session", type=int, help="only the session with this id")
        replay.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        {"verify": self._verify, "export": self._export, "replay": self._replay}[options["what"]](options)

    def _verify(self, options: dict[str, Any]) -> None:
        verifier = Verifier()
        breaks = 0
        shown: list[str] = []
        for found in verifier.follow(trail.chained_lines()):
            breaks += 1
            if len(shown) < SHOWN:
                shown.append(f"event {found.event_id}: {found.what}")
        if options["head"] and not trail.hash_is_known(options["head"]):
            breaks += 1
            shown.append(f"the head {options['head']} is not in the chain any more: lines after it were removed")
        figures = {"lines": verifier.lines, "breaks": breaks, "head": verifier.head.hash}
        if options["json"]:
            self.stdout.write(json.dumps(figures | {"shown": shown}))
        else:
            self.stdout.write("\n".join([*shown, _sentence(figures)]))
        if breaks:
            raise CommandError(f"the audit trail is broken in {breaks} places", returncode=1)

    def _export(self, options: dict[str, Any]) -> None:
        lines = trail.chained_lines(first=options["first"], last=options["last"])
        try:
            count, last = write_trail(lines, options["file"], as_csv=options["csv"])
        except FileExistsError:
            raise CommandError(f"{options['file']} is there already: name a new file.") from None
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be written: {error.strerror}.") from None
        head = trail.chain_head()
        self.stdout.write(f"{count} lines in {options['file']}")
        if last is not None and last.hash is not None:
            self.stdout.write(f"last exported: {last.sequence} {last.hash}")
        self.stdout.write(f"head of the chain: {head.sequence} {head.hash}")

    def _replay(self, options: dict[str, Any]) -> None:
        told = trail.told_sessions(session_id=options["session"])
        if options["session"] is not None and not told:
            raise CommandError(
                f"session {options['session']} was not judged: the trail has no line of its opening. Is that a session's id?",
                returncode=1,
            )
        replay = trail.replayed(session_id=options["session"])
        replay.keep_sessions(told)
        differences = list(islice(replay.differences(trail.rows_of_today(told)), 10_000))
        shown = [f"{d.row} {d.column}: the trail says {d.replayed}, the table {d.stored}" for d in differences[:SHOWN]]
        figures = {
            "lines": replay.lines,
            "rows": len(replay.rows),
            "differences": len(differences),
            "sessions": len(told),
        }
        if options["session"] is None:
            figures["unjudged"] = trail.untold_sessions(told)
        if options["json"]:
            self.stdout.write(json.dumps(figures | {"shown": shown}))
        else:
            self.stdout.write("\n".join([*shown, _sentence(figures)]))
        if differences:
            raise CommandError(f"the trail does not lead to today's rows: {len(differences)} differences", returncode=1)


def _sentence(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in figures.items())
