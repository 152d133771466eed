"""Questions asked of intents and orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

from hedging.domain.lifecycle import LIVE

if TYPE_CHECKING:
    from hedging.models import HedgeOrder, HedgeTransaction  # noqa: F401 - named in the bases below


class TransactionQuerySet(models.QuerySet["HedgeTransaction"]):
    """Questions asked of intents."""

    def live(self) -> TransactionQuerySet:
        """Return intents of which something may still fill, oldest first."""
        return self.filter(is_live=True).order_by("id")


class OrderQuerySet(models.QuerySet["HedgeOrder"]):
    """Questions asked of slices."""

    def live(self) -> OrderQuerySet:
        """Return slices that may still fill, oldest first."""
        return self.filter(status__in=sorted(s.value for s in LIVE)).order_by("id")
