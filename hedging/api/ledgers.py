"""The ledgers over HTTP: transactions with their orders and fills, decision cards. Filters, pages by cursor, CSV."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.exceptions import NotFound
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from hedging import selectors
from hedging.access import Scope
from hedging.api import inputs
from hedging.api.base import Endpoint
from hedging.api.describe import row_id, tells
from hedging.api.fragments import FragmentRenderer, fragment, wants_fragment
from hedging.api.fresh import unless_known
from hedging.api.outputs.ledgers import (
    DecisionDetailOutput,
    DecisionsOutput,
    TransactionDetailOutput,
    TransactionOutput,
    TransactionsOutput,
)
from hedging.api.tables import CsvRenderer, csv_answer, wants_csv
from hedging.pages.card import card_context
from hedging.pages.transaction import transaction_context
from hedging.selectors import decisions as cards
from hedging.selectors import trades as ledger
from hedging.selectors.decisions import DecisionFilter
from hedging.selectors.kept import shared
from hedging.selectors.trades import TransactionFilter
from hedging.selectors.versions import transactions_version

_COLUMNS = tuple(name for name in TransactionOutput().get_fields() if name != "orders")


class TransactionsView(Endpoint):
    """GET: the history of intents, newest first."""

    needs = Scope.READ
    group = "Ledgers"
    renderer_classes = [JSONRenderer, CsvRenderer]

    @tells(
        "Transactions, newest first",
        answer=TransactionsOutput,
        example="transactions",
        query=inputs.TransactionsQuery,
        polled=True,
        table=True,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return one page of what was ordered and what became of it, newest first; `next` is the cursor of the next page.

        As CSV (`format=csv`) all of it is streamed, without pages and without the orders.
        """
        wanted = self.query(request, inputs.TransactionsQuery)
        these = _filter(TransactionFilter, wanted)
        if wants_csv(request):
            rows = (TransactionOutput.of(row) for row in ledger.all_transactions(these))
            return csv_answer(rows, columns=_COLUMNS, name="transactions")
        limit = wanted["limit"]
        ids = ledger.page_ids(these, before=wanted.get("cursor"), limit=limit)
        version = transactions_version(ids)

        def draw() -> HttpResponseBase:
            page = shared(
                f"{limit} {version}", "transactions", lambda: TransactionsOutput.of(ledger.page_of(ids, limit=limit))
            )
            return Response(page)

        return unless_known(request, version, draw)


class TransactionView(Endpoint):
    """GET: one transaction with its orders and fills."""

    needs = Scope.READ
    group = "Ledgers"
    renderer_classes = [JSONRenderer, FragmentRenderer]

    @tells(
        "One transaction",
        answer=TransactionDetailOutput,
        example="transaction",
        query=inputs.CardQuery,
        refusals=["NOT_FOUND"],
        polled=True,
        fragment=True,
        parameters=[row_id("a transaction")],
    )
    def get(self, request: Request, pk: str) -> HttpResponseBase:
        """Return one transaction with its orders at the broker, every attempt, and their fills."""
        self.query(request, inputs.CardQuery)
        row = ledger.transaction(int(pk))  # drawn first: what is not there is 404, whatever the caller holds
        if row is None:
            raise NotFound("There is no such transaction.")
        drawn = TransactionDetailOutput.of(row)

        def draw() -> HttpResponseBase:
            if wants_fragment(request):
                return fragment("hedging/_transaction.html", transaction_context(row))
            return Response(drawn)

        return unless_known(request, repr(drawn), draw)


class DecisionsView(Endpoint):
    """GET: decision cards, newest first."""

    needs = Scope.READ
    group = "Ledgers"

    @tells(
        "Decision cards, newest first",
        answer=DecisionsOutput,
        example="decisions",
        query=inputs.DecisionsQuery,
        polled=True,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return one page of decisions with their reasons, newest first; `next` is the cursor of the next page.

        `denied=true` shows what was wanted and refused.
        """
        wanted = self.query(request, inputs.DecisionsQuery)
        page = cards.decision_ids(_filter(DecisionFilter, wanted), before=wanted.get("cursor"), limit=wanted["limit"])
        return unless_known(
            request, repr(page), lambda: Response(DecisionsOutput.of(cards.decisions(page, limit=wanted["limit"])))
        )


class DecisionView(Endpoint):
    """GET: one decision card, whole."""

    needs = Scope.READ
    group = "Ledgers"
    renderer_classes = [JSONRenderer, FragmentRenderer]

    @tells(
        "One decision card",
        answer=DecisionDetailOutput,
        example="decision",
        query=inputs.CardQuery,
        refusals=["NOT_FOUND"],
        fragment=True,
        parameters=[row_id("a decision")],
    )
    def get(self, request: Request, pk: str) -> HttpResponseBase:
        """Return one decision whole: its ordered gates, projection, facts, and the policy by which it was made."""
        self.query(request, inputs.CardQuery)
        card = selectors.decision(int(pk))
        if card is None:
            raise NotFound("There is no such decision.")
        if wants_fragment(request):
            return fragment("hedging/_card.html", card_context(card))
        return Response(DecisionDetailOutput.of(card))


def _filter(kind: Any, wanted: dict[str, Any]) -> Any:
    """Return the part of a query that filters, as the selector's value."""
    given = {"session_id": wanted.get("session"), **wanted}
    return kind(**{field.name: given.get(field.name) for field in fields(kind)})
