"""The market: option prices, spreads and depth on top of the index paths. Stateless: every figure is seed and second.

Values come from `smile`, spreads and crowds from `liquidity`. Prices are kept in whole ticks. Times are grid seconds since the open; `PRE_OPEN` means before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np

from hedging.domain.instruments import Contract, ContractSpec, Index, Right
from hedging.simulator.chance import Ints, drawn, folded, hash01
from hedging.simulator.day import IST, SimulatedDay
from hedging.simulator.families import Floats, family_of
from hedging.simulator.liquidity import crowd_at_touch, half_spread, last_traded, touch, unease_of_the_clock
from hedging.simulator.paths import STRIKE_REACH, IndexPath, index_paths, variance_left
from hedging.simulator.smile import Standing, moneyness, option_values

RATE = 0.066
PRE_OPEN = -1
LEVELS = 5
_MINUTES_A_YEAR = 525_600.0
_OVERNIGHT = 0.22  # variance of a night, in days
_AUCTION_SECONDS = 900
RIGHTS = (Right.CE, Right.PE)
_ALL = tuple(Index)
# Relative width of spreads and thinness of the book; BSE's options are less liquid than NSE's.
_THINNESS: dict[Index, float] = {Index.NIFTY: 1.0, Index.BANKNIFTY: 1.6, Index.SENSEX: 2.2}


@dataclass(frozen=True, slots=True)
class Prices:
    """Theoretical value in rupees; last, bid and ask in ticks (0 = nobody there). Arrays of one shape."""

    value: Floats
    last: Ints
    bid: Ints
    ask: Ints

    def row(self, n: int) -> Prices:
        """Return one row of a table of prices."""
        return Prices(value=self.value[n], last=self.last[n], bid=self.bid[n], ask=self.ask[n])


@dataclass(frozen=True, slots=True)
class Slice:
    """The chain of one index and expiry at one second, one column for each listed strike.

    `both` has a row for each of `RIGHTS`; `prices` are the same rows by right.
    """

    strikes: Ints
    spot: float
    both: Prices
    prices: dict[Right, Prices]


class Market:
    """One seeded day of prices. Reads only; nothing that a client does moves it."""

    def __init__(self, *, day: SimulatedDay, seed: int) -> None:
        self.day = day
        self.seed = seed
        self.opens_at = day.moment(day.opens)
        self.closes_at = day.moment(day.closes)
        self.grid_seconds = int((self.closes_at - self.opens_at).total_seconds()) + 1
        session = int((day.moment(day.index_closes) - self.opens_at).total_seconds())
        # Where options outlive the index, its last quarter of an hour is a closing auction.
        auction = max(session - _AUCTION_SECONDS, 0) if day.closes > day.index_closes else session
        self.indices = tuple(day.specs)
        self.family = family_of(seed=seed, day=day.date)
        self.paths: dict[Index, IndexPath] = index_paths(
            seed=seed,
            day=day.date,
            family=self.family,
            indices=self.indices,
            auction_second=auction,
            session_seconds=session,
            grid_seconds=self.grid_seconds,
            previous_close=day.previous_close,
        )
        # The last minute keeps a little variance; once the index has settled, only enough that nothing divides by zero.
        self._left = np.maximum(variance_left(session, self.grid_seconds), 1.0 / (375.0 * 6.0))
        self._left[session:] = 1e-6
        self._unease = unease_of_the_clock(auction=auction, grid_seconds=self.grid_seconds)
        self._strikes = {index: self._listed(day.specs[index]) for index in self.indices}
        self._slices: dict[tuple[Index, date, int], Slice] = {}
        self._days: dict[Contract, Prices] = {}
        self._chains: dict[tuple[Index, date], tuple[Standing, Floats]] = {}

    def _listed(self, spec: ContractSpec) -> Ints:
        step = int(spec.strike_step)
        middle = round(self.paths[spec.index].previous_close / step) * step
        reach = STRIKE_REACH[spec.index]
        return np.arange(middle - reach, middle + reach + step, step, dtype=np.int64)

    # -- what exists ------------------------------------------------------------------------------------------------

    def second(self, now: datetime) -> int:
        """Return the grid second of a moment: `PRE_OPEN` before the open, the last second after the close."""
        elapsed = int((now - self.opens_at).total_seconds() // 1)
        return PRE_OPEN if elapsed < 0 else min(elapsed, self.grid_seconds - 1)

    def is_open(self, now: datetime) -> bool:
        """Return whether options trade at this moment."""
        return self.opens_at <= now < self.closes_at

    def strikes(self, index: Index) -> Ints:
        """Return the strikes listed today, ascending, in index points."""
        return self._strikes[index]

    def is_listed(self, contract: Contract) -> bool:
        """Return whether the contract can be traded today."""
        if contract.index not in self.day.specs or contract.expiry not in self.day.expiries.get(contract.index, ()):
            return False
        if contract.expiry < self.day.date or contract.strike % 1:
            return False
        strikes = self._strikes[contract.index]
        at = int(np.searchsorted(strikes, int(contract.strike)))
        return at < len(strikes) and int(strikes[at]) == int(contract.strike)

    def spot(self, index: Index, t: int) -> float:
        """Return the index level at a grid second."""
        path = self.paths[index]
        return path.previous_close if t == PRE_OPEN else float(path.spot[t])

    def years_left(self, expiry: date, seconds: Floats | int) -> Floats:
        """Return calendar years from a grid second to 15:30 of the expiry day; never negative."""
        expires = datetime.combine(expiry, self.day.index_closes, IST)
        minutes = (expires - self.opens_at).total_seconds() / 60.0 - np.asarray(seconds, dtype=np.float64) / 60.0
        return np.maximum(minutes, 0.0) / _MINUTES_A_YEAR

    # -- pricing ----------------------------------------------------------------------------------------------------

    def _standings(self, index: Index, expiry: date) -> tuple[Standing, Floats]:
        """Return what an expiry's options are priced from, and how thin their books are, as arrays of the day.

        The first figure of each is for before the open, the others for every second.
        """
        found = self._chains.get((index, expiry))
        if found is None:
            found = self._chains[(index, expiry)] = self._drawn_up(index, expiry)
        return found

    def _drawn_up(self, index: Index, expiry: date) -> tuple[Standing, Floats]:
        path, days = self.paths[index], self.day.trading_days_until(expiry)
        clock = np.maximum(np.arange(PRE_OPEN, self.grid_seconds), 0)
        pre = np.zeros(len(clock))
        pre[0] = 1.0  # the night before counts too
        spot, implied, later = path.fair[clock], path.implied[clock], path.later[clock]
        spot[0], implied[0], later[0] = path.previous_close, path.usual, path.usual
        stress = implied / path.usual
        standing = Standing(
            spot=spot,
            variance=implied**2 * self._left[clock] + later**2 * (days + _OVERNIGHT * (days + pre)),
            discount=np.exp(-RATE * self.years_left(expiry, clock)),
            stress=stress,
            spent=1.0 - self._left[clock] if days == 0 else np.zeros(len(clock)),
        )
        nearest = expiry == self.day.expiries[index][0]
        thin = _THINNESS[index] * (1.0 if nearest else 1.5) * (self._unease[clock] * stress**0.8)
        return standing, thin

    def _price(self, index: Index, expiry: date, rights: tuple[Right, ...], strikes: Ints, t: Ints) -> Prices:
        """Price strikes against seconds, whichever of the two is the long one (they broadcast); a row for each right."""
        standings, books = self._standings(index, expiry)
        values = option_values(standings.at(t + 1), strikes)
        value = np.stack([values.calls if right is Right.CE else values.puts for right in rights])
        tick = float(self.day.specs[index].tick)
        thin, beat = books[t + 1], t // 3
        # Spreads differ from strike to strike by chance. Last prices lean all one way, or they would contradict each other.
        begun = [folded(self.seed, int(expiry.toordinal()) * 8 + RIGHTS.index(right), 1) for right in rights]
        width = drawn(np.array(begun, dtype=np.uint64)[:, None], strikes, beat)
        lean = hash01(self.seed, int(expiry.toordinal()) * 8 + _ALL.index(index), 2, beat)
        half = half_spread(value=value, distance=values.distance, tick=tick, thin=thin, draw=width)
        bid, ask = touch(value=value, half=half, tick=tick)
        last = last_traded(value=value, swing=values.swing, tick=tick, thin=thin, draw=lean)
        return Prices(value=value, last=last, bid=bid, ask=ask)

    def slice(self, index: Index, expiry: date, t: int) -> Slice:
        """Return the whole chain at a grid second (cached for the latest few). Bids and asks are 0 before the open."""
        key = (index, expiry, t)
        found = self._slices.get(key)
        if found is not None:
            return found
        strikes = self._strikes[index]
        at = np.full(1, t, dtype=np.int64)
        both = self._price(index, expiry, RIGHTS, strikes, at)
        if t == PRE_OPEN:
            nobody = np.zeros_like(both.last)
            both = Prices(value=both.value, last=both.last, bid=nobody, ask=nobody)
        prices = {right: both.row(n) for n, right in enumerate(RIGHTS)}
        made = Slice(strikes=strikes, spot=self.spot(index, t), both=both, prices=prices)
        while len(self._slices) >= 8:
            self._slices.pop(next(iter(self._slices)))
        self._slices[key] = made
        return made

    def whole_day(self, contract: Contract) -> Prices:
        """Return the prices of one contract at every second of the day; matching and stops look ahead in them."""
        found = self._days.get(contract)
        if found is None:
            seconds = np.arange(self.grid_seconds, dtype=np.int64)
            strike = np.full(1, int(contract.strike), dtype=np.int64)
            found = self._price(contract.index, contract.expiry, (contract.right,), strike, seconds).row(0)
            self._days[contract] = found
        return found

    def value(self, contract: Contract, t: int) -> float:
        """Return the theoretical value of one contract in rupees at a grid second."""
        if t != PRE_OPEN and contract in self._days:
            return float(self._days[contract].value[t])
        piece = self.slice(contract.index, contract.expiry, t)
        return float(piece.prices[contract.right].value[self.column(contract)])

    def column(self, contract: Contract) -> int:
        """Return the position of the contract's strike among the listed strikes."""
        return int(np.searchsorted(self._strikes[contract.index], int(contract.strike)))

    def ticks(self, contract: Contract, t: int) -> tuple[int, int, int]:
        """Return last, bid and ask of one contract in ticks at a grid second."""
        if t != PRE_OPEN and contract in self._days:
            whole = self._days[contract]
            return int(whole.last[t]), int(whole.bid[t]), int(whole.ask[t])
        column = self.column(contract)
        p = self.slice(contract.index, contract.expiry, t).prices[contract.right]
        return int(p.last[column]), int(p.bid[column]), int(p.ask[column])

    def depth(self, contract: Contract, t: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return bids and asks as (ticks, units), best first; a side on which nobody trades is empty."""
        _, bid, ask = self.ticks(contract, t)
        lot = self.day.specs[contract.index].lot
        key = (
            self.seed,
            int(contract.expiry.toordinal()) * 8 + RIGHTS.index(contract.right),
            int(contract.strike),
            t,
            9,
        )
        here = np.full(1, t + 1, dtype=np.int64)
        standing = self._standings(contract.index, contract.expiry)[0].at(here)
        distance = float(moneyness(standing, np.full(1, int(contract.strike), dtype=np.int64))[0])
        unease = float(self._unease[max(t, 0)] * standing.stress[0])
        draws = hash01(*key, np.arange(4 * LEVELS, dtype=np.int64))
        crowd = crowd_at_touch(ticks=ask, distance=distance, thin=_THINNESS[contract.index] * unease)
        sides: list[list[tuple[int, int]]] = []
        for side, (nearest, away) in enumerate(((bid, -1), (ask, 1))):
            price, rows = nearest, []
            for level in range(LEVELS):
                if price <= 0:
                    break
                chance = float(draws[side * 2 * LEVELS + level])
                gap = float(draws[side * 2 * LEVELS + LEVELS + level])
                rows.append((price, lot * max(1, int(crowd * (0.25 + 1.5 * chance) * (1.0 + 0.5 * level)))))
                price += away * (1 + int(gap * (1.5 + nearest / 800.0)))
            sides.append(rows)
        return sides[0], sides[1]

    def spot_range(self, index: Index, t: int) -> tuple[float, float, float, float]:
        """Return open, high, low so far and previous close of the index."""
        path = self.paths[index]
        if t == PRE_OPEN:
            return (path.previous_close,) * 4
        so_far = path.spot[: t + 1]
        return float(path.spot[0]), float(so_far.max()), float(so_far.min()), path.previous_close

    def price(self, index: Index, ticks: int) -> Decimal:
        """Return ticks of an index's options in rupees."""
        return self.day.specs[index].tick * ticks

    def moment(self, t: int) -> datetime:
        """Return the moment of a grid second."""
        return self.opens_at + timedelta(seconds=t)
