"""Quotes: the price cells of a book's rows, checked, and each contract's one price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from hedging.domain.instruments import Contract, ContractSpec, Index, Right, round_down_to_tick, round_up_to_tick
from hedging.domain.margin import rupees
from hedging.domain.pricing import black_scholes
from hedging.domain.risk import MarginMarket, MarginParameters
from hedging.domain.snapshot import Quote
from hedging.management.books.book import PriceFrom
from hedging.management.books.cells import Cells

LEAST_IV, MOST_IV = 1, 500
"""Percent of annual volatility. Below 1 somebody wrote 0.14 for 14 %; above 500 nothing has a market."""

PRICE_FIELDS = ("bid", "ask", "last", "iv", "bid_quantity", "ask_quantity")


@dataclass(frozen=True, slots=True)
class PriceCells:
    """What one row says of its contract's price: rupees a unit, `iv` in percent; `where` the row stands."""

    where: str
    quote: Quote
    iv: Decimal | None


@dataclass(frozen=True, slots=True)
class Priced:
    """A contract's prices, rupees a unit: what margin values it at, what a buy pays and a sale brings (`None`: nobody knows)."""

    mark: Decimal
    mark_from: PriceFrom
    ask: Decimal | None
    bid: Decimal | None
    ask_quantity: int | None
    bid_quantity: int | None


def read_price_cells(cells: Cells, where: str, row: Mapping[str, object], contract: Contract) -> PriceCells | None:
    """Return a row's prices, or `None` where it has none or a wrong one. A crossed or zero quote is a problem."""
    before = len(cells.problems)
    bid = cells.number(where, "bid", row.get("bid"), above=0)
    ask = cells.number(where, "ask", row.get("ask"), above=0)
    last = cells.number(where, "last", row.get("last"), above=0)
    iv = cells.number(where, "iv", row.get("iv"))
    if iv is not None and not LEAST_IV <= iv <= MOST_IV:
        cells.wrong(where, "iv", f"is {iv}", f"write percent a year, {LEAST_IV} to {MOST_IV}, like 14 for 14 %")
    bid_quantity = cells.whole(where, "bid_quantity", row.get("bid_quantity"), least=1)
    ask_quantity = cells.whole(where, "ask_quantity", row.get("ask_quantity"), least=1)
    if bid is not None and ask is not None and bid > ask:
        cells.wrong(where, "bid", f"{bid} is above the ask {ask}: a crossed quote", "read the two again, at one moment")
    if len(cells.problems) > before or (bid is None and ask is None and last is None and iv is None):
        return None
    return PriceCells(where, Quote(contract, bid, ask, last, bid_quantity, ask_quantity), iv)


class Prices:
    """The prices of a book's contracts, worked out once each."""

    def __init__(
        self,
        *,
        said: Mapping[Contract, PriceCells],
        market: MarginMarket,
        parameters: MarginParameters,
        specs: Mapping[Index, ContractSpec],
    ) -> None:
        self._market = market
        self._parameters = parameters
        self._specs = specs
        self._said = said
        self._priced: dict[Contract, Priced | None] = {}

    def of(self, cells: Cells, contract: Contract) -> Priced | None:
        """Return a contract's prices; `None` where no row says any, or after a problem, which is noted once."""
        if contract not in self._priced:
            said = self._said.get(contract)
            self._priced[contract] = None if said is None else self._price(cells, said)
        return self._priced[contract]

    def _price(self, cells: Cells, said: PriceCells) -> Priced | None:
        quote, contract = said.quote, said.quote.contract
        ask, bid = quote.ask, quote.sale_price
        mark, mark_from = quote.mark, PriceFrom.ASK
        if mark is not None:
            if quote.last is not None:
                mark_from = PriceFrom.LAST
            elif bid is not None:
                mark_from = PriceFrom.MIDDLE
        elif said.iv is not None:
            tick = self._specs[contract.index].tick
            mark, mark_from = max(tick, rupees(self._model(contract, said.iv))), PriceFrom.IV
            ask, bid = round_up_to_tick(mark, tick), bid or round_down_to_tick(mark, tick)
        else:
            cells.wrong(said.where, "bid", "stands alone: a bid is no price", "give ask, last or iv beside it")
            return None
        most = self._market.spots[contract.index] if contract.right is Right.CE else contract.strike
        dearest = max(mark, ask or mark)
        if dearest >= most:
            what = "index itself" if contract.right is Right.CE else "strike"
            cells.wrong(
                said.where,
                "",
                f"a price of {dearest} is not below the {what} ({most})",
                "correct the price or the spot",
            )
            return None
        return Priced(mark, mark_from, ask, bid, quote.ask_quantity, quote.bid_quantity)

    def _model(self, contract: Contract, iv: Decimal) -> float:
        return float(
            black_scholes(
                spot=float(self._market.spots[contract.index]),
                strike=float(contract.strike),
                years=self._market.years_to(contract.expiry),
                volatility=float(iv) / 100,
                is_call=contract.right is Right.CE,
                rate=self._parameters.rate_pct / 100,
            )
        )
