"""Rows: the rows of a book file made typed, and all that can be said of them without spot and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from hedging.brokers.openalgo.symbols import UnknownSymbol, parse_symbol
from hedging.domain.instruments import Contract, Index, Product, Right
from hedging.domain.risk import IST
from hedging.management.books.cells import Cells, shown
from hedging.management.books.facts import Known
from hedging.management.books.quotes import PRICE_FIELDS, PriceCells, read_price_cells
from hedging.management.books.source import Part, SourceRow

ROW_FIELDS = ("symbol", "quantity", "product", *PRICE_FIELDS)
FIELDS = {
    Part.ROWS: (*ROW_FIELDS, "ours"),
    Part.COMING: (*ROW_FIELDS, "entry", "at"),
    Part.CANDIDATES: ROW_FIELDS,
}
NAMELESS = "entry"
HIGHEST_STRIKE = 10_000_000
_NO_CONTRACT = Contract(Index.NIFTY, date.min, Decimal(1), Right.CE)
"""Stands for a symbol that nobody knows: its prices have mistakes of their own."""


@dataclass(frozen=True, slots=True)
class BookRow:
    """A row whose symbol is known; `quantity` signed units, `product` `None` where the row does not say."""

    where: str
    part: Part
    contract: Contract
    quantity: int
    product: Product | None
    ours: bool
    entry: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows whose symbols are known, and what they say of prices. `mispriced` rows have a wrong price, noted already."""

    known: Sequence[BookRow]
    prices: Mapping[Contract, PriceCells]
    mispriced: frozenset[Contract]


def read_rows(cells: Cells, source: Sequence[SourceRow]) -> Rows:
    """Read all rows; a contract may stand in several, and has one price."""
    if not source:
        cells.wrong("", "rows", "the book is empty", "write at least one row with a symbol")
    known: list[BookRow] = []
    prices: dict[Contract, PriceCells] = {}
    mispriced: set[Contract] = set()
    for given in source:
        row = _row(cells, given)
        before = len(cells.problems)
        said = read_price_cells(cells, given.where, given.cells, _NO_CONTRACT if row is None else row.contract)
        if row is None:
            continue
        known.append(row)
        if len(cells.problems) > before:
            mispriced.add(row.contract)
        if said is None:
            continue
        first = prices.setdefault(row.contract, said)
        if (first.quote, first.iv) != (said.quote, said.iv):
            fix = "write the prices of a contract once, or the same in both"
            cells.wrong(said.where, "", f"has other prices than {first.where}", fix)
    return Rows(known, prices, frozenset(mispriced))


def check_rows(cells: Cells, rows: Rows, known: Known) -> None:
    """Note rows that cannot be, that stand twice, or that nobody gives a price."""
    for row in rows.known:
        _check_contract(cells, row, known)
        if row.contract not in rows.prices and row.contract not in rows.mispriced:
            cells.wrong(row.where, "", "has no price", "give bid and ask, last, or iv (percent)")
    _check_twice(cells, rows.known, known.product)


def clock_of(moment: datetime) -> str:
    """Return a moment as it is told."""
    return moment.astimezone(IST).strftime("%Y-%m-%d %H:%M:%S IST")


def _row(cells: Cells, row: SourceRow) -> BookRow | None:
    where, given = row.where, row.cells
    cells.unknown(where, given, FIELDS[row.part])
    contract = _contract(cells, where, given.get("symbol"))
    quantity = cells.whole(where, "quantity", given.get("quantity"))
    product = cells.choice(where, "product", given.get("product"), Product)
    ours = cells.flag(where, "ours", given.get("ours")) or False
    entry = cells.text(where, "entry", given.get("entry")) or NAMELESS
    at = cells.moment(where, "at", given.get("at"))
    if quantity is None and "quantity" not in given and row.part is not Part.CANDIDATES:
        cells.wrong(where, "quantity", "is missing", "write signed units: negative is short, 0 could be bought")
    if quantity == 0 and row.part is Part.COMING:
        cells.wrong(where, "quantity", "is 0", "write what the entry sells, in negative units")
    if quantity and row.part is Part.CANDIDATES:
        cells.wrong(where, "quantity", f"is {quantity}", "write 0 or nothing; what is held belongs to the rows")
    if ours and (quantity is None or quantity <= 0):
        cells.wrong(where, "ours", "is yes for what is not held long", "only a wing of ours could be sold")
    if contract is None:
        return None
    return BookRow(where, row.part, contract, quantity or 0, product, ours, entry, at)


def _contract(cells: Cells, where: str, symbol: object) -> Contract | None:
    if symbol is None:
        cells.wrong(where, "symbol", "is missing", "write it like NIFTY01DEC2626000CE")
        return None
    try:
        return parse_symbol(symbol if isinstance(symbol, str) else "")
    except UnknownSymbol:
        fix = f"write it like NIFTY01DEC2626000CE, an option of {', '.join(Index)}"
        cells.wrong(where, "symbol", f"{shown(symbol)} is no symbol that we know", fix)
        return None


def _check_contract(cells: Cells, row: BookRow, known: Known) -> None:
    contract, spec = row.contract, known.specs.get(row.contract.index)
    if spec is not None and (not 0 < contract.strike <= HIGHEST_STRIKE or contract.strike % spec.strike_step):
        fix = f"strikes of {contract.index} are multiples of {spec.strike_step.normalize():f}"
        cells.wrong(row.where, "symbol", "there is no such strike", fix)
    if spec is not None and row.quantity % spec.lot:
        wrong = f"{row.quantity} units are no whole lots"
        cells.wrong(row.where, "quantity", wrong, f"write a multiple of {spec.lot}")
    if known.as_of is not None and datetime.combine(contract.expiry, known.expiry_close, IST) <= known.as_of:
        cells.wrong(
            row.where, "symbol", f"expired before {clock_of(known.as_of)}", "leave the row out, or correct as_of"
        )


def _check_twice(cells: Cells, rows: Sequence[BookRow], product: Product) -> None:
    first: dict[tuple[object, ...], str] = {}
    for row in rows:
        held = (row.product or product) if row.quantity else None
        name = (row.entry, row.contract) if row.part is Part.COMING else (row.contract, held)
        where = first.setdefault((row.part is Part.COMING, *name), row.where)
        if where != row.where:
            fix = "write one row with the sum, or correct the symbol"
            cells.wrong(row.where, "", f"the same contract as {where}", fix)
    offered = {row.contract: row.where for row in rows if not row.quantity and row.part is not Part.COMING}
    for row in rows:
        if row.part is Part.ROWS and row.quantity and row.contract in offered:
            fix = "keep the row with the quantity: what is held long could be bought as well"
            cells.wrong(row.where, "", f"the same contract as the candidate {offered[row.contract]}", fix)
