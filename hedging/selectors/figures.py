"""A session's policy figure by figure: what is in force, what of it is the session's own, and what the environment says."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings

from sessions_app.models import TradingSession
from sessions_app.policy import OVERRIDES


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. `own` `None`: the session has none of its own, and what holds `everywhere` is in force."""

    name: str
    own: Decimal | int | None
    everywhere: Decimal | int

    @property
    def in_force(self) -> Decimal | int:
        """Return what the next cycle decides by."""
        return self.everywhere if self.own is None else self.own


@dataclass(frozen=True, slots=True)
class Figures:
    """A session's budget, and the figures that it may override, in the order of `OVERRIDES`."""

    session: int
    baskets: int
    budget_per_basket: Decimal
    budget: Decimal
    figures: tuple[Figure, ...]


def figures_of(session: TradingSession) -> Figures:
    """Return a session's figures. No query."""
    return Figures(
        session=session.pk,
        baskets=session.baskets,
        budget_per_basket=session.budget_per_basket,
        budget=session.budget,
        figures=tuple(
            Figure(column, getattr(session, column), getattr(settings.HEDGE_POLICY, name))
            for column, name in OVERRIDES.items()
        ),
    )
