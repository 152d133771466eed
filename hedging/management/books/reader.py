"""Reader: a book file, from bytes to a `Book`, or every problem that it has."""

from __future__ import annotations

from collections.abc import Mapping

from hedging.domain.entries import ComingEntry, EntryLeg
from hedging.domain.instruments import Product, Right, Side
from hedging.domain.margin import MarginLine
from hedging.domain.optimizer_types import Candidate, HeldWing
from hedging.management.books.book import Book, Hedged, PriceFrom
from hedging.management.books.cells import BookRefused, Cells, shown
from hedging.management.books.facts import Facts, read_facts
from hedging.management.books.quotes import Priced, Prices
from hedging.management.books.rows import BookRow, Rows, check_rows, clock_of, read_rows
from hedging.management.books.source import Part, parse_source, put_setting


def read_book(data: bytes, *, flags: Mapping[str, str] | None = None, for_hedging: bool = False) -> Book:
    """Read a book file; `flags` are settings by their dotted name, as text, that come before the file's own.

    `for_hedging` asks for all that the optimizer needs. Raises `BookRefused` with every problem, each with row and fix.
    """
    cells = Cells()
    source = parse_source(cells, data)
    _lay_over(cells, source.settings, flags or {})
    rows = read_rows(cells, source.rows)
    indices = {row.contract.index for row in rows.known}
    known, facts = read_facts(cells, source.settings, indices, for_hedging=for_hedging)
    check_rows(cells, rows, known)
    # Whatever can be told without the settings has been told: what follows needs every one of them.
    book = None if facts is None or cells.problems else _Assembly(cells, facts, rows).book(for_hedging=for_hedging)
    if book is None or cells.problems:
        places = {row.where: number for number, row in enumerate(source.rows)}
        raise BookRefused(sorted(cells.problems, key=lambda problem: places.get(problem.where, -1)))
    return book


def _lay_over(cells: Cells, settings: dict[str, object], flags: Mapping[str, str]) -> None:
    for path, text in flags.items():
        *groups, name = path.split(".")
        place: dict[str, object] = settings
        for group in groups:
            inner = place.get(group)
            place[group] = inner = inner if isinstance(inner, dict) else {}
            place = inner
        place.pop(name, None)
        put_setting(cells, settings, where="", path=path, value=text)


class _Assembly:
    """Puts rows and facts together, and notes what does not go together."""

    def __init__(self, cells: Cells, facts: Facts, rows: Rows) -> None:
        self._cells = cells
        self._facts = facts
        self._rows = rows.known
        self._prices = Prices(said=rows.prices, market=facts.market, parameters=facts.parameters, specs=facts.specs)

    def book(self, *, for_hedging: bool) -> Book | None:
        cells, facts = self._cells, self._facts
        held = [row for row in self._rows if row.part is Part.ROWS and row.quantity]
        lines = [self._line(row) for row in held]
        coming = self._coming()
        hedged = self._hedged() if for_hedging and not cells.problems else None
        offered = [self._candidate(row, hedged) for row in self._rows if row.part is not Part.COMING]
        candidates = {candidate.contract: candidate for candidate in offered if candidate is not None}
        wings = [self._wing(row) for row in held if row.ours and hedged in {None, self._group(row)}]
        if cells.problems:
            return None
        priced = {row.contract: self._prices.of(cells, row.contract) for row in self._rows}
        return Book(
            as_of=facts.as_of,
            market=facts.market,
            parameters=facts.parameters,
            policy=facts.policy,
            profile=facts.profile,
            specs=facts.specs,
            rates=facts.rates,
            lines=tuple(line for line in lines if line is not None),
            prices_from={contract: price.mark_from if price else PriceFrom.ASK for contract, price in priced.items()},
            coming=coming,
            candidates=tuple(candidates.values()),
            wings=tuple(wing for wing in wings if wing is not None),
            hedged=hedged,
            budget=facts.budget,
            used_now=facts.used_now,
            free_margin=facts.free_margin,
            cash=facts.cash,
            spent=facts.spent,
            buffer=facts.buffer,
        )

    def _product(self, row: BookRow) -> Product:
        return row.product or self._facts.product

    def _group(self, row: BookRow) -> Hedged:
        return Hedged(row.contract.index, row.contract.expiry, self._product(row))

    def _priced(self, row: BookRow) -> Priced | None:
        return self._prices.of(self._cells, row.contract)

    def _line(self, row: BookRow) -> MarginLine | None:
        priced = self._priced(row)
        return None if priced is None else MarginLine(row.contract, row.quantity, priced.mark, self._product(row))

    # --- what is coming -----------------------------------------------------------------------------------------------

    def _coming(self) -> tuple[ComingEntry, ...]:
        groups: dict[str, list[BookRow]] = {}
        for row in self._rows:
            if row.part is Part.COMING:
                groups.setdefault(row.entry, []).append(row)
        entries = [self._entry(name, rows) for name, rows in groups.items()]
        return tuple(entry for entry in entries if entry is not None)

    def _entry(self, name: str, rows: list[BookRow]) -> ComingEntry | None:
        first, as_of = rows[0], self._facts.as_of
        at = next((row.at for row in rows if row.at is not None), as_of)
        legs = []
        for row in rows:
            same = (row.contract.index, row.contract.expiry, self._product(row), row.at or at)
            if same != (first.contract.index, first.contract.expiry, self._product(first), at):
                fix = "give the legs of an entry one index, expiry, product and time, or name another entry"
                self._cells.wrong(row.where, "", f"does not go with {first.where} in {shown(name)}", fix)
            priced = self._priced(row)
            if priced is not None:
                side = Side.BUY if row.quantity > 0 else Side.SELL
                legs.append(EntryLeg(row.contract, side, abs(row.quantity), priced.mark))
        if at < as_of:
            self._cells.wrong(
                first.where, "at", f"{clock_of(at)} is before as_of", "an entry that is over belongs to the rows"
            )
        if len(legs) < len(rows):
            return None
        contract = first.contract
        return ComingEntry(name, contract.index, contract.expiry, self._product(first), at, tuple(legs))

    # --- what could be traded -----------------------------------------------------------------------------------------

    def _hedged(self) -> Hedged | None:
        """Return the one group of shorts that the file holds, or that it names; without any short, that of the first row."""
        choice = self._facts.hedge
        shorts = list(dict.fromkeys(self._group(row) for row in self._rows if row.quantity < 0))
        groups = [
            group
            for group in shorts
            if choice.index in {None, group.index}
            and choice.expiry in {None, group.expiry}
            and choice.product in {None, group.product}
        ]
        if len(groups) == 1:
            return groups[0]
        names = " | ".join(f"{group.index} {group.expiry} {group.product}" for group in shorts)
        if groups:
            self._cells.wrong("", "hedge", f"shorts of {names}", "name one: hedge.index, hedge.expiry, hedge.product")
        elif shorts:
            self._cells.wrong("", "hedge", "there is no such short", f"the shorts are {names}")
        else:
            return self._group(self._rows[0])
        return None

    def _candidate(self, row: BookRow, hedged: Hedged | None) -> Candidate | None:
        if row.quantity < 0:
            return None
        if hedged is not None and not row.quantity and row.product not in {None, hedged.product}:
            fix = "leave it empty: a wing is bought in the product of the shorts"
            self._cells.wrong(row.where, "product", f"is {row.product}, what is hedged is {hedged.product}", fix)
        priced = self._priced(row)
        if priced is None:
            return None
        if priced.ask is None:
            if not row.quantity:
                self._cells.wrong(
                    row.where, "ask", "is missing", "give the ask or the iv, or leave the row out: nobody offers it"
                )
            return None
        spot, strike = self._facts.market.spots[row.contract.index], row.contract.strike
        if strike <= spot if row.contract.right is Right.CE else strike >= spot:
            return None  # no wing is in the money
        lot = self._facts.specs[row.contract.index].lot
        depth = None if priced.ask_quantity is None else priced.ask_quantity // lot
        return Candidate(row.contract, priced.ask, priced.bid, depth)

    def _wing(self, row: BookRow) -> HeldWing | None:
        priced = self._priced(row)
        if priced is None:
            return None
        if priced.bid is None:
            self._cells.wrong(
                row.where, "bid", "is missing", "give the bid or the iv of what is ours, or leave `ours` out"
            )
            return None
        lot = self._facts.specs[row.contract.index].lot
        depth = None if priced.bid_quantity is None else priced.bid_quantity // lot
        return HeldWing(row.contract, row.quantity // lot, priced.bid, depth)
