"""Meaning: what the figures of a session's broker are, by its calibration, else by what the account's row says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from hedging.brokers.base import BasketScope
from hedging.brokers.paper_margin import PaperMeaning
from hedging.domain.calibration import Calibration as CalibrationFacts
from hedging.domain.calibration import Scope
from hedging.domain.margin import MarginLine, MarginParameters
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.snapshot import Funds
from sessions_app.models import Account, FreeMargin, TradingSession
from sessions_app.models import BasketScope as BasketScopeChoice


@dataclass(frozen=True, slots=True)
class Meaning:
    """What `/margin` and `/funds` of one account mean. Frozen: a broker is wired by it.

    `usable`: the broker has a basket call that nets. `scope` is what that counts, `None` while unknown: then its answers
    count as long as the account holds nothing, since all meanings are one.
    """

    usable: bool
    scope: BasketScope | None
    premium_in_used: bool
    cash_is_net: bool
    cash_holds_collateral: bool
    calibration: CalibrationFacts | None = None

    def free(self, funds: Funds) -> Decimal:
        """Return what the broker would still let us block, in rupees."""
        free = funds.available_cash if self.cash_holds_collateral else funds.available_cash + funds.collateral
        return free if self.cash_is_net else free - funds.utilised

    def premium_in_answer(self, lines: Sequence[MarginLine]) -> Decimal:
        """Return the rupees of net premium that the basket answer for these legs contains."""
        if self.calibration is None:
            return net_premium(lines) if self.premium_in_used else Decimal(0)
        return self.calibration.premium_in_answer(lines)

    def for_paper(self, dated: MarginParameters) -> PaperMeaning:
        """Return what a dry run needs to lay paper holdings over the figures; `dated` are the rates of the day."""
        found = self.calibration
        net = 1 if self.premium_in_used else None
        return PaperMeaning(
            usable=self.usable,
            scope=self.scope,
            counts_book_from=2 if found is None else found.counts_book_from or 2,
            paid_in_answer=self.premium_in_used if found is None else found.paid_in_answer,
            credit_from_legs=net if found is None else found.credit_from_legs,
            premium_in_used=self.premium_in_used,
            cash_is_net=self.cash_is_net,
            parameters=self.parameters(dated),
            scale=self.profile().scale,
        )

    def profile(self) -> MarginProfile:
        """Return how decisions read this broker; without a calibration its error is unknown."""
        if self.calibration is None:
            return MarginProfile(premium_counted=self.premium_in_used, error_pct=None)
        return self.calibration.profile(premium_counted=self.premium_in_used)

    def parameters(self, dated: MarginParameters) -> MarginParameters:
        """Return the dated rates with what was measured at this account in their place."""
        return dated if self.calibration is None else self.calibration.applied_to(dated)


def net_premium(lines: Sequence[MarginLine]) -> Decimal:
    """Return the rupees of premium that trading these lines costs; negative where more is received."""
    return sum((line.price * line.quantity for line in lines), Decimal(0))


def meaning_of(session: TradingSession) -> Meaning:
    """Return what the session's broker means; `session` comes with its account and calibration. No query."""
    account: Account = session.account
    found = None if session.calibration is None else session.calibration.as_facts()
    scope = BasketScopeChoice(account.basket_scope)
    if found is not None and found.scope is not None:
        scope = BasketScopeChoice(found.scope.value)
    free = FreeMargin(account.free_margin)
    premium_in_used, cash_is_net = account.premium_counted, free.is_net
    if found is not None:
        premium_in_used = premium_in_used if found.premium_in_used is None else found.premium_in_used
        cash_is_net = cash_is_net if found.cash_is_net is None else found.cash_is_net
    settled = scope not in {BasketScopeChoice.UNKNOWN, BasketScopeChoice.NONE}
    return Meaning(
        usable=scope is not BasketScopeChoice.NONE,
        scope=BasketScope(scope.value) if settled else None,
        premium_in_used=premium_in_used,
        cash_is_net=cash_is_net,
        cash_holds_collateral=free.holds_collateral,
        calibration=found,
    )


__all__ = ["Meaning", "Scope", "meaning_of", "net_premium"]
