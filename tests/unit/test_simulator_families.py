"""Families of days: each moves as its name says, options answer to it, and stops fall together when a day has a direction."""

import re
from collections import Counter
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from hedging.domain.instruments import Index, Right, Side
from hedging.simulator.families import WEIGHTS, Family, family_of
from hedging.simulator.market import Market
from hedging.simulator.orders import Origin
from tests.unit.simulator_days import STORY_SEED, TUESDAY, entries, exchange, tuesday

CLOSE = 22_500


@cache
def seeds_of(family, count=8):
    return [seed for seed in range(400) if family_of(seed=seed, day=TUESDAY) is family][:count]


@cache
def path(seed):
    return Market(day=tuesday(), seed=seed).paths[Index.NIFTY]


def paths_of(family):
    return [path(seed) for seed in seeds_of(family)]


def realized_pct(path, step=300):
    """Volatility of the day from five-minute returns, in percent."""
    return float(np.sqrt((np.diff(np.log(path.fair[:CLOSE:step])) ** 2).sum())) * 100


def net_pct(path):
    return float(path.fair[CLOSE - 1] / path.fair[0] - 1) * 100


def test_seeds_give_the_families_about_as_often_as_their_weights_say():
    drawn = Counter(family_of(seed=seed, day=TUESDAY) for seed in range(2_000))
    for family, weight in WEIGHTS.items():
        assert drawn[family] == pytest.approx(20 * weight, abs=45)


def test_the_documentation_shows_every_family_with_its_weight():
    docs = Path(__file__).parents[2] / "docs"
    text = (docs / "simulator.md").read_text(encoding="utf-8")
    for family, weight in WEIGHTS.items():
        picture = f"pictures/day-{family.value.replace(' ', '-')}.svg"
        assert f"| {family.value} | {weight} |" in text
        assert f"({picture})" in text
        assert (docs / picture).read_text(encoding="utf-8").startswith("<svg")


def test_the_same_seed_gives_other_families_to_other_dates():
    assert len({family_of(seed=7, day=TUESDAY + timedelta(days=n)) for n in range(60)}) >= 5


def test_the_first_day_of_a_newcomer_is_calm():
    assert family_of(seed=STORY_SEED, day=TUESDAY) is Family.CALM
    assert exchange(seed=STORY_SEED).report()["family"] == "calm"


@pytest.mark.parametrize(
    ("family", "least", "most"),
    [
        (Family.CALM, 0.45, 0.75),
        (Family.TREND_UP, 0.8, 1.5),
        (Family.TREND_DOWN, 0.85, 1.6),
        (Family.WHIPSAW, 0.8, 1.6),
        (Family.SPIKE_AND_FADE, 0.7, 1.7),
        (Family.CRASH, 1.8, 4.6),
    ],
)
def test_a_family_is_as_lively_as_its_name(family, least, most):
    realized = [realized_pct(p) for p in paths_of(family)]
    assert least < min(realized) <= max(realized) < most


def test_a_trend_ends_where_it_points():
    assert all(net_pct(p) > 0.5 for p in paths_of(Family.TREND_UP))
    assert all(net_pct(p) < -0.5 for p in paths_of(Family.TREND_DOWN))


def test_a_whipsaw_goes_far_and_ends_near_its_beginning():
    for p in paths_of(Family.WHIPSAW):
        assert abs(net_pct(p)) < 0.5
        assert np.ptp(p.fair) / p.fair[0] > 0.01


def test_a_crash_falls_by_percents_and_options_imply_twice_as_much():
    for p in paths_of(Family.CRASH):
        assert p.fair.min() / p.fair[0] - 1 < -0.02
        assert (p.implied / p.usual).max() > 2


def test_a_spike_is_gone_by_the_close_and_so_is_its_fear():
    for p in paths_of(Family.SPIKE_AND_FADE):
        away = np.abs(p.fair / p.fair[0] - 1) * 100
        assert away.max() > 0.8
        assert away[CLOSE - 1] < 0.75 * away.max()
        assert p.implied[CLOSE - 1] < p.implied.max()


def test_implied_volatility_follows_the_path_and_never_runs_ahead_of_it():
    for seed in seeds_of(Family.CRASH):
        p = path(seed)
        low = int(p.fair[:CLOSE].argmin())
        # Before a tenth of the fall has happened, options imply hardly more than they usually do.
        begun = int(np.argmax(p.fair < p.fair[0] + 0.1 * (p.fair[low] - p.fair[0])))
        assert np.median(p.implied[: begun + 1] / p.usual) < 1.45
        assert p.implied[low] > 1.6 * p.usual


def test_later_days_answer_less_than_today():
    p = path(seeds_of(Family.CRASH)[0])
    assert (p.later[p.implied > p.usual] < p.implied[p.implied > p.usual]).all()


def test_some_days_open_far_from_the_previous_close_and_most_do_not():
    gaps = np.abs([path(seed).gap_pct for seed in range(120)])
    assert 0.05 < (gaps > 0.7).mean() < 0.3
    assert np.median(gaps) < 0.35
    report = exchange(seed=3).report()
    assert report["gap_pct"]["NIFTY"] == pytest.approx(path(3).gap_pct, abs=0.006)


def stops_of(seed):
    """Second and right of every stop of an unhedged expiry Tuesday on which every entry gets in."""
    market = exchange(day=tuesday(entries=entries()), seed=seed, cash=5_000_000)
    market.advance_to(market.day.end_at)
    left = {market.day.moment(plan.exit_time) for plan in entries() if plan.exit_time}
    return sorted(
        {
            (trade.at_us // 1_000_000, trade.ticket.contract.right, trade.order_id)
            for trade in market.trades
            if trade.origin is Origin.STRATEGIST
            and trade.ticket.side is Side.BUY
            and not any(
                timedelta(0) <= market.moment(trade.at_us) - exit_at < timedelta(seconds=60) for exit_at in left
            )
        }
    )


@pytest.mark.parametrize(("family", "right"), [(Family.TREND_UP, Right.CE), (Family.TREND_DOWN, Right.PE)])
def test_stops_of_the_side_that_a_trend_runs_over_cascade(family, right):
    hit, other, together = 0, 0, []
    for seed in seeds_of(family):
        stops = stops_of(seed)
        times = [second for second, side, _ in stops if side is right]
        hit, other = hit + len(times), other + len(stops) - len(times)
        together.append(max(sum(first <= second < first + 1_200 for second in times) for first in times))
    # Three and more within twenty minutes, on most of these days.
    assert sum(most >= 3 for most in together) >= 6
    assert hit > 1.2 * other


def test_nothing_of_the_product_reads_which_family_a_day_is_of():
    root = Path(__file__).parents[2]
    rooms = ("config", "hedging", "notifications", "schedule", "sessions_app")
    sources = [path for room in rooms for path in (root / room).rglob("*.py") if "simulator" not in path.parts]
    assert len(sources) > 100
    reads = re.compile(r"market\.family|['\"]family['\"]|simulator\.families")
    assert [path.name for path in sources if reads.search(path.read_text(encoding="utf-8"))] == []
