"""Buy hedges by hand, or exit them: a preview of price, cost and effect first, then a typed yes."""

from __future__ import annotations

import sys
from collections import deque
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import CommandParser

from hedging import manual_orders
from hedging.api.outputs.manual import PreviewOutput
from hedging.brokers.openalgo.symbols import UnknownSymbol, parse_symbol
from hedging.domain.instruments import Contract, Index, Right
from hedging.domain.manual import Deed, Preview, Wanted, WantedLeg
from hedging.management.halting import user
from hedging.management.manual_text import told
from hedging.management.terminal import (
    Answer,
    Refused,
    TerminalCommand,
    session_to_change,
    with_account,
    with_json,
)
from hedging.manual_orders import By, Claimed, Offer
from hedging.manual_tokens import VALID_FOR
from hedging.models import Origin
from sessions_app.models import TradingSession

EVERYTHING = "all"
_LEGS = "CE 24500 2, of the session's expiry, or a symbol and its lots: NIFTY01DEC2624500CE 2; several may follow"


class Command(TerminalCommand):
    help = "Preview a purchase or an exit of hedges on live prices, and order it once `yes` is typed. Exit code 1: nothing ordered."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        buy = actions.add_parser("buy", help="buy hedges as one action")
        buy.add_argument("legs", nargs="+", metavar="LEG", help=_LEGS)
        leave = actions.add_parser("exit", help="sell hedges of ours, whole or in part")
        leave.add_argument("legs", nargs="+", metavar="LEG", help=f"`all`, or {_LEGS}; without lots, all of that hedge")
        for each in (buy, leave):
            each.add_argument(
                "--even-so", action="store_true", help="order although a check that a person may overrule says no"
            )
            asking = each.add_mutually_exclusive_group()
            asking.add_argument("--yes", action="store_true", help="order without asking, for scripts")
            asking.add_argument(
                "--preview", action="store_true", help="only look; exit code 1 when it would be refused"
            )
            with_account(each)
            with_json(each)

    def answer(self, options: dict[str, Any]) -> Answer:
        asks = not options["yes"] and not options["preview"]
        if asks and (options["json"] or not sys.stdin.isatty()):
            raise Refused(
                "YES_NEEDED", "Nobody can type yes here: add --yes to order without asking, or --preview to look."
            )
        deed = Deed(options["action"])
        session = session_to_change(options["account"])
        by = By(f"command by {user()}", Origin.COMMAND)
        offer = _offer(deed, session, options, by)
        if offer.token is None or options["preview"]:
            good = offer.token is not None
            return Answer(_data(offer, None), lambda: told(offer.preview), good=good)
        if asks:
            self.stdout.write(told(offer.preview))
            if not self._said_yes(deed):
                raise Refused("NOT_CONFIRMED", "Nothing was ordered: yes was not typed.")
        claimed = manual_orders.confirm(token=offer.token, by=by, deed=deed)
        shown = "" if asks else told(offer.preview) + "\n\n"
        return Answer(_data(offer, claimed), lambda: shown + _taken(claimed))

    def _said_yes(self, deed: Deed) -> bool:
        self.stdout.write(f"\nType yes within {VALID_FOR.seconds} seconds to {deed}: ", ending="")
        self.stdout.flush()
        return sys.stdin.readline().strip().lower() == "yes"


def legs_of(words: list[str], *, index: Index, expiry: Any) -> tuple[WantedLeg, ...]:
    """Read legs as they are typed: right and strike of `index` and `expiry`, or a symbol; then lots, or none.

    Raises `ValueError` that says how a leg is written.
    """
    rest = deque(words)
    legs = []
    while rest:
        word = rest.popleft().upper()
        if word in set(Right):
            strike = _strike(rest.popleft() if rest else "")
            contract = Contract(index, expiry, strike, Right(word))
        else:
            contract = _symbol(word)
        lots = int(rest.popleft()) if rest and rest[0].isdecimal() and len(rest[0]) < 7 else None
        legs.append(WantedLeg(contract, lots))
    return tuple(legs)


def _strike(text: str) -> Decimal:
    try:
        strike = Decimal(text)
    except InvalidOperation:
        strike = Decimal(0)
    if not strike.is_finite() or not 0 < strike < 1_000_000:
        raise ValueError(f"{text!r} is no strike: write a leg like {_LEGS}")
    return strike


def _symbol(text: str) -> Contract:
    try:
        return parse_symbol(text)
    except UnknownSymbol:
        raise ValueError(f"{text!r} is no leg: write it like {_LEGS}") from None


def _offer(deed: Deed, session: TradingSession, options: dict[str, Any], by: By) -> Offer:
    words, even_so = options["legs"], options["even_so"]
    everything = deed is Deed.EXIT and [word.lower() for word in words] == [EVERYTHING]
    preview = manual_orders.preview_buy if deed is Deed.BUY else manual_orders.preview_exit
    try:
        legs = () if everything else legs_of(words, index=Index(session.index), expiry=session.expiry)
        Wanted(deed, legs, even_so)  # raises before the broker is asked anything
        return preview(session=session, legs=legs, by=by, even_so=even_so)
    except ValueError as error:
        raise Refused("INVALID_ORDER", f"This is no order: {error}") from None


def _data(offer: Offer, claimed: Claimed | None) -> dict[str, Any]:
    preview: Preview = offer.preview
    done = None
    if claimed is not None:
        done = {"decision": claimed.decision_id, "transactions": list(claimed.transaction_ids)}
    return {"preview": PreviewOutput(preview).data, "claimed": done}


def _taken(claimed: Claimed) -> str:
    numbers = ", ".join(str(pk) for pk in claimed.transaction_ids)
    return (
        f"Taken and on its way: transaction{'s' if len(claimed.transaction_ids) > 1 else ''} {numbers}, decision "
        f"{claimed.decision_id}. `manage.py status` shows what fills, `manage.py why {claimed.decision_id}` its figures."
    )
