"""The rows of an option chain as JSON text: a form, made once for each expiry, into which labels and figures are put.

A chain is asked for in every cycle and has thousands of figures; building plain values and encoding them takes three times as
long as all the pricing. Here both are done in tables: the form is a list of pieces of text, and every column of figures is
put into its places in one step.
"""

from __future__ import annotations

import json
import re
from datetime import date
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hedging.brokers.openalgo.symbols import format_expiry
from hedging.domain.instruments import ContractSpec, Right
from hedging.simulator.chance import Ints
from hedging.simulator.json_text import JsonText
from hedging.simulator.market import RIGHTS
from hedging.simulator.ranges import DayRange

Texts = NDArray[np.object_]

_PLACE = "@"
_NUMBER, _PRICE = (
    "#",
    "##",
)  # values that stand without quotes; a price has two places: whole rupees, and what follows them
_WHOLE_RUPEES = 20_000


class ChainForm:
    """The form of one expiry. Open and previous close are part of it, so there is one for before the open and one for after it."""

    def __init__(self, *, spec: ContractSpec, expiry: date, strikes: list[int], span: DayRange) -> None:
        self._paise, self._rupee = spec.tick.as_integer_ratio()  # a tick is so many coins, of which so many are a rupee
        self._lot = spec.lot
        self._labels = _labels(len(strikes))
        tick = float(spec.tick)
        head = f"{spec.index.value}{format_expiry(expiry)}"

        def leg(column: int, right: Right) -> dict[str, Any]:
            opened, _, _, before = span.of(right, column)
            return {
                "symbol": f"{head}{strikes[column]}{right.value}",
                "label": _PLACE,
                "ltp": _PRICE,
                "bid": _PRICE,
                "ask": _PRICE,
                "bid_qty": 0,
                "ask_qty": 0,
                "open": round(opened * tick, 2),
                "high": _PRICE,
                "low": _PRICE,
                "prev_close": round(before * tick, 2),
                "volume": _NUMBER,
                "oi": _NUMBER,
                "lotsize": spec.lot,
                "tick_size": tick,
            }

        rows = [
            _pieces({"strike": float(strike), "ce": leg(n, Right.CE), "pe": leg(n, Right.PE)})
            for n, strike in enumerate(strikes)
        ]
        self._width = len(rows[0])
        self._places = [n for n, piece in enumerate(rows[0]) if piece == _PLACE]
        self._pieces = [piece for row in rows for piece in row]

    def filled(
        self, *, first: int, last: int, money: int, prices: Ints, trading: bool, traded: Ints, held: Ints
    ) -> JsonText:
        """Return the rows of the strikes from column `first` up to `last` (not included) as a JSON array.

        `money` is the column at the money. `prices` are last, bid, ask, high and low in ticks: 5 × `RIGHTS` × columns of the window;
        without `trading` there are no bids and asks. `traded` and `held` are lots, of calls and puts alike.
        """
        whole, part = np.divmod(prices * self._paise, self._rupee)
        rupees, coins = _taken(_rupees(), whole), _coins(self._rupee)[part]
        if not trading:
            rupees[1:3], coins[1:3] = "0", ""
        volumes, interest = (list(map(str, (lots * self._lot).tolist())) for lots in (traded, held))
        middle = len(self._labels) // 2
        labels = (
            self._labels[middle + first - money : middle + last - money],
            self._labels[middle - first + money : middle - last + money : -1],
        )
        columns: list[Any] = []
        for side in range(len(RIGHTS)):
            columns.append(labels[side])
            for figure in range(len(prices)):
                columns += (rupees[figure, side].tolist(), coins[figure, side].tolist())
            columns += (volumes, interest)
        pieces = self._pieces[first * self._width : last * self._width]
        for place, column in zip(self._places, columns, strict=True):
            pieces[place :: self._width] = column
        return JsonText(f"[{''.join(pieces)[:-2]}]")


def _pieces(row: dict[str, Any]) -> list[str]:
    """Return a row's text, cut at the places that are filled in later; each of those is a piece of its own."""
    text = json.dumps(row).replace(f'"{_PRICE}"', _PLACE * 2).replace(f'"{_NUMBER}"', _PLACE) + ", "
    return [piece for piece in re.split(f"({_PLACE})", text) if piece]


def _taken(texts: Texts, numbers: Ints) -> Texts:
    """Return the texts of whole rupees; those beyond the table are rare enough to be written one by one."""
    if numbers.size and int(numbers.max()) >= len(texts):
        return np.array([str(n) for n in numbers.ravel().tolist()], dtype=object).reshape(numbers.shape)
    return np.asarray(texts[numbers])


@cache
def _rupees() -> Texts:
    return np.array([str(n) for n in range(_WHOLE_RUPEES)], dtype=object)


@lru_cache(maxsize=8)
def _coins(rupee: int) -> Texts:
    """Return what Python writes after whole rupees for each number of coins: 24.0, 24.05, 24.1 come from .0, .05, .1."""
    return np.array([repr(n / rupee)[1:] for n in range(rupee)], dtype=object)


@lru_cache(maxsize=8)
def _labels(reach: int) -> tuple[str, ...]:
    """Return the labels of a call at strikes from `reach` below the money to `reach` above it; those of a put run the other way."""
    return (*(f"ITM{n}" for n in range(reach, 0, -1)), "ATM", *(f"OTM{n}" for n in range(1, reach + 1)))
