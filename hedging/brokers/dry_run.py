"""The dry-run broker: live reads, orders filled on paper at the live bid and ask, and paper holdings laid over the book.

It is built over a `MarketReader`, which has no method that writes: no path leads from here to an order endpoint.
To its caller it looks like a broker whose book holds the paper fills too, so that a need once met is not bought again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import uuid4

from hedging.brokers.base import (
    AuthenticationFailed,
    BrokerError,
    BrokerStatus,
    BrokerUnavailable,
    CancelReply,
    MarginLeg,
    MarketReader,
    OrderBook,
    OrderRequest,
    OrderRow,
    PlaceReply,
    RateLimited,
    ReplyClass,
    ServerStatus,
    TradeBook,
    TradeRow,
)
from hedging.brokers.paper import (
    Ladder,
    PaperBook,
    PaperFill,
    PaperHolding,
    PaperOrder,
    holdings_of,
    net_premium_paid,
)
from hedging.brokers.paper_margin import PaperMargin, PaperMeaning
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.snapshot import BasketMargin, Chain, Depth, Funds, Position

SQUARE_OFF = timedelta(minutes=5)
"""How long before the close brokers square off intraday (MIS) positions: 15:25 on an ordinary day."""

_IST = timezone(timedelta(hours=5, minutes=30))
_WHOLE_CHAIN = 100
_STATUS_TEXT = {BrokerStatus.WORKING: "open"}
_SQUARED_OFF, _SETTLED = "PAPER-SQUAREOFF-", "PAPER-SETTLED-"
_ANY_PRICE = {Side.BUY: Decimal(1_000_000), Side.SELL: Decimal(0)}


class DryRunBroker:
    """A `Broker` whose orders fill on paper.

    `symbol_of` writes a contract as the live books do; `meaning` says what the live broker's margin figures contain;
    `clock` is market time.
    """

    def __init__(
        self,
        reader: MarketReader,
        book: PaperBook,
        *,
        clock: Callable[[], datetime],
        symbol_of: Callable[[Contract], str],
        meaning: PaperMeaning,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        self._reader = reader
        self._book = book
        self._clock = clock
        self._symbol_of = symbol_of
        self._meaning = meaning
        self._margin = PaperMargin(reader=reader, meaning=meaning, clock=clock)
        self._new_id = new_id or _fresh_id
        self._known_carried: tuple[PaperHolding, ...] | None = None

    @property
    def paper(self) -> bool:
        """Return True: orders fill on paper."""
        return True

    @property
    def live(self) -> MarketReader:
        """Return what is read beneath the paper: the broker's own figures, without any paper holding."""
        return self._reader

    def place(self, request: OrderRequest) -> PlaceReply:
        """Take one order on paper and fill what the live ladder holds within its limit; the rest rests.

        Only the paper book itself can make this raise.
        """
        if request.quantity <= 0 or not request.limit_price.is_finite() or request.limit_price <= 0:
            return PlaceReply(ReplyClass.NOT_SENT, message="not an order: quantity and limit price must be positive")
        order = PaperOrder(
            order_id=f"PAPER-{self._new_id()}",
            contract=request.contract,
            product=request.product,
            side=request.side,
            quantity=request.quantity,
            limit_price=request.limit_price,
            placed_at=self._clock(),
        )
        if not self._book.append(order):
            return PlaceReply(ReplyClass.NOT_SENT, message=f"the paper book has an order {order.order_id} already")
        self._match()
        return PlaceReply(ReplyClass.ACKED, order.order_id, "on paper")

    def cancel(self, order_id: str) -> CancelReply:
        """Cancel what rests of a paper order. A live order cannot be cancelled from here."""
        if self._book.cancel(order_id):
            return CancelReply(accepted=True, message="on paper")
        return CancelReply(accepted=False, message=f"{order_id} is no working paper order")

    def order_book(self) -> OrderBook:
        """Return today's live orders, then the paper ones, each marked as such. A settlement is no order."""
        paper = tuple(self._order_row(order) for order in self._match() if not order.order_id.startswith(_SETTLED))
        live = self._reader.order_book()
        return replace(live, rows=(*live.rows, *paper))

    def trade_book(self) -> TradeBook:
        """Return today's live trades, then the paper fills."""
        paper = [order for order in self._match() if not order.order_id.startswith(_SETTLED)]
        live = self._reader.trade_book()
        return replace(live, rows=(*live.rows, *(row for order in paper for row in self._trades(order))))

    def positions(self) -> tuple[Position, ...]:
        """Return the net of live and paper holdings, without contracts in which both cancel out."""
        held = self._holdings(self._match())
        net = {(row.contract, row.product): row for row in self._reader.positions()}
        for one in held:
            key = (one.contract, one.product)
            live = net.get(key)
            net[key] = self._paper_position(one) if live is None else _merged(live, one)
        return tuple(row for row in net.values() if row.quantity)

    def funds(self) -> Funds:
        """Return live funds as they would read with the paper holdings in the book: premium and margin, used and free.

        Margin is what the broker says the holdings release (or need), or what our engine says where it cannot be asked.
        """
        live = self._reader.funds()
        orders = self._match()
        holdings = self._holdings(orders)
        return self._meaning.overlaid(
            live,
            margin=self._margin.change(holdings) if holdings else Decimal(0),
            premium=net_premium_paid(orders),
            paid_before=sum((held.premium for held in self._carried()), Decimal(0)),
        )

    def basket_margin(self, legs: Sequence[MarginLeg]) -> BasketMargin:
        """Return what the broker would answer for these legs with the paper holdings in its book."""
        return self._margin.basket(legs, self._holdings(self._match()))

    def server_status(self) -> ServerStatus:
        """Return the live server's status."""
        return self._reader.server_status()

    def spot(self, index: Index) -> Decimal:
        """Return the live index price."""
        return self._reader.spot(index)

    def expiries(self, index: Index) -> tuple[date, ...]:
        """Return the listed expiries."""
        return self._reader.expiries(index)

    def chain(self, index: Index, expiry: date, strikes_each_side: int) -> Chain:
        """Return the live chain."""
        return self._reader.chain(index, expiry, strikes_each_side)

    def depth(self, contract: Contract) -> Depth:
        """Return the live ladder."""
        return self._reader.depth(contract)

    # --- the paper exchange ---------------------------------------------------------------------------------------------

    def _holdings(self, orders: Sequence[PaperOrder]) -> tuple[PaperHolding, ...]:
        return holdings_of(orders, carried=self._carried())

    def _carried(self) -> tuple[PaperHolding, ...]:
        if self._known_carried is None:
            self._known_carried = self._book.carried()
        return self._known_carried

    def _match(self) -> tuple[PaperOrder, ...]:
        """Bring the paper book up to the live market and the clock; return its orders.

        Working orders fill against live ladders, oldest first; an unread ladder leaves its orders resting. What brokers
        and exchanges do by the clock is done here too: intraday squared off, orders lapsed, expired options settled.
        """
        orders = self._book.orders()
        working = [order for order in orders if order.status is BrokerStatus.WORKING]
        if not working and not self._holdings(orders):
            return orders
        closes, now = self._book.closes_at(), self._clock()
        if closes is not None and now >= closes - SQUARE_OFF:
            changed = self._end_of_day(working, orders, closes=closes, now=now)
        else:
            changed = self._fill(working)
        return self._book.orders() if changed else orders

    def _fill(self, working: Sequence[PaperOrder]) -> bool:
        ladders: dict[tuple[Contract, Side], Ladder] = {}
        changed = False
        for order in working:
            key = (order.contract, order.side)
            if key not in ladders:
                ladders[key] = self._ladder(*key)
            fills = ladders[key].fill(order)
            if fills:
                changed = True
                self._book.fill(order.order_id, fills, filled_before=order.filled)
        return changed

    def _end_of_day(
        self, working: Sequence[PaperOrder], orders: Sequence[PaperOrder], *, closes: datetime, now: datetime
    ) -> bool:
        """Do what the last minutes and the close bring; each step by an id of its own, so that no two processes do it twice."""
        over = now >= closes
        lapsing = [order for order in working if over or order.product is Product.MIS]
        changed = sum(self._book.cancel(order.order_id) for order in lapsing) > 0
        if not over:
            changed |= self._fill([order for order in working if order not in lapsing])
        for held in self._holdings(orders):
            if over and held.contract.expiry <= closes.astimezone(_IST).date():
                changed |= self._settle(held, now)
            elif not over and held.product is Product.MIS:
                changed |= self._square_off(held, now, number=_square_offs(orders, held.contract))
        return changed

    def _settle(self, held: PaperHolding, now: datetime) -> bool:
        """Pay an expired option its intrinsic value at the index's last price; wait while that cannot be read."""
        try:
            spot = self._reader.spot(held.contract.index)
        except BrokerError:
            return False
        sign = 1 if held.contract.right is Right.CE else -1
        worth = max(Decimal(0), sign * (spot - held.contract.strike))
        name = f"{_SETTLED}{self._symbol_of(held.contract)}-{held.product}"
        return self._book.append(_closing(name, held, (PaperFill(abs(held.quantity), worth),), now))

    def _square_off(self, held: PaperHolding, now: datetime, *, number: int) -> bool:
        """Close an intraday holding at whatever the market pays, as far as somebody trades."""
        name = f"{_SQUARED_OFF}{number}-{self._symbol_of(held.contract)}"
        side = Side.SELL if held.quantity > 0 else Side.BUY
        wanted = replace(_closing(name, held, (), now), limit_price=_ANY_PRICE[side])
        fills = self._ladder(held.contract, side).fill(wanted)
        return bool(fills) and self._book.append(_closing(name, held, fills, now))

    def _ladder(self, contract: Contract, side: Side) -> Ladder:
        """Return the other side of the live market; the chain's touch where the depth cannot be read."""
        try:
            depth = self._reader.depth(contract)
        except (AuthenticationFailed, RateLimited, BrokerUnavailable):
            return Ladder(())
        except BrokerError:
            return self._touch(contract, side)
        if depth.bids and depth.asks and depth.bids[0].price > depth.asks[0].price:
            return Ladder(())  # crossed: no honest book looks so
        levels = depth.asks if side is Side.BUY else depth.bids
        return Ladder((level.price, level.quantity) for level in levels)

    def _touch(self, contract: Contract, side: Side) -> Ladder:
        try:
            quote = self._reader.chain(contract.index, contract.expiry, _WHOLE_CHAIN).quotes.get(contract)
        except BrokerError:
            return Ladder(())
        if quote is None or quote.crossed:
            return Ladder(())
        price, quantity = (quote.ask, quote.ask_quantity) if side is Side.BUY else (quote.bid, quote.bid_quantity)
        return Ladder(() if price is None else ((price, quantity),))

    def _paper_position(self, held: PaperHolding) -> Position:
        """Return a holding as the position book would show it, with its last price: it may lie outside of any chain."""
        try:
            last = self._reader.depth(held.contract).last
        except BrokerError:
            last = None
        return Position(held.contract, held.product, held.quantity, held.average_price, last)

    # --- as the live books show it --------------------------------------------------------------------------------------

    def _order_row(self, order: PaperOrder) -> OrderRow:
        return OrderRow(
            order_id=order.order_id,
            symbol=self._symbol_of(order.contract),
            contract=order.contract,
            product=order.product.value,
            side=order.side,
            quantity=order.quantity,
            price=order.limit_price,
            status=order.status,
            status_text=_STATUS_TEXT.get(order.status, order.status.value),
            timestamp_text=_stamp(order.placed_at),
            paper=True,
        )

    def _trades(self, order: PaperOrder) -> tuple[TradeRow, ...]:
        return tuple(
            TradeRow(
                order_id=order.order_id,
                symbol=self._symbol_of(order.contract),
                contract=order.contract,
                side=order.side,
                quantity=fill.quantity,
                price=fill.price,
                timestamp_text=_stamp(order.placed_at),
            )
            for fill in order.fills
        )


def _closing(name: str, held: PaperHolding, fills: tuple[PaperFill, ...], now: datetime) -> PaperOrder:
    """Return an order that closes a holding, filled whole by `fills` where there are any."""
    return PaperOrder(
        order_id=name,
        contract=held.contract,
        product=held.product,
        side=Side.SELL if held.quantity > 0 else Side.BUY,
        quantity=sum(fill.quantity for fill in fills) or abs(held.quantity),
        limit_price=fills[-1].price if fills else Decimal(0),
        placed_at=now,
        fills=fills,
    )


def _merged(live: Position, held: PaperHolding) -> Position:
    quantity = live.quantity + held.quantity
    if not quantity or (live.quantity > 0) != (held.quantity > 0):
        average = live.average_price if abs(live.quantity) >= abs(held.quantity) else held.average_price
    else:
        average = (live.quantity * live.average_price + held.premium) / quantity
    return replace(live, quantity=quantity, average_price=average)


def _square_offs(orders: Sequence[PaperOrder], contract: Contract) -> int:
    """Return how often a contract was squared off: what another process does to other contracts changes no name."""
    return sum(order.contract == contract and order.order_id.startswith(_SQUARED_OFF) for order in orders)


def _fresh_id() -> str:
    return uuid4().hex[:16].upper()


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(_IST):%Y-%m-%d %H:%M:%S}"
