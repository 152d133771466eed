"""Paper margin: what holdings that exist on paper only would do to the broker's margin, asked of the broker or computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from hedging.brokers.base import AuthenticationFailed, BasketScope, BrokerRefused, MarginLeg, MarketReader, RateLimited
from hedging.brokers.paper import PaperHolding
from hedging.domain.instruments import Contract, Product, Side
from hedging.domain.margin import MarginLine, MarginMarket, requirement
from hedging.domain.risk import MarginParameters
from hedging.domain.snapshot import BasketMargin, Chain, Funds, Position

_MOST_LEGS = 50
_WHOLE_CHAIN = 100
_CHEAPEST = Decimal("0.05")  # one tick


@dataclass(frozen=True, slots=True)
class PaperMeaning:
    """What the figures of the broker beneath a dry run mean, as calibration found them.

    `usable`: the basket call nets; `scope` what it counts from `counts_book_from` legs on, `None` while unknown.
    `paid_in_answer` and `credit_from_legs`: premium paid is in its answer, premium received is off it from so many legs on.
    `premium_in_used`: used margin contains premium; else cash alone pays it. `cash_is_net`: cash has used margin taken off.
    `parameters` and `scale` are those of our engine, for what the broker cannot be asked.
    """

    usable: bool = True
    scope: BasketScope | None = BasketScope.INCREMENT
    counts_book_from: int = 2
    paid_in_answer: bool = True
    credit_from_legs: int | None = 1
    premium_in_used: bool = True
    cash_is_net: bool = False
    parameters: MarginParameters = field(default_factory=MarginParameters)
    scale: Decimal = Decimal(1)

    def premium_in_answer(self, legs: Sequence[MarginLeg]) -> Decimal:
        """Return the rupees of premium that the basket answer for these legs contains."""
        paid = sum((leg.price * leg.quantity for leg in legs if leg.side is Side.BUY), Decimal(0))
        got = sum((leg.price * leg.quantity for leg in legs if leg.side is Side.SELL), Decimal(0))
        credited = self.credit_from_legs is not None and len(legs) >= self.credit_from_legs
        return (paid if self.paid_in_answer else Decimal(0)) - (got if credited else Decimal(0))

    def overlaid(self, live: Funds, *, margin: Decimal, premium: Decimal, paid_before: Decimal) -> Funds:
        """Return `live` as it would read had `margin` and `premium` rupees more been blocked and paid today.

        `paid_before` is what the holdings of earlier days cost: it left the cash then, and was never used margin of today.
        """
        if not (margin or premium or paid_before):
            return live
        blocked = margin + premium if self.premium_in_used else margin
        spent = paid_before + (Decimal(0) if self.premium_in_used else premium)
        cash = live.available_cash - spent - (blocked if self.cash_is_net else Decimal(0))
        return replace(live, utilised=live.utilised + blocked, available_cash=cash)


class PaperMargin:
    """Margin what-ifs for paper holdings: by the broker's basket call where that counts, else by our engine."""

    def __init__(self, *, reader: MarketReader, meaning: PaperMeaning, clock: Callable[[], datetime]) -> None:
        self._reader = reader
        self._meaning = meaning
        self._clock = clock

    def change(self, holdings: Sequence[PaperHolding]) -> Decimal:
        """Return the rupees by which the requirement would change, premium not counted; negative is a release.

        A broker that refuses the question is not asked a second time in another form: our engine answers instead. What
        cannot be read raises: the change is unknown then, not nothing.
        """
        meaning = self._meaning
        if not meaning.usable or (meaning.scope is None and self._reader.positions()):
            return self._by_engine(holdings)
        try:
            # Beside an empty book every scope is the same.
            return self._by_basket(_legs_of(holdings), meaning.scope or BasketScope.LEGS_ONLY)
        except (AuthenticationFailed, RateLimited):
            raise
        except BrokerRefused:
            return self._by_engine(holdings)

    def basket(self, legs: Sequence[MarginLeg], holdings: Sequence[PaperHolding]) -> BasketMargin:
        """Return what the broker would answer for `legs` with the holdings in its book.

        Where the book does not matter (LEGS_ONLY; fewer legs than those from which positions count) the live answer
        stands. INCREMENT: M(paper + legs) - M(paper). TOTAL: M(paper + legs). M is the answer without the premium in it;
        that of `legs` is put back.
        """
        meaning = self._meaning
        counts = meaning.usable and meaning.scope in {BasketScope.INCREMENT, BasketScope.TOTAL}
        if not holdings or not counts or len(legs) < meaning.counts_book_from:
            return self._reader.basket_margin(legs)
        held = _legs_of(holdings)
        answer, margin = self._asked((*held, *legs))
        if meaning.scope is BasketScope.INCREMENT:
            without, before = self._asked(held)
            answer = replace(
                answer,
                span=answer.span - without.span,
                exposure=answer.exposure - without.exposure,
                read_at=min(answer.read_at, without.read_at),
            )
            margin -= before
        return replace(answer, total=margin + meaning.premium_in_answer(legs))

    def _by_basket(self, held: tuple[MarginLeg, ...], scope: BasketScope) -> Decimal:
        match scope:
            case BasketScope.INCREMENT:
                return self._asked(held)[1]
            case BasketScope.TOTAL:
                # The book alone cannot be asked for; a leg and its opposite add nothing to it.
                one = held[0]
                other = Side.SELL if one.side is Side.BUY else Side.BUY
                return self._asked(held)[1] - self._asked((one, replace(one, side=other)))[1]
            case BasketScope.LEGS_ONLY:
                book = tuple(_leg_of(row) for row in self._book_beside(held))
                return self._asked((*book, *held))[1] - (self._asked(book)[1] if book else Decimal(0))

    def _asked(self, legs: Sequence[MarginLeg]) -> tuple[BasketMargin, Decimal]:
        """Return the answer, and what of it is margin."""
        if len(legs) > _MOST_LEGS:
            raise BrokerRefused(f"{len(legs)} legs with the paper holdings; the broker takes {_MOST_LEGS}")
        answer = self._reader.basket_margin(legs)
        return answer, answer.total - self._meaning.premium_in_answer(legs)

    def _book_beside(self, legs: Sequence[MarginLeg]) -> tuple[Position, ...]:
        indices = {leg.contract.index for leg in legs}
        return tuple(row for row in self._reader.positions() if row.contract.index in indices)

    def _by_engine(self, holdings: Sequence[PaperHolding]) -> Decimal:
        """Return the change by our own engine, at the prices of the live chains: one read for each expiry in the book."""
        book = self._book_beside(_legs_of(holdings))
        contracts = [*(row.contract for row in book), *(held.contract for held in holdings)]
        expiries = {(contract.index, contract.expiry) for contract in contracts}
        chains = [self._reader.chain(*key, _WHOLE_CHAIN) for key in sorted(expiries)]
        market = MarginMarket(
            spots={chain.index: chain.spot for chain in chains},
            now=self._clock(),
            previous_closes={c.index: c.previous_close for c in chains if c.previous_close is not None},
        )
        held = [_line(h.contract, h.product, h.quantity, h.average_price, chains) for h in holdings]
        before = [_line(p.contract, p.product, p.quantity, p.last or p.average_price, chains) for p in book]
        rates = self._meaning.parameters
        change = requirement(lines=(*before, *held), market=market, parameters=rates).total
        if before:
            change -= requirement(lines=before, market=market, parameters=rates).total
        return (change * self._meaning.scale).quantize(Decimal("0.01"))


def _line(contract: Contract, product: Product, quantity: int, known: Decimal, chains: Sequence[Chain]) -> MarginLine:
    quotes = (chain.quotes.get(contract) for chain in chains)
    mark = next((quote.mark for quote in quotes if quote is not None), None)
    return MarginLine(contract, quantity, max(mark or known, _CHEAPEST), product)


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
    # An average lies between ticks; the premium of the legs is taken off the answer again, so a rounded one will do.
    on_tick = (price / _CHEAPEST).quantize(Decimal(1)) * _CHEAPEST
    return MarginLeg(contract, product, side, abs(quantity), max(on_tick, _CHEAPEST))
