"""Questions asked of intents, orders and fills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

from hedging.domain.lifecycle import LIVE, UNCERTAIN

if TYPE_CHECKING:
    from hedging.models import Fill, HedgeOrder, HedgeTransaction  # noqa: F401 - named in the bases below


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

    def uncertain(self) -> OrderQuerySet:
        """Return slices of which nobody knows whether the broker has them, oldest first."""
        return self.filter(status__in=sorted(s.value for s in UNCERTAIN)).order_by("id")


class FillQuerySet(models.QuerySet["Fill"]):
    """Questions asked of fills."""

    def of_account(self, *, account_id: int, mode: str) -> FillQuerySet:
        """Return the fills of one account and mode, oldest first."""
        return self.filter(order__account_id=account_id, mode=mode).order_by("id")
