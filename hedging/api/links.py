"""Which answer leads where: the links of the OpenAPI document, from a field of one answer to an input of the next question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Link:
    """From one answer to the next question. `parameters` and `body` hold runtime expressions of OpenAPI 3."""

    name: str
    to: str
    words: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    def as_document(self) -> dict[str, Any]:
        """Return the link object as OpenAPI writes it."""
        drawn: dict[str, Any] = {"operationId": self.to, "description": self.words}
        if self.parameters:
            drawn["parameters"] = dict(self.parameters)
        if self.body is not None:
            drawn["requestBody"] = self.body
        return drawn


_OF_ITS_ACCOUNT = {"account": "$response.body#/account"}
_TRANSACTION = "get_transactions_one"
_DECISION = "get_decisions_one"


def _by_hand(operation: str) -> dict[tuple[str, str], tuple[Link, ...]]:
    """Return the links of a preview (200) and of what its confirmation took (202)."""
    return {
        (operation, "200"): (
            Link(
                "confirm",
                operation,
                "Take the order as it was shown, within 30 seconds; the token is null where it is refused.",
                body={"token": "$response.body#/token"},  # nosec B105 - where the token is read, not one
            ),
        ),
        (operation, "202"): (
            Link("transaction", _TRANSACTION, "What became of it.", {"id": "$response.body#/transactions/0"}),
            Link("decision", _DECISION, "Why, and on what figures.", {"id": "$response.body#/decision"}),
            Link("status", "get_status", "Where the session stands now."),
            Link(
                "repeat",
                operation,
                "The same key and body, sent again, get the first answer again.",
                {"Idempotency-Key": "$request.header.Idempotency-Key"},
                "$request.body",
            ),
        ),
    }


LINKS: Final[Mapping[tuple[str, str], tuple[Link, ...]]] = {
    **_by_hand("post_manual_buy"),
    **_by_hand("post_manual_exit"),
    ("get_status", "200"): (
        Link(
            "sell",
            "post_manual_exit",
            "Preview the sale of a hedge that is held.",
            body={"legs": [{"symbol": "$response.body#/active_hedges/0/symbol"}]},
        ),
        Link(
            "buy_more",
            "post_manual_buy",
            "Preview the purchase of more of a hedge that is held; name the lots.",
            body={"legs": [{"symbol": "$response.body#/active_hedges/0/symbol"}]},
        ),
        Link(
            "live_order",
            _TRANSACTION,
            "The transaction of an order that is on its way.",
            {"id": "$response.body#/live_orders/0/transaction"},
        ),
        Link("decision", _DECISION, "The last decision, whole.", {"id": "$response.body#/decision/id"}),
        Link(
            "toggle",
            "post_toggle",
            "Switch the automation of this session.",
            body={"account": "$response.body#/session/account"},
        ),
    ),
    ("get_preview", "200"): (
        Link(
            "buy",
            "post_manual_buy",
            "Preview the purchase of a contract that would be chosen; name the lots.",
            body={"legs": [{"symbol": "$response.body#/if_needed/chosen/buys/0/symbol"}]},
        ),
    ),
    ("get_transactions", "200"): (
        Link("one", _TRANSACTION, "One of the page, with its fills.", {"id": "$response.body#/results/0/id"}),
        Link("decision", _DECISION, "The decision behind it.", {"id": "$response.body#/results/0/decision"}),
        Link(
            "next",
            "get_transactions",
            "The next page, where `next` is not null. Ask with the same filters.",
            {"cursor": "$response.body#/next"},
        ),
    ),
    (_TRANSACTION, "200"): (
        Link("decision", _DECISION, "The decision behind it.", {"id": "$response.body#/decision"}),
    ),
    ("get_decisions", "200"): (
        Link("one", _DECISION, "One of the page, whole.", {"id": "$response.body#/results/0/id"}),
        Link(
            "next",
            "get_decisions",
            "The next page, where `next` is not null. Ask with the same filters.",
            {"cursor": "$response.body#/next"},
        ),
    ),
    (_DECISION, "200"): (
        Link("transaction", _TRANSACTION, "What was ordered because of it.", {"id": "$response.body#/transactions/0"}),
    ),
    ("get_session", "200"): (
        Link("transactions", "get_transactions", "What it ordered.", {"session": "$response.body#/id"}),
        Link("decisions", "get_decisions", "What it decided.", {"session": "$response.body#/id"}),
    ),
    ("post_session", "201"): (
        Link("session", "get_session", "The session as it stands.", _OF_ITS_ACCOUNT),
        Link("status", "get_status", "Where it stands.", _OF_ITS_ACCOUNT),
        Link("plan", "get_plan", "The rest of its day.", _OF_ITS_ACCOUNT),
    ),
    ("post_toggle", "200"): (
        Link("status", "get_status", "What the gates say now.", _OF_ITS_ACCOUNT),
        Link("session", "get_session", "The session as it stands.", _OF_ITS_ACCOUNT),
    ),
    ("post_halt", "200"): (
        Link("status", "get_status", "What the gates say now."),
        Link("resume", "post_resume", "Resume what was halted.", body={"scope": "$request.body#/scope"}),
    ),
    ("post_resume", "200"): (
        Link("status", "get_status", "What the gates say now."),
        Link("halt", "post_halt", "Halt it again.", body={"scope": "$request.body#/scope"}),
    ),
    ("post_reconcile", "202"): (
        Link("comparison", "get_reconcile", "The comparison, once it is made.", {"account": "$request.body#/account"}),
    ),
}


def with_links(result: dict[str, Any], **_generator: Any) -> dict[str, Any]:
    """Add the links to the finished document: those of the table, and to every polled answer the one that asks again."""
    for operation in _operations(result):
        name, answers = operation["operationId"], operation["responses"]
        for status, answer in answers.items():
            links = LINKS.get((name, status), ())
            if "304" in answers and status == "200":
                same = {"If-None-Match": "$response.header.ETag", **_its_address(operation)}
                links = (*links, Link("again", name, "Ask the same again: 304 when nothing is new.", same))
            if links:
                answer["links"] = {link.name: link.as_document() for link in links}
    return result


def _operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def _its_address(operation: Mapping[str, Any]) -> dict[str, str]:
    named = [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"]
    return {name: f"$request.path.{name}" for name in named}
