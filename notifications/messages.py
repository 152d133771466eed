"""Words of an alert: one small template for each kind, a general one for every other, as HTML and as plain text."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from django.template.loader import select_template
from django.utils.html import strip_tags

from notifications.figures import clock, figure, label
from notifications.models import Alert, Severity

MOST_FACTS = 15
_KIND = re.compile(r"[a-z][a-z_]*")
_BLANK_LINES = re.compile(r"\n{3,}")
_ICONS = {Severity.INFO: "🔹", Severity.WARNING: "⚠️", Severity.CRITICAL: "🛑"}


@dataclass(frozen=True, slots=True)
class Message:
    """A rendered alert. `html` holds no tag but `<b>` and `<i>`; everything that came from data is escaped."""

    html: str
    severity: str

    @property
    def text(self) -> str:
        """Return the message without markup."""
        return html.unescape(strip_tags(self.html))


@dataclass(frozen=True, slots=True)
class FactLine:
    """One fact in words."""

    label: str
    text: str


def render(alert: Alert) -> Message:
    """Render an alert. A kind without a template of its own, and facts of any shape, are shown sensibly.

    At most `MOST_FACTS` facts are shown, so that the message stays under Telegram's 4,096 characters.
    """
    facts = alert.facts if isinstance(alert.facts, dict) else {"detail": alert.facts}
    lines = [
        FactLine(label(str(name))[:40], figure(str(name), value))
        for name, value in facts.items()
        if name != "mode" and value not in ("", [], {})
    ]
    names = [f"notifications/{alert.kind}.html"] if _KIND.fullmatch(alert.kind) else []
    template = select_template([*names, "notifications/alert.html"])
    body = template.render(
        {
            "icon": _ICONS.get(Severity(alert.severity), ""),
            "title": alert.title,
            "facts": lines[:MOST_FACTS],
            "left_out": max(0, len(lines) - MOST_FACTS),
            "mode": str(facts.get("mode", "")).replace("_", " "),
            "time": clock(alert.happened_at),
        }
    )
    tidy = "\n".join(line.strip() for line in body.strip().splitlines())
    return Message(html=_BLANK_LINES.sub("\n\n", tidy), severity=alert.severity)
