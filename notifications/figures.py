"""Figures of an alert as people in India read them: rupees grouped, percent, times in IST, and unknown said in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from zoneinfo import ZoneInfo

IST = ZoneInfo("Asia/Kolkata")
UNKNOWN = "unknown"
LONGEST = 180
# Names of facts that are rupees although they do not end in `_rupees`.
MONEY = frozenset(
    {
        "baseline",
        "budget",
        "cap",
        "charges",
        "cost",
        "free_margin",
        "limit_price",
        "net",
        "premium",
        "price",
        "recovery",
        "released",
        "released_margin",
        "required",
        "reserve",
        "reserved",
        "shortfall",
        "spend",
        "spent",
        "used",
    }
)
_CAPITALS = {"dte": "DTE", "ce": "CE", "pe": "PE", "id": "ID", "pnl": "P&L"}
_UNITS = ("_rupees", "_pct", "_seconds", "_at")


def rupees(amount: Decimal) -> str:
    """Write rupees with paise in Indian grouping: `₹12,34,567.00`; a negative amount as `−₹1.50`."""
    rounded = amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
    whole, paise = f"{abs(rounded):f}".split(".")
    head, tail = whole[:-3], whole[-3:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)]
    return f"{'−' if rounded < 0 else ''}₹{','.join([*reversed(pairs), tail])}.{paise}"


def clock(moment: datetime) -> str:
    """Write an aware instant as `10:16:30 IST, Tue 01-Dec-2026`."""
    return f"{moment.astimezone(IST):%H:%M:%S IST, %a %d-%b-%Y}"


def label(name: str) -> str:
    """Turn the name of a fact into words: `peak_utilization_pct` becomes `Peak utilization`."""
    for unit in _UNITS:
        name = name.removesuffix(unit)
    words = [_CAPITALS.get(word.lower(), word) for word in name.split("_") if word]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def figure(name: str, value: object) -> str:
    """Write the value of a fact in the unit that its name tells. What cannot be read is shown as it came."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        text = ", ".join(f"{label(str(key)).lower()} {figure(str(key), part)}" for key, part in value.items())
    elif isinstance(value, Iterable) and not isinstance(value, str):
        text = "; ".join(figure(name, part) for part in value) or "none"
    else:
        text = _single(name, value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _single(name: str, value: object) -> str:
    if name in MONEY or name.endswith("_rupees"):
        amount = _number(value)
        return str(value) if amount is None else rupees(amount)
    if name.endswith("_pct") or "utilization" in name:
        amount = _number(value)
        return str(value) if amount is None else f"{amount.quantize(Decimal('0.1'), ROUND_HALF_UP)} %"
    if name.endswith("_seconds"):
        amount = _number(value)
        return str(value) if amount is None else f"{amount.normalize():f} s"
    if isinstance(value, str):
        return _moment(value)
    return str(value)


def _number(value: object) -> Decimal | None:
    try:
        amount = Decimal(str(value))
        # Beyond this a figure is no money and no percentage, and rounding it would fail.
        return amount if amount.is_finite() and abs(amount) < Decimal(10) ** 20 else None
    except InvalidOperation:
        return None


def _moment(text: str) -> str:
    """Write an ISO date or instant as people do, and any other text as it is."""
    if len(text) < len("2026-12-01") or text[4:5] != "-":
        return text
    try:
        if len(text) == len("2026-12-01"):
            return f"{date.fromisoformat(text):%d-%b-%Y}"
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if moment.tzinfo is None else clock(moment)
