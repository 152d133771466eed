"""Accounts in the admin: what hedges are bought in does not change under hedges that are held, or on their way."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from config.edits import ChangesForm
from hedging.engine import clock
from hedging.engine.hours import trading_day_of
from hedging.models import HedgeTransaction
from hedging.selectors import holdings
from sessions_app.admin import AccountAdmin
from sessions_app.models import Account, Mode

admin.site.unregister(Account)


class AccountForm(ChangesForm):
    """An account, whose product is that of every hedge which it holds: a sale in another one would sell somebody else's."""

    def clean_product(self) -> str:
        """Refuse another product while hedges are held in the old one, in either mode, or orders may still fill."""
        product: str = self.cleaned_data["product"]
        if "product" not in self.changed_data:
            return product
        before = Account.objects.filter(pk=self.instance.pk).values_list("product", flat=True).first()
        if before in {None, product}:
            return product
        day = trading_day_of(clock.market_time_or(clock.wall_now()))
        held = sum(len(holdings(account_id=self.instance.pk, mode=mode, day=day)) for mode in Mode.values)
        live = HedgeTransaction.objects.live().filter(session__account_id=self.instance.pk).count()
        if held or live:
            raise forms.ValidationError(
                f"{held} hedges are held in {before} and {live} orders are live, dry run included: they can only be sold in "
                f"{before}. Sell them first (`manage.py hedge exit all`), then change the product.",
                code="hedges_held",
            )
        return product


@admin.register(Account)
class AccountDesk(AccountAdmin):
    """Accounts, with what the ledger forbids: it lies above their app."""

    def get_form(
        self,
        request: HttpRequest,
        obj: Account | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        **kwargs: Any,
    ) -> type[forms.ModelForm[Account]]:
        """Return the form that looks at the ledger."""
        return super().get_form(request, obj, change, **{"form": AccountForm} | kwargs)
