"""From the ELM of each contract to the rule that a margin row holds: base, deep OTM, long-dated and expiry-day rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from hedging.domain.instruments import Right
from schedule.margin_files.elm_csv import ElmRate
from schedule.margin_files.refusal import MarginFileRefused

_EARLIEST_LONG_DATED = 90
_TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class ElmRule:
    """Columns of a margin row as the file supports them, and how many of its contracts the rule does not give.

    A column that the file cannot tell is not in `columns`: what was known before stays.
    """

    columns: dict[str, Decimal]
    contracts: int
    different: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Side:
    """The calls or puts of one expiry from the money outwards: where the rate changes from near to deep."""

    near: Decimal
    deep: Decimal
    last_near: Decimal
    first_deep: Decimal | None
    odd: tuple[ElmRate, ...]


def rule_of(rates: Sequence[ElmRate], *, day: date, known: dict[str, Decimal]) -> ElmRule:
    """Derive the rule from the rates of one index on `day`; a known figure that the file agrees with is kept.

    The index level is not in the file and not needed: where the rate changes among calls and among puts gives the
    distance by their ratio. Raises `MarginFileRefused` where no contract lives beyond `day`.
    """
    sides = _sides(rates)
    later = sorted({expiry for expiry, _ in sides if expiry > day})
    if not later:
        raise MarginFileRefused(f"every contract expires by {day}: it is an old file, or the date is wrong")
    base = _near(sides, later[0])
    columns = {"elm_pct": base}
    long_dated = [expiry for expiry in later if _is_long_dated(sides, expiry, base=base, day=day)]
    short_dated = [expiry for expiry in later if expiry not in long_dated]
    if long_dated:
        columns["elm_long_dated_pct"] = _most_common(_near(sides, expiry) for expiry in long_dated)
        columns["long_dated_days"] = _boundary(
            least=Decimal((short_dated[-1] - day).days),
            below=Decimal((long_dated[0] - day).days),
            known=known["long_dated_days"],
        )
    deep = [
        side.deep
        for expiry in short_dated
        for right in Right
        if (side := sides[expiry, right]).first_deep is not None and side.deep > base
    ]
    if deep:
        columns["elm_deep_pct"] = _most_common(deep)
    threshold = _threshold_pct(sides, short_dated, known=known["deep_otm_pct"])
    if threshold is not None:
        columns["deep_otm_pct"] = threshold
    if (day, Right.CE) in sides:
        columns["elm_expiry_extra_pct"] = max(Decimal(0), _near(sides, day) - base)
    odd = _odd(sides, columns=columns, known=known, day=day, long_dated=set(long_dated))
    return ElmRule(
        columns=columns,
        contracts=len(rates),
        different=len(odd),
        examples=tuple(
            f"{r.expiry:%d%b%y} {r.strike.normalize():f} {r.right} at {r.pct.normalize():f} %" for r in odd[:5]
        ),
    )


def _sides(rates: Iterable[ElmRate]) -> dict[tuple[date, Right], _Side]:
    grouped: dict[tuple[date, Right], dict[Decimal, ElmRate]] = {}
    for rate in rates:
        chain = grouped.setdefault((rate.expiry, rate.right), {})
        if rate.strike in chain and chain[rate.strike].pct != rate.pct:
            raise MarginFileRefused(
                f"{rate.expiry} {rate.strike} {rate.right} is in it twice, at {chain[rate.strike].pct} and {rate.pct} %"
            )
        chain[rate.strike] = rate
    for expiry in {expiry for expiry, _ in grouped}:
        for right in Right:
            if (expiry, right) not in grouped:
                raise MarginFileRefused(f"of {expiry} it holds no {right}: it is cut off, get it again")
    return {key: _side(list(chain.values()), right=key[1]) for key, chain in grouped.items()}


def _side(chain: list[ElmRate], *, right: Right) -> _Side:
    chain.sort(key=lambda rate: rate.strike, reverse=right is Right.PE)
    # The first third lies in the money, where nothing is deep; the last tenth is the farthest that there is.
    near = _most_common(rate.pct for rate in chain[: max(1, len(chain) // 3)])
    deep = _most_common(rate.pct for rate in chain[-max(1, len(chain) // 10) :])
    if deep == near:
        odd = tuple(rate for rate in chain if rate.pct != near)
        return _Side(near, near, chain[-1].strike, None, odd)
    # The place that explains the most contracts is where the rate changes.
    errors = sum(rate.pct != deep for rate in chain)
    fewest, cut = errors, 0
    for place, rate in enumerate(chain, start=1):
        errors += (rate.pct != near) - (rate.pct != deep)
        if errors < fewest:
            fewest, cut = errors, place
    cut = min(max(cut, 1), len(chain) - 1)
    odd = tuple(r for place, r in enumerate(chain) if r.pct != (near if place < cut else deep))
    return _Side(near, deep, chain[cut - 1].strike, chain[cut].strike, odd)


def _near(sides: dict[tuple[date, Right], _Side], expiry: date) -> Decimal:
    return min(sides[expiry, right].near for right in Right)


def _is_long_dated(sides: dict[tuple[date, Right], _Side], expiry: date, *, base: Decimal, day: date) -> bool:
    return (expiry - day).days > _EARLIEST_LONG_DATED and _near(sides, expiry) > base


def _threshold_pct(sides: dict[tuple[date, Right], _Side], expiries: list[date], *, known: Decimal) -> Decimal | None:
    """Return the distance from which an option is deep out of the money, from the nearest expiry that shows both ends.

    The change lies between two strikes on each side, so the distance is known within a bracket.
    """
    for expiry in expiries:
        calls, puts = sides[expiry, Right.CE], sides[expiry, Right.PE]
        if calls.first_deep is None or puts.first_deep is None:
            continue
        least = _distance_pct(calls.last_near / puts.last_near)
        most = _distance_pct(calls.first_deep / puts.first_deep)
        return known if least <= known <= most else ((least + most) / 2).quantize(_TENTH)
    return None


def _distance_pct(ratio: Decimal) -> Decimal:
    return (ratio - 1) / (ratio + 1) * 100


def _boundary(*, least: Decimal, below: Decimal, known: Decimal) -> Decimal:
    return known if least <= known < below else least


def _odd(
    sides: dict[tuple[date, Right], _Side],
    *,
    columns: dict[str, Decimal],
    known: dict[str, Decimal],
    day: date,
    long_dated: set[date],
) -> list[ElmRate]:
    """Return the contracts that the rule charges otherwise than the file does; of a whole side, its outermost one."""
    rule = known | columns
    found: list[ElmRate] = []
    for (expiry, right), side in sorted(sides.items()):
        found += side.odd
        extra = rule["elm_expiry_extra_pct"] if expiry == day else Decimal(0)
        near = rule["elm_long_dated_pct"] if expiry in long_dated else rule["elm_pct"] + extra
        deep = rule["elm_long_dated_pct"] if expiry in long_dated else rule["elm_deep_pct"] + extra
        if side.near != near:
            found.append(ElmRate(expiry, side.last_near, right, side.near))
        if side.first_deep is not None and side.deep != deep:
            found.append(ElmRate(expiry, side.first_deep, right, side.deep))
    return found


def _most_common(values: Iterable[Decimal]) -> Decimal:
    counted = Counter(values).most_common()
    return min(value for value, count in counted if count == counted[0][1])
