"""Margin files as a clearing corporation would write them, made up by a textbook's Black-Scholes of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from statistics import NormalDist

from hedging.domain.instruments import Right

DAY = date(2026, 12, 1)
NEAR, FAR = date(2026, 12, 8), date(2026, 12, 29)
SPOT, PRICE_SCAN, VOLATILITY_SCAN, RATE, CALENDAR = 24_050.35, 2_234.01, 0.04, 0.066, 425.0
# The order of scenarios: thirds of the scan range, volatility up and down, then the two extremes at 35 %.
SCENARIOS = [
    *((thirds / 3, turn, 1.0) for thirds in (0, 1, -1, 2, -2, 3, -3) for turn in (1, -1)),
    (2.0, 0, 0.35),
    (-2.0, 0, 0.35),
]
_normal = NormalDist().cdf


def value_and_delta(spot, strike, right, years, volatility):
    if years <= 0:
        return max(0.0, spot - strike if right is Right.CE else strike - spot), 0.0
    spread = volatility * math.sqrt(years)
    d1 = (math.log(spot / strike) + (RATE + volatility**2 / 2) * years) / spread
    present = strike * math.exp(-RATE * years)
    if right is Right.CE:
        return spot * _normal(d1) - present * _normal(d1 - spread), _normal(d1)
    return present * _normal(spread - d1) - spot * _normal(-d1), _normal(d1) - 1


def smile(strike, spot):
    return 0.12 + abs(strike / spot - 1)


@dataclass(frozen=True)
class Underlying:
    """One index of a made-up file. BSE names the index, its options and its futures differently."""

    code: str = "NIFTY"
    options: str = "NIFTY"
    spot: float = SPOT
    scan: float = PRICE_SCAN
    strikes: tuple[int, ...] = tuple(range(21_600, 26_401, 300))
    expiries: tuple[date, ...] = (DAY, NEAR, FAR)
    calendar: float = CALENDAR


NIFTY = Underlying()
BANKNIFTY = Underlying(
    "BANKNIFTY", "BANKNIFTY", 59_000.0, 5_488.3, tuple(range(56_000, 62_001, 1_000)), (FAR,), 1_029.0
)
SENSEX = Underlying(
    "BSX", "BSXOPT", 78_000.0, 7_254.0, tuple(range(74_000, 82_001, 1_000)), (date(2026, 12, 3), date(2026, 12, 10)), 1_365.0
)  # fmt: skip
RELIANCE = Underlying("RELIANCE", "RELIANCE", 1_400.0, 200.0, (1_300, 1_400, 1_500), (FAR,), 30.0)


def losses_of(index: Underlying, *, expiry: date, right: Right, strike: float, day: date = DAY, paid_days: int = 1):
    """The risk array of an option of a begin-of-day file: priced the evening before, valued the day after."""
    left = (expiry - day).days
    paid, years = smile(strike, index.spot), (left + paid_days) / 365
    price = value_and_delta(index.spot, strike, right, years, paid)[0]
    after = max(0, left - 1) / 365
    return price, [
        cover * (price - value_and_delta(index.spot + move * index.scan, strike, right, after, paid + turn * VOLATILITY_SCAN)[0])
        for move, turn, cover in SCENARIOS
    ]  # fmt: skip


def span_xml(
    *indices: Underlying,
    day: date = DAY,
    settlement: bool = False,
    shown_rate: str = "0.07",
    house: str = "NSCCL",
) -> str:
    """A SPAN file in the order in which NSE writes it, the definitions before the exchange's portfolios."""
    paid_days = 0 if settlement else 1
    parts = [
        '<?xml version="1.0"?>', "<spanFile>", "<fileFormat>4.00</fileFormat>", "<created>202611302149</created>",
        "<definitions>", "<currencyDef><currency>INR</currency><name>INDIAN RUPEE</name></currencyDef>", "</definitions>",
        "<pointInTime>", f"<date>{day:%Y%m%d}</date>", f"<isSetl>{int(settlement)}</isSetl>",
        "<setlQualifier>early</setlQualifier>", "<clearingOrg>", f"<ec>{house}</ec>",
        "<name>National Securities Clearing Corporation</name>", "<lookAheadYears>0.002739</lookAheadYears>",
        *_point_definitions(), *(_definition(index) for index in indices), "<exchange>", "<exch>NSE</exch>",
    ]  # fmt: skip
    for number, index in enumerate(indices, start=1):
        parts += _physical(index, number)
    for index in indices:
        parts += _futures(index, day=day)
    for index in indices:
        parts += _options(index, day=day, paid_days=paid_days, shown_rate=shown_rate)
    return "\r\n".join([*parts, "</exchange>", "</clearingOrg>", "</pointInTime>", "</spanFile>", ""])


def _point_definitions():
    # As the real file has them: 3 ranges at 30 %, which its arrays are not made by.
    for point in (15, 16):
        sign = 1 if point == 15 else -1
        yield (
            f"<pointDef><r>1</r><scanPointDef><point>{point}</point><priceScanDef><numerator>{3 * sign}</numerator>"
            "<denominator>1</denominator></priceScanDef><volScanDef><numerator>0</numerator>"
            "<denominator>1</denominator></volScanDef><weight>0.3</weight></scanPointDef></pointDef>"
        )


def _definition(index: Underlying) -> str:
    pairs = [(a, b) for a in index.expiries for b in index.expiries if a < b]
    spreads = "".join(
        f"<dSpread><spread>{number}</spread><chargeMeth>F</chargeMeth><rate><r>1</r><val>{index.calendar:.6f}</val></rate>"
        + "".join(
            f"<pLeg><cc>{index.code}</cc><pe>{expiry:%Y%m%d}</pe><rs>{side}</rs><i>1.000000</i></pLeg>"
            for side, expiry in (("A", near), ("B", far))
        )
        + "</dSpread>"
        for number, (near, far) in enumerate(pairs, start=1)
    )
    return (
        f"<ccDef><cc>{index.code}</cc><name>{index.code}</name><currency>INR</currency>"
        "<scanTiers><tier><tn>1</tn></tier></scanTiers>"
        f"<somTiers><tier><tn>0</tn><rate><r>1</r><val>0</val></rate></tier></somTiers>{spreads}</ccDef>"
    )


def _scan(index: Underlying) -> str:
    return f"<scanRate><r>1</r><priceScan>{index.scan:.2f}</priceScan><volScan>{VOLATILITY_SCAN}</volScan></scanRate>"


def _array(losses, delta) -> list[str]:
    return ["<ra>", "<r>1</r>", *(f"<a>{loss:.4f}</a>" for loss in losses), f"<d>{delta:.6f}</d>", "</ra>"]


def _physical(index: Underlying, number: int) -> list[str]:
    return [
        "<phyPf>", f"<pfId>{number}</pfId>", f"<pfCode>{index.code}</pfCode>", f"<name>{index.code}</name>",
        "<cvf>1.00</cvf>", "<phy>", "<cId>1</cId>", "<pe>00000000</pe>", f"<p>{index.spot:.2f}</p>", "<d>0.000000</d>",
        "<v>0.000000</v>", _scan(index), *_array([0.0] * 16, 1.0), "</phy>", "</phyPf>",
    ]  # fmt: skip


def _futures(index: Underlying, *, day: date) -> list[str]:
    parts = ["<futPf>", "<pfId>90</pfId>", f"<pfCode>{index.code}</pfCode>", "<cvf>1.00</cvf>"]
    for expiry in index.expiries[-1:]:
        grown = math.exp(RATE * max(0, (expiry - day).days - 1) / 365)
        price = index.spot * math.exp(RATE * (expiry - day).days / 365)
        losses = [cover * (price - (index.spot + move * index.scan) * grown) for move, _, cover in SCENARIOS]
        parts += ["<fut>", f"<pe>{expiry:%Y%m%d}</pe>", f"<p>{price:.2f}</p>", "<d>1.0</d>", "<v>0.17</v>"]
        parts += [_scan(index), *_array(losses, 1.0), "</fut>"]
    return [*parts, "</futPf>"]


def _options(index: Underlying, *, day: date, paid_days: int, shown_rate: str) -> list[str]:
    parts = ["<oopPf>", "<pfId>91</pfId>", f"<pfCode>{index.options}</pfCode>", "<priceModel>BS</priceModel>"]
    for expiry in index.expiries:
        years = ((expiry - day).days + paid_days) / 365
        parts += ["<series>", f"<pe>{expiry:%Y%m%d}</pe>", "<v>0.14</v>", f"<t>{years:.6f}</t>", "<cvf>1.00</cvf>"]
        parts += [f"<intrRate><val>{shown_rate}</val><rl>0</rl></intrRate>", _scan(index)]
        for right in Right:
            for strike in index.strikes:
                price, losses = losses_of(
                    index, expiry=expiry, right=right, strike=strike, day=day, paid_days=paid_days
                )
                after = max(0, (expiry - day).days - 1) / 365
                delta = value_and_delta(index.spot, strike, right, after, smile(strike, index.spot))[1]
                parts += ["<opt>", "<cId>1</cId>", f"<o>{right.value[0]}</o>", f"<k>{strike:.2f}</k>"]
                parts += [f"<p>{price:.6f}</p>", f"<d>{delta:.6f}</d>", f"<v>{smile(strike, index.spot):.4f}</v>"]
                parts += [*_array(losses, delta), "</opt>"]
        parts.append("</series>")
    return [*parts, "</oopPf>"]


def elm_csv(
    *,
    symbol: str = "NIFTY",
    close: float = 24_000.0,
    day: date = DAY,
    base: float = 2,
    deep: float = 3,
    long_dated: float = 5,
    threshold_pct: float = 10,
    extra: float = 2,
    expiries: tuple[date, ...] = (DAY, NEAR, FAR, date(2027, 12, 28)),
    step: int = 50,
    header: str = "",
) -> str:
    """An ELM file: without a header as the clearing corporation writes it; rows of others stand between ours."""
    rows = [header] if header else []
    rows.append("FUTIDX,NIFTY,29-DEC-2026,0,XX,0,2")
    rows.append("OPTSTK,RELIANCE,29-DEC-2026,1400,CE,0,3.5")
    for expiry in expiries:
        for strike in range(int(close * 0.85) // step * step, int(close * 1.15), step):
            for right in Right:
                distance = (strike / close - 1) * (100 if right is Right.CE else -100)
                rate = long_dated if (expiry - day).days > 270 else deep if distance > threshold_pct else base
                rate += extra if expiry == day else 0
                rows.append(f"OPTIDX,{symbol},{expiry:%d-%b-%Y},{strike},{right},0,{rate}".upper())
    return "\n".join(rows) + "\n"
