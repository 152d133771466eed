"""Each broker's margin call is recognised for what it is, and its rates are found, whatever the clearing corporation charges."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from random import Random

import pytest

from hedging.brokers.base import NotOffered
from hedging.domain.calibration import Scope, calibrate
from hedging.domain.funds_meaning import FundsReading, read_funds_change
from hedging.domain.instruments import Right, Side
from hedging.domain.learning import Jump, learn, nothing_known
from hedging.domain.margin import requirement
from hedging.simulator.margin import MarginParameters as Truth
from tests.contract.probing import BELIEVED, Probed

TRUTHS = {
    "as believed": Truth(),
    "wide scan, high ELM": Truth(price_scan=0.11, elm_rate=0.035, elm_deep_rate=0.05, elm_expiry_extra=0.02),
    "narrow scan, no extra": Truth(price_scan=0.085, elm_rate=0.02, elm_deep_rate=0.03, elm_expiry_extra=0.0),
}
WITH_A_CALL = ("zerodha", "dhan", "fyers", "upstox", "shoonya", "kotak", "flattrade")
EXPIRING, NEXT_WEEK = date(2026, 12, 1), date(2026, 12, 8)


def error_of(found) -> Decimal:
    assert found.error_pct is not None
    return Decimal(found.error_pct)


def found_at(place: Probed, **options):
    readings, market = place.readings()
    return calibrate(readings, market, BELIEVED, **options)


@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize(
    ("name", "expiry"),
    [*((name, EXPIRING) for name in WITH_A_CALL[:-1]), ("zerodha", NEXT_WEEK), ("upstox", NEXT_WEEK)],
)
def test_the_probes_find_the_rates_to_three_percent_on_books_with_and_without_wings(name, expiry, truth):
    place = Probed(name, TRUTHS[truth], expiry=expiry)
    found = found_at(place)
    assert error_of(found) < 1
    assert found.scan_pct == pytest.approx(TRUTHS[truth].price_scan * 100, abs=0.05)
    if expiry == EXPIRING:
        random = Random(f"{name} {truth}")
        books = [place.random_book(random, winged=bool(n % 2)) for n in range(12)]
        assert max(place.engine_error_pct(found, book) for book in books) < 3


@pytest.mark.parametrize("name", WITH_A_CALL)
def test_a_call_that_nets_is_told_from_one_that_adds_its_legs_up(name):
    found = found_at(Probed(name, TRUTHS["wide scan, high ELM"]))
    nets = name in {"zerodha", "dhan", "fyers"}
    assert found.nets is nets
    assert found.scope is (None if nets else Scope.NONE)  # with an empty book all calls that net are alike
    assert found.paid_in_answer
    assert found.credit_from_legs == (2 if name == "zerodha" else None)


@pytest.mark.parametrize("hedged", [False, True])
@pytest.mark.parametrize(
    ("name", "scope", "counts_from"),
    [
        ("zerodha", Scope.INCREMENT, 2),
        ("dhan", Scope.TOTAL, 2),
        ("fyers", Scope.TOTAL, 1),
        ("upstox", Scope.NONE, None),
        ("kotak", Scope.NONE, None),
        ("shoonya", Scope.NONE, 1),
        ("flattrade", Scope.NONE, 1),
    ],
)
def test_a_book_shows_what_the_call_counts(name, scope, counts_from, hedged):
    place = Probed(name, TRUTHS["wide scan, high ELM"])
    known = found_at(place)
    place.trade(Side.SELL, lots=4)
    if hedged:
        place.trade(Side.BUY, 10, lots=4)
    settled = found_at(place, book=place.book(), known=known)
    assert (settled.scope, settled.counts_book_from) == (scope, counts_from)
    assert settled.scan_pct == known.scan_pct


@pytest.mark.parametrize(
    ("name", "scope"), [("zerodha", Scope.INCREMENT), ("dhan", Scope.TOTAL), ("shoonya", Scope.NONE)]
)
def test_started_beside_a_book_the_probes_tell_rates_and_meaning_at_once(name, scope):
    place = Probed(name, TRUTHS["wide scan, high ELM"])
    place.trade(Side.SELL, lots=4)
    found = found_at(place, book=place.book())
    assert found.scope is scope
    assert found.scan_pct == pytest.approx(11, abs=0.1)


@pytest.mark.parametrize("name", [*WITH_A_CALL, "pocketful", "xts"])
def test_the_first_fills_show_what_cash_is_and_where_premium_is_counted(name):
    place = Probed(name, TRUTHS["as believed"])
    try:
        known = found_at(place)
    except NotOffered:
        known = nothing_known(BELIEVED)
    before = place.broker.funds()
    place.trade(Side.SELL, lots=4)
    after, (market, _) = place.broker.funds(), place.look()
    book = place.book()
    margin = requirement(lines=book, market=market, parameters=known.applied_to(BELIEVED)).total
    paid = sum((p.average_price * p.quantity for p in place.broker.positions()), Decimal(0))
    learned = read_funds_change(
        known,
        before=FundsReading(before.available_cash, before.utilised),
        after=FundsReading(after.available_cash, after.utilised),
        margin=margin,
        premium=paid,
    )
    assert learned.cash_is_net is (name not in {"zerodha", "fyers", "kotak"})
    # Without a measured error the engine could be wrong by as much as the premium: then nothing is concluded.
    assert learned.premium_in_used is (None if name in {"pocketful", "xts"} else True)


def jump_of(place: Probed, *trade, **options) -> Jump:
    market, _ = place.look()
    before, used = place.book(), place.broker.funds().utilised
    place.trade(*trade, **options)
    return Jump(place.exchange.now, market, before, place.book(), place.broker.funds().utilised - used)


@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("name", ["pocketful", "xts"])
def test_without_a_margin_call_three_entries_teach_naked_books_and_a_hedge_the_rest(name, truth):
    place = Probed(name, TRUTHS[truth])
    with pytest.raises(NotOffered):
        place.readings()
    jumps = [jump_of(place, Side.SELL, lots=2) for _ in range(3)]
    known = nothing_known(BELIEVED)
    assert known.error_pct is None
    assert learn(known, jumps[:2], BELIEVED).error_pct is None  # two are no experience

    entries = learn(known, jumps, BELIEVED)
    naked = [place.random_book(Random(n), winged=False) for n in range(1, 30)]
    balanced = [
        book for book in naked if sum(q for c, q in book.items() if c.right is Right.CE) * 2 == sum(book.values())
    ]
    assert max(place.engine_error_pct(entries, book) for book in balanced) < 3
    # Straddles tell scan range and exposure rates as one sum; what that leaves open on wings is owned up to.
    assert error_of(entries) > 3

    hedged = learn(known, [*jumps, jump_of(place, Side.BUY, 9, lots=4)], BELIEVED)
    assert error_of(hedged) < 3
    random = Random(truth)
    books = [place.random_book(random, winged=bool(n % 2)) for n in range(12)]
    assert max(place.engine_error_pct(hedged, book) for book in books) < 3


def test_one_jump_that_something_else_spoilt_hardly_moves_what_the_others_say():
    place = Probed("pocketful", TRUTHS["wide scan, high ELM"])
    jumps = [jump_of(place, Side.SELL, lots=2) for _ in range(4)] + [jump_of(place, Side.BUY, 9, lots=8)]
    spoilt = jumps[1]
    jumps[1] = Jump(spoilt.at, spoilt.market, spoilt.before, spoilt.after, spoilt.change * Decimal("1.4"))
    found = learn(nothing_known(BELIEVED), jumps, BELIEVED)
    assert found.scan_pct == pytest.approx(11, abs=0.3)
