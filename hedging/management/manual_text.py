"""The preview of an order by hand as a text: prices, cost, margin before and after, warnings, and refusals with their fix."""

from __future__ import annotations

from decimal import Decimal

from hedging.domain.manual import Deed, LegPreview, Preview
from hedging.management.terminal import blocks, pairs, table
from hedging.templatetags.hedging_format import units
from notifications.figures import UNKNOWN, figure, rupees
from notifications.figures import clock as time_of

_HEAD = ("Contract", "Lots", "Units", "Orders", "Bid", "Ask", "Price", "Worst price", "Premium", "Charges")


def told(preview: Preview) -> str:
    """Write a preview for a person."""
    deed = preview.wanted.deed
    head = f"{'Buy' if deed is Deed.BUY else 'Exit'}, {preview.mode.replace('_', ' ')}, at {time_of(preview.now)}"
    legs = table(_HEAD, (_leg(leg) for leg in preview.legs)) if preview.legs else "No hedge is held."
    return blocks(head, legs, _money(preview), _margin(preview), _warnings(preview), _refusals(preview))


def _leg(leg: LegPreview) -> tuple[str, ...]:
    return (
        leg.symbol,
        str(leg.lots),
        units(leg.quantity),
        str(leg.slices),
        _rupees(leg.bid),
        _rupees(leg.ask),
        _rupees(leg.limit_price),
        _rupees(leg.worst_price),
        _rupees(leg.premium),
        _rupees(leg.charges),
    )


def _money(preview: Preview) -> str:
    buys = preview.wanted.deed is Deed.BUY
    return pairs(
        (
            ("Premium", _rupees(preview.premium)),
            ("Charges", _rupees(preview.charges)),
            (
                "Cost" if buys else "Received",
                f"{_rupees(preview.cash)}{f', at worst {rupees(preview.worst_cost)}' * buys}",
            ),
            ("Cap left", f"{rupees(preview.cost_left)} before this"),
            ("Free margin", _rupees(preview.free_margin)),
        )
    )


def _margin(preview: Preview) -> str:
    margin = preview.margin
    by = "" if margin.source is None else f", by {margin.source}"
    coming = margin.projected_after_pct
    return pairs(
        (
            ("Utilization", f"{_percent(margin.before_pct)} -> {_percent(margin.after_pct)}{by}"),
            ("Used margin", f"{_rupees(margin.used_before)} -> {_rupees(margin.used_after)}"),
            ("With entries to come", "" if coming is None else _percent(coming)),
            ("Note", margin.note),
            ("Room for lots", ", ".join(f"{right} {lots}" for right, lots in preview.capacity_lots.items())),
        )
    )


def _warnings(preview: Preview) -> str:
    return "\n".join(f"Warning: {words}" for words in preview.warnings)


def _refusals(preview: Preview) -> str:
    lines = []
    for refusal in preview.refusals:
        lines.append(f"REFUSED: {refusal.text} ({refusal.reason})")
        if refusal.fix:
            lines.append(f"         {refusal.fix}{' (--even-so)' if refusal.overridable else ''}")
    return "\n".join(lines)


def _rupees(amount: Decimal | None) -> str:
    return UNKNOWN if amount is None else rupees(amount)


def _percent(value: Decimal | None) -> str:
    return figure("utilization", value)
