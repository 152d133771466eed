"""OpenAlgo's option symbols and expiry spellings, to and from `Contract`.

Source: contract.md §6. `NIFTY01DEC2626000CE` is name + DDMMMYY + strike + right. Upper case only: OpenAlgo's look-ups
are case-sensitive, so a lower-case symbol is an error here and not a guess.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache

from hedging.domain.instruments import Contract, Index, Right

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_OPTION = re.compile(r"^([A-Z]+?)(\d{2})([A-Z]{3})(\d{2})(\d{1,40}(?:\.\d{1,9})?)(CE|PE)$")
_EXPIRY = re.compile(r"^(\d{2})-?([A-Z]{3})-?(\d{2})$")


class UnknownSymbol(ValueError):
    """The text is not an option symbol of an index that we know."""


def format_expiry(expiry: date) -> str:
    """Return the DDMMMYY form that chains and symbols want: `01DEC26`."""
    return f"{expiry.day:02d}{_MONTHS[expiry.month - 1]}{expiry.year % 100:02d}"


def parse_expiry(text: str) -> date:
    """Parse `01DEC26` or `01-DEC-26`; raise `UnknownSymbol` for anything else."""
    match = _EXPIRY.match(text)
    if match is None or match[2] not in _MONTHS:
        raise UnknownSymbol(f"not an OpenAlgo expiry: {text!r} (want 01DEC26 or 01-DEC-26)")
    try:
        return date(2000 + int(match[3]), _MONTHS.index(match[2]) + 1, int(match[1]))
    except ValueError as error:
        raise UnknownSymbol(f"not a date: {text!r}") from error


def format_symbol(contract: Contract) -> str:
    """Return OpenAlgo's symbol of an option, the strike without trailing zeros."""
    strike = format(contract.strike.normalize(), "f")
    return f"{contract.index}{format_expiry(contract.expiry)}{strike}{contract.right}"


@lru_cache(maxsize=8192)
def parse_symbol(text: str) -> Contract:
    """Parse an option symbol; raise `UnknownSymbol` for a future, an equity or an index that we do not trade."""
    match = _OPTION.match(text)
    if match is None or match[1] not in Index.__members__:
        raise UnknownSymbol(f"not an index option symbol: {text!r}")
    expiry = parse_expiry("".join(match.group(2, 3, 4)))
    return Contract(Index(match[1]), expiry, Decimal(match[5]), Right(match[6]))
