"""A question of a schedule is asked by a plan only where the plan binds what the ORM bound, and the text is the same."""

from decimal import Decimal

import pytest
from django.db.models import F, Q, Value

from hedging.chaos.plans import learnt
from hedging.chaos.statements import Chain
from hedging.models import HedgeOrder
from hedging.querysets import OrderQuerySet
from sessions_app.models import TradingSession


def orders():
    return Chain(HedgeOrder, OrderQuerySet)


def key_of(chain, question="rows", **changes):
    return chain._shape(question, changes).key


def same(value):
    return value


def test_a_statement_is_learnt_where_the_values_are_what_the_orm_bound():
    plan = learnt(None, ("SELECT %s FROM t WHERE a = %s", (1, "b")), ["b"], [same])
    assert plan is not None
    assert plan._before == (1,)


@pytest.mark.parametrize("bound", [("x",), (), ("b", "x"), ("B",)])
def test_a_statement_with_a_parameter_of_unknown_origin_is_not_learnt(bound):
    assert learnt(None, ("SELECT a FROM t WHERE a = %s", bound), ["b"], [same]) is None


def test_questions_that_differ_only_in_values_are_of_one_shape():
    one, other = orders().filter(pk=1, status__in=["A", "B"]), orders().filter(pk=2, status__in=["C", "D"])
    assert key_of(one) == key_of(other)
    assert (one._shape("rows").values, other._shape("rows").values) == ([1, "A", "B"], [2, "C", "D"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (orders().filter(sent_at=None), orders().filter(message="")),
        (orders().filter(pk=1), orders().exclude(pk=1)),
        (orders().filter(pk=1), orders().filter(pk="1")),
        (orders().filter(pk__in=[1, 2]), orders().filter(pk__in=[1, 2, 3])),
        (orders().filter(pk__lt=1), orders().filter(pk__gt=1)),
        (orders().filter(Q(pk=1) | Q(slice=2)), orders().filter(Q(pk=1) & Q(slice=2))),
        (orders().filter(Q(pk=1)), orders().filter(~Q(pk=1))),
        (orders().filter(refused_by_reply=True), orders().filter(refused_by_reply=False)),
        (orders().order_by("id"), orders().order_by("-id")),
        (orders().only("status"), orders().only("slice")),
        (orders().values_list("status"), orders().values_list("status", flat=True)),
        (orders().select_related("transaction"), orders()),
    ],
)
def test_questions_whose_text_differs_are_of_two_shapes(one, other):
    assert None not in (key_of(one), key_of(other))
    assert key_of(one) != key_of(other)


def test_changes_to_nothing_and_to_a_value_are_of_two_shapes():
    assert key_of(orders(), "update", sent_at=None) != key_of(orders(), "update", sent_at="now")


def test_sums_of_columns_are_told_apart_and_give_their_numbers():
    more = orders()._shape("update", {"limit_price": F("limit_price") + Decimal(2)})
    less = orders()._shape("update", {"limit_price": F("limit_price") - Decimal(2)})
    assert more.key != less.key
    assert more.values == less.values == [Decimal(2)]


@pytest.mark.parametrize(
    "chain",
    [
        orders().filter(pk__in=Chain(HedgeOrder, OrderQuerySet).values("pk")),
        orders().filter(pk__in=[]),
        orders().filter(pk__in=[1, "1"]),
        orders().values_list(Value(0)),
        orders().filter(quantity=F("slice")),
    ],
)
def test_a_question_that_is_not_plain_has_no_shape(chain):
    assert key_of(chain) is None


def test_what_the_chain_does_not_know_is_asked_of_the_real_queryset():
    live = Chain(TradingSession, TradingSession.objects.all().__class__).open()
    assert isinstance(live, Chain)  # a question of our own, over the same calls
    assert str(live.query) == str(TradingSession.objects.open().query)
