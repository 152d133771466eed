"""OpenAlgo as a broker: typed reads by `OpenAlgoReader`; `OpenAlgoBroker` adds the two writes, each sent once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from hedging.brokers.base import (
    BrokerError,
    CancelReply,
    Listing,
    MarginLeg,
    NotSent,
    OrderBook,
    OrderRequest,
    OutcomeUnknown,
    PlaceReply,
    ReplyClass,
    ServerStatus,
    TradeBook,
)
from hedging.brokers.openalgo import wire
from hedging.brokers.openalgo.client import OpenAlgoClient, OpenAlgoOrderClient
from hedging.domain.instruments import Contract, Index
from hedging.domain.snapshot import BasketMargin, Chain, Depth, Funds, Position


class OpenAlgoReader:
    """A `MarketReader` over one OpenAlgo server. It has no method that writes, and its client has none either.

    An empty book is believed only beside funds that can be read: some of OpenAlgo's adapters turn a failure of their broker
    (a session that has ended, say) into an empty list with status success, and it is the funds that are then `{}`.
    """

    def __init__(self, client: OpenAlgoClient) -> None:
        self._client = client

    def server_status(self) -> ServerStatus:
        """Return the broker's name and OpenAlgo's mode (two calls)."""
        ping = self._client.read("ping")
        broker = wire.parse_ping(ping)
        return ServerStatus(broker, wire.parse_analyzer(self._client.read("analyzer")), ping.skew_seconds)

    def funds(self) -> Funds:
        """Return the account's funds; `UnreadableAnswer` for `{}`."""
        return wire.parse_funds(self._client.read("funds"))

    def positions(self) -> tuple[Position, ...]:
        """Return the open option positions of indices that we know."""
        return self.position_rows().positions

    def position_rows(self) -> wire.PositionRows:
        """Return the same with the number of open rows of other instruments that were left out."""
        found = wire.parse_positions(self._client.read("positionbook"))
        if not found.positions and not found.foreign:
            self.funds()
        return found

    def order_book(self) -> OrderBook:
        """Return today's orders of the whole account."""
        book = wire.parse_order_book(self._client.read("orderbook"))
        if not book.rows:
            self.funds()
        return book

    def trade_book(self) -> TradeBook:
        """Return today's trades of the whole account."""
        book = wire.parse_trade_book(self._client.read("tradebook"))
        if not book.rows:
            self.funds()
        return book

    def spot(self, index: Index) -> Decimal:
        """Return the index's last price."""
        return wire.parse_spot(self._client.read("quotes", wire.spot_request(index)))

    def expiries(self, index: Index) -> tuple[date, ...]:
        """Return the listed option expiries, ascending."""
        return wire.parse_expiries(self._client.read("expiry", wire.expiry_request(index)))

    def chain(self, index: Index, expiry: date, strikes_each_side: int) -> Chain:
        """Return the option chain of 1 to 100 strikes on each side (else `ValueError`)."""
        answer = self._client.read("optionchain", wire.chain_request(index, expiry, strikes_each_side))
        return wire.parse_chain(answer, index, expiry)

    def depth(self, contract: Contract) -> Depth:
        """Return the price ladder of one contract."""
        return wire.parse_depth(self._client.read("depth", wire.depth_request(contract)), contract)

    def basket_margin(self, legs: Sequence[MarginLeg]) -> BasketMargin:
        """Return the broker's margin for 1 to 50 legs (else `ValueError`); `BrokerRefused` where there is no such call."""
        return wire.parse_margin(self._client.read("margin", wire.margin_request(legs)), legs)

    def listing(self, contract: Contract) -> Listing:
        """Return the master contract's lot, tick and freeze quantity of an option; `BrokerRefused` for one not listed."""
        return wire.parse_listing(self._client.read("symbol", wire.listing_request(contract)))

    def open_exchanges(self, day: date) -> frozenset[str]:
        """Return the exchanges that are open on a day by OpenAlgo's calendar, which checks no key."""
        return wire.parse_timings(self._client.read("market/timings", {"date": day.isoformat()}))


class OpenAlgoBroker(OpenAlgoReader):
    """The live broker: every order is real."""

    def __init__(self, client: OpenAlgoOrderClient) -> None:
        super().__init__(client)
        self._orders = client

    @property
    def paper(self) -> bool:
        """Return False: orders fill for real."""
        return False

    def place(self, request: OrderRequest) -> PlaceReply:
        """Send exactly one order and classify the reply. Never raises, never retries."""
        if request.quantity <= 0 or not request.limit_price.is_finite() or request.limit_price <= 0:
            return PlaceReply(ReplyClass.NOT_SENT, message="not an order: quantity and limit price must be positive")
        try:
            return wire.classify_place(self._orders.place_order(wire.place_request(request)))
        except NotSent as error:
            return PlaceReply(ReplyClass.NOT_SENT, message=str(error), infrastructure=True)
        except Exception as error:  # noqa: BLE001 - whatever broke after the claim, the order may be out
            return PlaceReply(ReplyClass.UNKNOWN, message=_shown(error), infrastructure=True)

    def cancel(self, order_id: str) -> CancelReply:
        """Ask for a cancel, once. The books decide what became of it."""
        try:
            return wire.classify_cancel(self._orders.cancel_order(wire.cancel_request(order_id, "auto-hedge")))
        except NotSent as error:
            return CancelReply(accepted=False, message=str(error))
        except OutcomeUnknown as error:
            return CancelReply(accepted=None, message=str(error))

    def queues_orders(self) -> bool | None:
        """Return whether OpenAlgo would queue our orders for a person (semi-auto mode); `None` when nobody can say.

        No endpoint tells the mode, so a cancel of an order that cannot exist is asked for: semi-auto refuses every cancel.
        """
        try:
            answer = self._orders.cancel_order(wire.cancel_request(NO_ORDER_ID, "auto-hedge"))
        except BrokerError:
            return None
        # Any other refusal is one of the broker's, which semi-auto would not have asked; Zerodha's comes as a 500.
        message = wire.classify_cancel(answer).message
        return "semi-auto" in message.lower() if wire.parse_object(answer.body) is not None else None


NO_ORDER_ID = "auto-hedge-preflight"
"""No broker numbers an order like this."""


def _shown(error: Exception) -> str:
    # Only our own errors are known to hold no secret.
    return str(error) if isinstance(error, BrokerError) else f"{type(error).__name__} while the order was on its way"
