"""Orders by hand over HTTP: preview with its token, then confirmation, once, with `Idempotency-Key`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from hedging import manual_orders
from hedging.access import Scope
from hedging.api import inputs
from hedging.api.base import Endpoint, actor_of
from hedging.api.describe import tells
from hedging.api.errors import Refused, session_meant
from hedging.api.outputs.manual import ClaimedOutput, OfferOutput
from hedging.brokers.openalgo.symbols import parse_symbol
from hedging.domain.manual import Deed, Wanted, WantedLeg
from hedging.engine import clock
from hedging.manual_orders import By, Claimed, Offer
from hedging.manual_tokens import VALID_FOR
from hedging.models import Origin

_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Names this confirmation: sent again, it gets the first answer again. The token itself where it is left out.",
)
_REFUSALS = [
    "INVALID_ORDER",
    "NO_SESSION",
    "REFERENCE_MISSING",
    "PREVIEW_EXPIRED",
    "DENY_COST_CAP",
    "IDEMPOTENCY_MISMATCH",
    "WORKER_DOWN",
    "CLOCK_UNAVAILABLE",
]
_TAKEN: dict[int, tuple[Any, str, str]] = {
    202: (ClaimedOutput, "Taken and on its way; `Location` and `see` say where to look", "claimed")
}


class ManualView(Endpoint):
    """POST: without a token a preview, with one its confirmation."""

    group = "By hand"
    deed: Deed

    def answer(self, request: Request) -> Response:
        """Return a preview (200), or what the confirmation of one claimed (202)."""
        wanted = self.body(request, inputs.ManualInput)
        by = By(actor_of(request), Origin.API)
        if "token" in wanted:
            if set(request.data) != {"token"}:
                raise Refused("INVALID_ORDER", "A token is sent alone: it says already what is ordered.")
            key = request.headers.get("Idempotency-Key", "")
            return _claimed(manual_orders.confirm(token=wanted["token"], by=by, key=key, deed=self.deed))
        offer = self._offer(_legs(self.deed, wanted), wanted, by)
        preview = OfferOutput({"preview": offer.preview, "token": offer.token, "valid_seconds": VALID_FOR.seconds})
        return Response(preview.data)

    def _offer(self, legs: Sequence[WantedLeg], wanted: dict[str, Any], by: By) -> Offer:
        session = session_meant(wanted.get("account"), now=clock.market_clock().now())
        preview = manual_orders.preview_buy if self.deed is Deed.BUY else manual_orders.preview_exit
        try:
            return preview(session=session, legs=legs, by=by, even_so=wanted["even_so"])
        except ValueError as error:
            raise _no_order(error) from None


class ManualBuyView(ManualView):
    """POST: buy hedges by hand."""

    needs = Scope.TRADE
    deed = Deed.BUY

    @tells(
        "What buying would cost and do now",
        answer=OfferOutput,
        example="preview",
        body=inputs.ManualInput,
        sent={"legs": [{"symbol": "NIFTY01DEC2626500CE", "lots": 2}]},
        refusals=_REFUSALS,
        more=_TAKEN,
        parameters=[_KEY],
    )
    def post(self, request: Request) -> Response:
        """Preview a purchase on live prices: price, charges, margin before and after, every refusal, and a token.

        Send the token alone, with an `Idempotency-Key`, within 30 seconds to confirm it. Works with automation off, and in
        dry run. Nothing is taken while no worker would send it.
        """
        return self.answer(request)


class ManualExitView(ManualView):
    """POST: sell hedges by hand."""

    needs = Scope.OPERATE
    deed = Deed.EXIT

    @tells(
        "What selling would bring and do now",
        answer=OfferOutput,
        example="preview",
        body=inputs.ManualInput,
        sent={"legs": [{"symbol": "NIFTY01DEC2626500CE", "lots": 1}]},
        refusals=_REFUSALS,
        more=_TAKEN,
        parameters=[_KEY],
    )
    def post(self, request: Request) -> Response:
        """Preview a sale of hedges of ours: one, several, or (without legs) all; whole, or some of their lots.

        Send the token alone, with an `Idempotency-Key`, within 30 seconds to confirm it.
        """
        return self.answer(request)


def _legs(deed: Deed, wanted: dict[str, Any]) -> tuple[WantedLeg, ...]:
    try:
        legs = tuple(WantedLeg(parse_symbol(leg["symbol"]), leg.get("lots")) for leg in wanted.get("legs", ()))
        Wanted(deed, legs, wanted["even_so"])  # raises before the broker is asked anything
    except ValueError as error:
        raise _no_order(error) from None
    return legs


def _no_order(error: ValueError) -> Refused:
    return Refused("INVALID_ORDER", str(error))


def _claimed(done: Claimed) -> Response:
    see = [f"/api/hedge/transactions/{pk}" for pk in done.transaction_ids]
    see.append(f"/api/hedge/decisions/{done.decision_id}")
    body = {
        "decision": done.decision_id,
        "transactions": done.transaction_ids,
        "repeated": done.repeated,
        "see": see,
    }
    # One order has one address; of several, the decision names them all.
    where = see[0] if len(done.transaction_ids) == 1 else see[-1]
    return Response(ClaimedOutput.of(body), status=status.HTTP_202_ACCEPTED, headers={"Location": where})
