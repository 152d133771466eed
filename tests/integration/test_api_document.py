"""The OpenAPI document: made without a warning, complete, its examples true; its page offline; and the metrics."""

from __future__ import annotations

import re

import jsonschema
import pytest
from django.contrib.staticfiles import finders
from drf_spectacular.drainage import GENERATOR_STATS

from hedging.api.document import openapi_document
from hedging.api.links import LINKS
from hedging.engine import clock
from tests.functional.test_access_matrix import declared_addresses
from tests.integration.page_day import NOW, StoppedClock, hedged_morning

OPERATIONS = [
    (path, method, operation)
    for path, methods in openapi_document()["paths"].items()
    for method, operation in methods.items()
]
IDS = [f"{method} {path}" for path, method, _ in OPERATIONS]


def test_the_document_is_made_without_a_warning():
    GENERATOR_STATS.reset()
    openapi_document.cache_clear()
    with GENERATOR_STATS.silence():
        openapi_document()
    assert not GENERATOR_STATS


def test_the_document_tells_of_every_address_and_method():
    told = {(path.replace("{id}", "<pk>"), method.upper()) for path, method, _ in OPERATIONS}
    page = {(address, method) for address, methods in declared_addresses().items() for method in methods}
    assert told == {(address, method) for address, method in page if address.startswith("/api/hedge/")}


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=IDS)
def test_every_operation_tells_what_it_does_needs_and_refuses(path, method, operation):
    assert operation["summary"]
    assert re.search(r"Needs the scope `\w+`\.", operation["description"])
    assert {frozenset(way) for way in operation["security"]} >= {frozenset({"apiKey"}), frozenset({"bearer"})}
    assert {"400", "401", "403", "429"} <= set(operation["responses"])
    if method == "post":
        assert operation["requestBody"]["content"]["application/json"]["examples"]


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=IDS)
def test_every_example_is_what_the_document_says(path, method, operation):
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    contents = [
        content["application/json"] for body in bodies if "application/json" in (content := body.get("content", {}))
    ]
    assert contents
    for content in contents:
        schema = {**content["schema"], "components": openapi_document()["components"]}
        assert content["examples"]
        for example in content["examples"].values():
            jsonschema.validate(example["value"], _plain(schema))


def test_every_link_leads_from_an_answer_to_an_operation_that_takes_what_it_gives():
    operations = {operation["operationId"]: operation for _, _, operation in OPERATIONS}
    linked = {
        (name, status, link)
        for name, operation in operations.items()
        for status, answer in operation["responses"].items()
        for link in answer.get("links", ())
    }
    assert linked >= {(*source, link.name) for source, table in LINKS.items() for link in table}
    for name, status, link in linked:
        told = operations[name]["responses"][status]["links"][link]
        takes = {parameter["name"] for parameter in operations[told["operationId"]].get("parameters", ())}
        assert set(told.get("parameters", ())) <= takes, (name, link)
        assert ("requestBody" not in told) or "requestBody" in operations[told["operationId"]], (name, link)


def _plain(schema):
    """Return an OpenAPI 3.0 schema as JSON Schema: nullable is a type there."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _plain(value) for name, value in schema.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain


def test_the_page_of_the_document_asks_nobody_elses_server(client):
    answer = client.get("/api/docs/")

    text = answer.content.decode()
    assert answer.status_code == 200
    assert "://" not in text
    assert "unsafe-inline" not in answer.headers["Content-Security-Policy"].split("style-src")[0]
    for name in re.findall(r'(?:src|href)="/static/([^"]+)"', text):
        assert finders.find(name), name


@pytest.mark.django_db
def test_the_document_is_served_and_known_again(client):
    answer = client.get("/api/schema")

    assert answer.json()["openapi"].startswith("3.")
    assert client.get("/api/schema/", headers={"If-None-Match": answer.headers["ETag"]}).status_code in {200, 304}
    assert client.get("/api/schema", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


@pytest.mark.django_db
def test_metrics_are_gauges_without_a_figure_of_money(client, monkeypatch):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)
    hedged_morning()

    answer = client.get("/metrics")

    lines = answer.content.decode().splitlines()
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "auto_hedge_sessions_open 1" in lines
    assert "auto_hedge_decision_age_seconds 0.5" in lines  # 30 s of a market that runs at 60 times
    assert all(re.fullmatch(r'# .+|auto_hedge_\w+(\{worker="\w+"\})? \S+', line) for line in lines)


@pytest.mark.django_db
def test_metrics_say_not_ready_where_market_time_cannot_be_read(client, monkeypatch):
    monkeypatch.setattr(clock, "market_clock", lambda: StoppedClock(away=True))

    assert "auto_hedge_ready 0" in client.get("/metrics/").content.decode()
