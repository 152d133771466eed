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
    BasketScope,
    BrokerError,
    BrokerRefused,
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
    PaperHolding,
    PaperOrder,
    holdings_of,
    net_premium_paid,
)
from hedging.domain.instruments import Contract, Index, Product, Side
from hedging.domain.snapshot import BasketMargin, Chain, Depth, Funds, Position

_IST = timezone(timedelta(hours=5, minutes=30))
_MOST_LEGS = 50
_WHOLE_CHAIN = 100
_STATUS_TEXT = {BrokerStatus.WORKING: "open"}


class DryRunBroker:
    """A `Broker` whose orders fill on paper.

    `symbol_of` writes a contract as the live books do. `scope` says what the broker's basket answer covers,
    `premium_in_basket` whether it contains the premium of long legs, and `cash_falls_with_margin` whether available cash
    is already net of margin used (Dhan, Upstox) or gross (Zerodha, our simulator).
    """

    def __init__(
        self,
        reader: MarketReader,
        book: PaperBook,
        *,
        clock: Callable[[], datetime],
        symbol_of: Callable[[Contract], str],
        scope: BasketScope = BasketScope.INCREMENT,
        premium_in_basket: bool = True,
        cash_falls_with_margin: bool = False,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        self._reader = reader
        self._book = book
        self._clock = clock
        self._symbol_of = symbol_of
        self._scope = scope
        self._premium_in_basket = premium_in_basket
        self._cash_falls = cash_falls_with_margin
        self._new_id = new_id or _fresh_id

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
        self._book.append(order)
        self._match()
        return PlaceReply(ReplyClass.ACKED, order.order_id, "on paper")

    def cancel(self, order_id: str) -> CancelReply:
        """Cancel what rests of a paper order. A live order cannot be cancelled from here."""
        if self._book.cancel(order_id):
            return CancelReply(accepted=True, message="on paper")
        return CancelReply(accepted=False, message=f"{order_id} is no working paper order")

    def order_book(self) -> OrderBook:
        """Return today's live orders, then the paper ones."""
        self._match()
        live = self._reader.order_book()
        return replace(live, rows=(*live.rows, *(self._order_row(order) for order in self._book.orders())))

    def trade_book(self) -> TradeBook:
        """Return today's live trades, then the paper fills."""
        self._match()
        live = self._reader.trade_book()
        return replace(live, rows=(*live.rows, *(row for order in self._book.orders() for row in self._trades(order))))

    def positions(self) -> tuple[Position, ...]:
        """Return the net of live and paper holdings, without contracts in which both cancel out."""
        self._match()
        net = {(row.contract, row.product): row for row in self._reader.positions()}
        for held in self._holdings():
            key = (held.contract, held.product)
            live = net.get(key)
            net[key] = _paper_position(held) if live is None else _merged(live, held)
        return tuple(row for row in net.values() if row.quantity)

    def funds(self) -> Funds:
        """Return live funds as they would read with the paper holdings in the book.

        `utilised` moves by the premium paid on paper and by the margin that the broker says they release (or need).
        Where the broker has no basket call, by the premium alone: that understates what a hedge gains, never its cost.
        """
        live = self._reader.funds()
        orders = self._book.orders()
        moved = net_premium_paid(orders)
        holdings = holdings_of(orders)
        if holdings:
            moved += self._margin_moved(holdings)
        if not moved:
            return live
        cash = live.available_cash - moved if self._cash_falls else live.available_cash
        return replace(live, utilised=live.utilised + moved, available_cash=cash)

    def basket_margin(self, legs: Sequence[MarginLeg]) -> BasketMargin:
        """Return what the broker would answer for these legs with the paper holdings in its book.

        LEGS_ONLY, and a single leg under INCREMENT (Zerodha then leaves the book out): the book does not matter, so the
        live answer stands. INCREMENT: M(paper + legs) - M(paper). TOTAL: M(paper + legs), less the premium of the paper
        holdings where the answer contains it: holdings in the book are paid for already.
        """
        holdings = self._holdings()
        held = _legs_of(holdings)
        alone = self._scope is BasketScope.INCREMENT and len(legs) < 2
        if not held or alone or self._scope is BasketScope.LEGS_ONLY:
            return self._reader.basket_margin(legs)
        answer = self._ask((*held, *legs))
        if self._scope is BasketScope.INCREMENT:
            return _less(answer, self._ask(held))
        paid = sum((one.premium for one in holdings), Decimal(0)) if self._premium_in_basket else Decimal(0)
        return replace(answer, total=answer.total - paid)

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

    def _holdings(self) -> tuple[PaperHolding, ...]:
        return holdings_of(self._book.orders())

    def _match(self) -> None:
        """Fill working paper orders against live ladders, oldest first; an unread ladder leaves its orders resting."""
        ladders: dict[tuple[Contract, Side], Ladder] = {}
        for order in self._book.orders():
            if order.status is not BrokerStatus.WORKING:
                continue
            key = (order.contract, order.side)
            if key not in ladders:
                ladders[key] = self._ladder(*key)
            fills = ladders[key].fill(order)
            if fills:
                self._book.fill(order.order_id, fills, filled_before=order.filled)

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

    def _margin_moved(self, holdings: tuple[PaperHolding, ...]) -> Decimal:
        """Return by how much the requirement would change, premium not counted; negative is a release."""
        try:
            change = self._requirement_with(holdings)
        except (AuthenticationFailed, RateLimited):
            raise
        except BrokerRefused:
            return Decimal(0)
        return change - sum(held.premium for held in holdings) if self._premium_in_basket else change

    def _requirement_with(self, holdings: tuple[PaperHolding, ...]) -> Decimal:
        held = _legs_of(holdings)
        match self._scope:
            case BasketScope.INCREMENT:
                return self._ask(held).total
            case BasketScope.TOTAL:
                # The book alone cannot be asked for; a leg and its opposite add nothing to it.
                one = held[0]
                other = Side.SELL if one.side is Side.BUY else Side.BUY
                return self._ask(held).total - self._ask((one, replace(one, side=other))).total
            case BasketScope.LEGS_ONLY:
                indices = {leg.contract.index for leg in held}
                book = tuple(_leg_of(row) for row in self._reader.positions() if row.contract.index in indices)
                return self._ask((*book, *held)).total - (self._ask(book).total if book else Decimal(0))

    def _ask(self, legs: Sequence[MarginLeg]) -> BasketMargin:
        if len(legs) > _MOST_LEGS:
            raise BrokerRefused(f"{len(legs)} legs with the paper holdings; the broker takes {_MOST_LEGS}")
        return self._reader.basket_margin(legs)

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


def _legs_of(holdings: Sequence[PaperHolding]) -> tuple[MarginLeg, ...]:
    """Return the holdings as margin legs, a single one in two halves: one leg alone is answered without the book."""
    legs = [_leg(held.contract, held.product, held.quantity, held.average_price) for held in holdings]
    if len(legs) == 1 and legs[0].quantity > 1:
        half = legs[0].quantity // 2
        legs = [replace(legs[0], quantity=half), replace(legs[0], quantity=legs[0].quantity - half)]
    return tuple(legs)


def _leg_of(row: Position) -> MarginLeg:
    return _leg(row.contract, row.product, row.quantity, row.last or row.average_price)


def _leg(contract: Contract, product: Product, quantity: int, price: Decimal) -> MarginLeg:
    side = Side.BUY if quantity > 0 else Side.SELL
    return MarginLeg(contract, product, side, abs(quantity), price)


def _less(whole: BasketMargin, part: BasketMargin) -> BasketMargin:
    return BasketMargin(
        total=whole.total - part.total,
        span=whole.span - part.span,
        exposure=whole.exposure - part.exposure,
        read_at=min(whole.read_at, part.read_at),
    )


def _paper_position(held: PaperHolding) -> Position:
    return Position(held.contract, held.product, held.quantity, held.average_price)


def _merged(live: Position, held: PaperHolding) -> Position:
    quantity = live.quantity + held.quantity
    if (live.quantity > 0) == (held.quantity > 0):
        average = (live.quantity * live.average_price + held.premium) / quantity
    else:
        average = live.average_price if abs(live.quantity) >= abs(held.quantity) else held.average_price
    return replace(live, quantity=quantity, average_price=average)


def _fresh_id() -> str:
    return uuid4().hex[:16].upper()


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(_IST):%Y-%m-%d %H:%M:%S}"
