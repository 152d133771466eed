"""The ELM of each contract (`F_AEL_OPT_CONTRACTS_DDMMYYYY.CSV`): read by column names, or by position without them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from hedging.domain.instruments import Index, Right
from schedule.margin_files.refusal import MarginFileRefused

BARE_COLUMNS = ("instrument", "symbol", "expiry", "strike", "option", "level", "elm")
"""The columns of a file without a header, which is how the clearing corporation writes it; the last is the rate."""
LEAST_PCT, MOST_PCT = Decimal("0.5"), Decimal(50)
MOST_ROWS = 2_000_000
_INDEX_OPTIONS = {"OPTIDX", "IDO"}
_INSTRUMENTS = _INDEX_OPTIONS | {"FUTIDX", "OPTSTK", "FUTSTK", "IDF", "STO", "STF"}
_RIGHTS = {"CE": Right.CE, "PE": Right.PE}
_DATES = ("%d-%b-%Y", "%d%b%Y", "%Y-%m-%d", "%Y%m%d", "%d-%m-%Y", "%d/%m/%Y")
_NAMED_DAY = re.compile(r"_([0-9]{8})(?=[._]|$)")
_LONGEST_LINE = 1_000


@dataclass(frozen=True, slots=True)
class ElmRate:
    """What one short unit of a contract is charged, in per cent of its notional."""

    expiry: date
    strike: Decimal
    right: Right
    pct: Decimal


def day_in_name(name: str) -> date | None:
    """Return the date that a file's name ends with (DDMMYYYY), if it does."""
    found = _NAMED_DAY.search(name)
    try:
        return None if found is None else datetime.strptime(found[1], "%d%m%Y").date()  # noqa: DTZ007 - a date
    except ValueError:
        return None


def parse_elm(chunks: Iterable[bytes]) -> dict[Index, list[ElmRate]]:
    """Read the rates of the index options that we trade; other contracts are passed over.

    Raises `MarginFileRefused` with line and reason, also when none of ours is in it.
    """
    reader = csv.reader(_lines(chunks), strict=True)
    columns: dict[str, int] | None = None
    width = 0
    rates: dict[Index, list[ElmRate]] = {}
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            line = reader.line_num
            if line > MOST_ROWS:
                raise MarginFileRefused(f"it has more than {MOST_ROWS:,} lines: not an ELM file", line=line)
            if columns is None:
                columns, width = _columns(cells, line=line), len(cells)
                if cells[0].strip().upper() not in _INSTRUMENTS:
                    continue
            if len(cells) != width:
                raise MarginFileRefused(
                    f"{len(cells)} cells, the lines before have {width}: it is cut off or not an ELM file", line=line
                )
            found = _rate({name: cells[place].strip() for name, place in columns.items()}, line=line)
            if found is not None:
                rates.setdefault(found[0], []).append(found[1])
    except csv.Error as error:
        raise MarginFileRefused(f"not CSV ({error}): get the file again", line=reader.line_num) from None
    if not rates:
        raise MarginFileRefused(f"it holds no option of {', '.join(Index)}: not an ELM file of index options")
    for index, found_rates in rates.items():
        if {rate.right for rate in found_rates} != set(Right):
            raise MarginFileRefused(f"it holds calls or puts of {index}, not both: it is cut off, get it again")
    return rates


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    first = True
    for chunk in chunks:
        data = rest + (chunk.removeprefix(b"\xef\xbb\xbf") if first else chunk)
        first = False
        *whole, rest = data.split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise MarginFileRefused(f"a line has more than {_LONGEST_LINE:,} characters: not an ELM file")
        yield from (line.decode("latin-1") for line in whole)
    if rest:
        yield rest.decode("latin-1")


def _columns(cells: list[str], *, line: int) -> dict[str, int]:
    if cells[0].strip().upper() in _INSTRUMENTS:
        if len(cells) != len(BARE_COLUMNS):
            raise MarginFileRefused(
                f"{len(cells)} cells and no header: expected {', '.join(BARE_COLUMNS)}, or a header", line=line
            )
        return {name: place for place, name in enumerate(BARE_COLUMNS) if name != "level"}
    places: dict[str, int] = {}
    for place, cell in enumerate(cells):
        name = _known(cell.strip().lower())
        # Of several ELM columns (normal, additional, total) the total is the one that is charged.
        if name == "elm" and "elm" in places and "total" not in cell.lower():
            continue
        if name is not None:
            places[name] = place
    missing = [name for name in BARE_COLUMNS if name != "level" and name not in places]
    if missing:
        raise MarginFileRefused(f"no column for {', '.join(missing)}: not an ELM file by contract", line=line)
    return places


def _known(title: str) -> str | None:
    for name, words in (
        ("elm", ("elm", "extreme loss")),
        ("option", ("option", "opt type", "opttp", "optntp")),
        ("strike", ("strike", "strkpric")),
        ("expiry", ("expiry", "expiration", "xprydt")),
        ("symbol", ("symbol", "tckrsymb", "underlying")),
        ("instrument", ("instrument", "instrmtp")),
    ):
        if any(word in title for word in words):
            return name
    return None


def _rate(cell: dict[str, str], *, line: int) -> tuple[Index, ElmRate] | None:
    if cell["instrument"].upper() not in _INDEX_OPTIONS or cell["option"].upper() not in _RIGHTS:
        return None
    try:
        index = Index(cell["symbol"].upper())
    except ValueError:
        return None
    pct = _number(cell["elm"].removesuffix("%"), "an ELM in per cent", line=line)
    if not LEAST_PCT <= pct <= MOST_PCT:
        raise MarginFileRefused(f"an ELM of {pct} %, outside {LEAST_PCT} to {MOST_PCT}", line=line)
    strike = _number(cell["strike"], "a strike", line=line)
    if strike <= 0:
        raise MarginFileRefused(f"{cell['strike'][:40]!r} is not a strike", line=line)
    return index, ElmRate(_day(cell["expiry"], line=line), strike, _RIGHTS[cell["option"].upper()], pct)


def _number(text: str, what: str, *, line: int) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise MarginFileRefused(f"{text[:40]!r} is not {what}", line=line)
    return value


def _day(text: str, *, line: int) -> date:
    for pattern in _DATES:
        try:
            return datetime.strptime(text, pattern).date()  # noqa: DTZ007 - a date, no moment
        except ValueError:
            continue
    raise MarginFileRefused(f"{text[:40]!r} is not an expiry like 01-DEC-2026", line=line)
