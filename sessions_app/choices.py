"""Words that several tables share: the mode of an order, and what may be traded at all."""

from __future__ import annotations

from django.db import models


class Mode(models.TextChoices):
    """Whether orders are real. A column of every row that is ever summed."""

    LIVE = "live", "live"
    DRY_RUN = "dry_run", "dry run"


class TradingState(models.TextChoices):
    """What a session, or the whole installation, may do: everything, sells only, or nothing new."""

    ACTIVE = "active", "ACTIVE"
    REDUCING = "reducing", "REDUCING"
    HALTED = "halted", "HALTED"
