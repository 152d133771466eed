"""The board of the manual ticket over HTTP: live prices around the money, what is ours, what the account holds."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from hedging import manual_board
from hedging.access import Scope
from hedging.api import inputs
from hedging.api.base import Endpoint, FairShare
from hedging.api.describe import tells
from hedging.api.errors import session_of
from hedging.api.fragments import FragmentRenderer, fragment, wants_fragment
from hedging.api.outputs.manual import BoardOutput
from hedging.domain.instruments import Right
from hedging.engine import clock
from hedging.pages.base import scopes_of
from hedging.pages.manual import board_parts


class ReadsTheBroker(FairShare):
    """Each answer costs reads of the broker, of which the engine needs its share: twenty a minute for each caller."""

    kind = "boards"


class BoardView(Endpoint):
    """GET: what a manual order is chosen from."""

    needs = Scope.READ
    group = "By hand"
    renderer_classes = [JSONRenderer, FragmentRenderer]
    throttle_classes = [ReadsTheBroker]

    @tells(
        "The board now",
        answer=BoardOutput,
        example="board",
        query=inputs.DrawnQuery,
        refusals=["NO_SESSION", "REFERENCE_MISSING", "CLOCK_UNAVAILABLE"],
        fragment=True,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Read the option chain and the positions once each, and lay our holdings beside them. Stores nothing.

        What the broker does not answer is named in `unknown`, and its prices are null.
        """
        wanted = self.query(request, inputs.DrawnQuery)
        session = session_of(wanted.get("account"), now=clock.market_clock().now())
        board = manual_board.read_board(session=session)
        held = manual_board.held_on(board, session=session)
        if wants_fragment(request):
            parts = board_parts(board, held, scopes=scopes_of(request._request))
            return fragment("hedging/_board.html", parts)
        body = {
            "now": board.now,
            "index": session.index,
            "expiry": board.expiry,
            "mode": session.mode,
            "spot": board.spot,
            "lot": board.lot,
            "band": board.band,
            "calls": board.wings[Right.CE],
            "puts": board.wings[Right.PE],
            "lines": board.lines,
            "held": held,
            "uncovered_lots": board.uncovered_lots,
            "unknown": board.unknown,
        }
        return Response(BoardOutput.of(body))
