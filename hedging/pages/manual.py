"""The manual tab: the board, a ticket, what is held with its exits; every order is previewed, then confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from hedging.access import Scope, needing
from hedging.domain.instruments import Right
from hedging.manual_board import Board, Held, Offered
from hedging.pages.base import draw, look, page
from hedging.selectors.facts import ActiveHedge
from hedging.selectors.moment import mode_words
from sessions_app.models import Mode

_SIDES = {Right.CE: "Calls, above the index", Right.PE: "Puts, below the index"}


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One strike: how far out of the money in percent of the index, and our hedges and the account's net position in lots."""

    offered: Offered
    away_pct: float | None
    held_lots: int
    net_lots: float


@require_safe
@page
@needing(Scope.READ)
def manual_page(request: HttpRequest) -> HttpResponse:
    """Draw the ticket and what is held as last seen; the board is asked for by the open page, since it asks the broker."""
    moment = look(request)
    hedges = () if moment.status is None else tuple(held_as_seen(row) for row in moment.status.active_hedges)
    # Of both modes: the page may be open while the account is taken to the other one, and a preview says of which it is.
    context = {"held": hedges, "words_of": {mode: mode_words(mode=mode) for mode in Mode.values}}
    return draw(request, "hedging/manual.html", tab="manual", moment=moment, context=context)


def held_as_seen(row: ActiveHedge) -> Held:
    """Return a hedge as the last decision saw it, until the board is read."""
    return Held(row.symbol, row.quantity, None, row.average_price, row.price)


def board_parts(board: Board, held: Sequence[Held], *, scopes: Sequence[str]) -> dict[str, Any]:
    """Return what is drawn of a board. No query."""
    uncovered = board.uncovered_lots
    return {
        "board": board,
        "sides": [
            (words, right, max(1, uncovered[right]), [_row(each, board) for each in board.wings[right]])
            for right, words in _SIDES.items()
        ],
        "held": held,
        "scopes": scopes,
    }


def _row(offered: Offered, board: Board) -> BoardRow:
    known = offered.away is not None and board.spot
    return BoardRow(
        offered=offered,
        away_pct=float(100 * offered.away / board.spot) if known and offered.away is not None and board.spot else None,
        held_lots=offered.held // board.lot,
        net_lots=offered.net / board.lot,
    )
