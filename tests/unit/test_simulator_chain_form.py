"""The chain is written as text without detours; what it says is what plain values would have said."""

import json
from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from hedging.domain.instruments import ContractSpec, Index, Right
from hedging.simulator.chain_form import ChainForm
from hedging.simulator.json_text import JsonText, decoded, encoded
from hedging.simulator.ranges import DayRange

STRIKES = [23_900, 23_950, 24_000, 24_050, 24_100]
EXPIRY = date(2026, 12, 1)
# Whole rupees, one and two decimals, nothing, and more than twenty thousand rupees.
LAST = np.array([[20, 21, 22, 0, 400_003], [2_001, 39, 38, 1, 3]])


def form(tick="0.05"):
    spec = ContractSpec(Index.NIFTY, 65, Decimal(50), Decimal(tick), 1800, 1, Decimal(200), Decimal(1000))
    return ChainForm(spec=spec, expiry=EXPIRY, strikes=STRIKES, span=DayRange(LAST + 3, LAST + 9, LAST, LAST + 2))


def filled(made, first, last, *, money=2, trading=True):
    prices = np.stack([LAST, LAST - 1, LAST + 1, LAST + 9, LAST - 2]).clip(0)[:, :, first:last]
    lots = np.array([7, 8, 9, 10, 11])[first:last]
    return json.loads(
        made.filled(first=first, last=last, money=money, prices=prices, trading=trading, traded=lots // 2, held=lots)
    )


@pytest.mark.parametrize("tick", ["0.05", "0.10", "0.25", "1"])
@pytest.mark.parametrize(("first", "last"), [(0, 5), (1, 4), (4, 5)])
def test_every_figure_stands_at_its_place(tick, first, last):
    rows = filled(form(tick), first, last)
    assert [row["strike"] for row in rows] == STRIKES[first:last]
    for column, row in enumerate(rows, start=first):
        for side, right in enumerate(Right):
            leg, price = row[right.value.lower()], int(LAST[side, column])
            ticks = (price, max(price - 1, 0), price + 1, price + 3, price + 9, max(price - 2, 0), price + 2)
            names = ("ltp", "bid", "ask", "open", "high", "low", "prev_close")
            assert [leg[name] for name in names] == [round(n * float(tick), 2) for n in ticks]
            assert all(isinstance(leg[name], float) for name in names)
            assert leg["symbol"] == f"NIFTY01DEC26{STRIKES[column]}{right.value}"
            assert (leg["volume"], leg["oi"]) == ((7 + column) // 2 * 65, (7 + column) * 65)


@pytest.mark.parametrize(
    ("money", "calls", "puts"),
    [
        (2, ["ITM2", "ITM1", "ATM", "OTM1", "OTM2"], ["OTM2", "OTM1", "ATM", "ITM1", "ITM2"]),
        (0, ["ATM", "OTM1", "OTM2", "OTM3", "OTM4"], ["ATM", "ITM1", "ITM2", "ITM3", "ITM4"]),
        (4, ["ITM4", "ITM3", "ITM2", "ITM1", "ATM"], ["OTM4", "OTM3", "OTM2", "OTM1", "ATM"]),
    ],
)
def test_labels_count_from_the_money_wherever_it_lies(money, calls, puts):
    rows = filled(form(), 0, 5, money=money)
    assert [row["ce"]["label"] for row in rows] == calls
    assert [row["pe"]["label"] for row in rows] == puts


def test_out_of_hours_nobody_bids_or_asks_and_the_rest_stays():
    closed, opened = filled(form(), 0, 5, trading=False), filled(form(), 0, 5)
    for was, now in zip(opened, closed, strict=True):
        for side in ("ce", "pe"):
            assert (now[side]["bid"], now[side]["ask"]) == (0, 0)
            assert {**was[side], "bid": 0, "ask": 0} == now[side]


def test_written_parts_are_part_of_the_answer_s_json():
    answer = {"status": "success", "chain": JsonText('[{"strike": 24000.0}]'), "name": "₹", "forward": None}
    plain = {"status": "success", "chain": [{"strike": 24000.0}], "name": "₹", "forward": None}
    assert json.loads(encoded(answer)) == decoded(answer) == plain
    assert encoded(plain) == encoded(answer)
