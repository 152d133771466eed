"""The transactions tab: everything that was ordered and what became of it, newest first, filtered, page by page."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from hedging.access import Scope, needing
from hedging.api.inputs import TransactionsQuery
from hedging.domain.instruments import Side
from hedging.domain.reasons import REASON_TEXT
from hedging.models import Origin
from hedging.pages.base import draw, look, page
from hedging.pages.transaction import ORIGIN_WORDS, line_of, transaction_context
from hedging.selectors import trades as ledger
from hedging.selectors.trades import TransactionFilter
from sessions_app.models import Mode

PAGE: Final = 50
_FIELDS = ("day", "side", "mode", "origin", "reason", "symbol", "live", "session")
# A hold orders nothing, and a denial comes before a transaction is there.
_ORDERING = tuple(reason for reason in REASON_TEXT if reason.startswith(("ADD_", "UNWIND_")))


@require_safe
@page
@needing(Scope.READ)
def transactions_page(request: HttpRequest) -> HttpResponse:
    """Draw one page of the history; with `?id=` that transaction alone, opened."""
    moment = look(request)
    named = request.GET.get("id", "")
    context = _one(named) if named else _page(request.GET)
    return draw(request, "hedging/transactions.html", tab="transactions", moment=moment, context=context)


def _one(named: str) -> dict[str, Any]:
    """Return one transaction, opened; nothing where there is none of this id."""
    row = ledger.transaction(int(named)) if named.isdecimal() and len(named) <= 18 else None
    shown = () if row is None else (line_of(row),)
    return _form({}, {}) | {
        "named": named,
        "lines": shown,
        "opened": {} if row is None else transaction_context(row),
        "asks": "" if row is None else reverse("api-transaction", args=[row.id]),
    }


def _page(query: QueryDict) -> dict[str, Any]:
    """Return one page by the filters of the query; none of it where a filter is not what it should be, which is said."""
    written = {name: query.get(name, "").strip() for name in (*_FIELDS, "cursor", "account")}
    given = {name: value for name, value in written.items() if value}
    if "symbol" in given:
        given["symbol"] = given["symbol"].upper()
    checked = TransactionsQuery(data=given)
    if not checked.is_valid():
        return _form(given, checked.errors) | {"lines": (), "asks": ""}
    wanted = dict(checked.validated_data)
    cursor = wanted.pop("cursor", None)
    these = TransactionFilter(
        session_id=wanted.get("session"),
        account=wanted.get("account"),
        **{name: wanted.get(name) for name in _FIELDS if name != "session"},
    )
    found = ledger.transactions(wanted=these, before=cursor, limit=PAGE)
    filters = {name: value for name, value in given.items() if name != "cursor"}
    here = filters if cursor is None else {**filters, "cursor": cursor}
    return _form(given, {}) | {
        "lines": tuple(line_of(row) for row in found.results),
        "asks": f"{reverse('api-transactions')}?{urlencode({**here, 'limit': PAGE})}",
        "table": f"{reverse('api-transactions')}?{urlencode({**filters, 'format': 'csv'})}",
        "older": None if found.next_cursor is None else _address(query, {**filters, "cursor": found.next_cursor}),
        "newest": None if cursor is None else _address(query, filters),
    }


def _address(query: QueryDict, filters: dict[str, Any]) -> str:
    """Return this page with other filters, of the same account."""
    kept = {"account": query["account"]} if query.get("account") else {}
    return f"?{urlencode({**kept, **filters})}"


def _form(given: dict[str, str], wrong: Any) -> dict[str, Any]:
    return {
        "given": given,
        "filtered": any(name in given for name in _FIELDS),
        "wrong": {str(name): " ".join(str(each) for each in words) for name, words in dict(wrong).items()},
        "sides": [side.value for side in Side],
        "modes": Mode.choices,
        "origins": [(origin.value, ORIGIN_WORDS[origin]) for origin in Origin],
        "reasons": [(reason.value, REASON_TEXT[reason]) for reason in _ORDERING],
    }
