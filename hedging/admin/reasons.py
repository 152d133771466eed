"""Acts in the admin that want a reason: a field beside the choice of the action, and who acts when."""

from __future__ import annotations

from django import forms
from django.contrib.admin.helpers import ActionForm
from django.http import HttpRequest

from hedging.engine import clock
from hedging.engine.states import Act

REASON_WANTED = "Resuming wants a reason: write it beside the action."


class ReasonedActionForm(ActionForm):
    """The choice of an action, and why."""

    reason = forms.CharField(required=False, max_length=200, label="Reason:")


def reason_of(request: HttpRequest) -> str:
    """Return the reason that was written beside the action, "" without one."""
    return request.POST.get("reason", "").strip()[:200]


def act_of(request: HttpRequest) -> Act:
    """Return who acts, why and when. Works without a readable market clock: a halt does not wait for one."""
    wall = clock.wall_now()
    return Act(
        actor=request.user.get_username(),
        reason=reason_of(request) or "by hand in the admin",
        now=clock.market_time_or(wall),
        wall_now=wall,
    )
