"""A row read by a statement that was composed once is the row that the ORM reads, relations and what is missing included."""

from datetime import timedelta

import pytest

from hedging.access.sessions import SessionStore
from hedging.engine.one_row import OneRow
from hedging.selectors import current_session, last_session
from sessions_app.models import Mode, TradingSession
from tests import factories as make
from tests.integration.page_day import NOW

pytestmark = pytest.mark.django_db
WITH = {"account": (), "calibration": ()}


def by_the_orm(pk):
    return TradingSession.objects.select_related("account", "calibration").get(pk=pk)


@pytest.mark.parametrize("calibrated", [True, False])
def test_it_is_the_orms_row_with_its_relations(calibrated, django_assert_num_queries):
    account = make.AccountFactory.create()
    calibration = make.CalibrationFactory.create(account=account) if calibrated else None
    session = make.TradingSessionFactory.create(account=account, calibration=calibration)

    with django_assert_num_queries(1):
        read = OneRow(TradingSession, joined=WITH).get(session.pk)
        assert (read.account, read.calibration) == (account, calibration)

    wanted = by_the_orm(session.pk)
    for field in TradingSession._meta.concrete_fields:
        assert getattr(read, field.attname) == getattr(wanted, field.attname), field.attname


def test_the_first_of_some_is_first_by_its_order_and_of_none_is_none():
    older, newer = (
        make.TradingSessionFactory.create(trading_day=NOW.date() + timedelta(days=days)) for days in (-2, -1)
    )
    by_day = OneRow(TradingSession, where="t0.trading_day <= %s", first_by="t0.trading_day DESC")

    assert by_day.find(NOW.date()) == newer
    assert by_day.find(older.trading_day) == older
    assert by_day.find(NOW.date() - timedelta(days=9)) is None


@pytest.mark.parametrize(
    "asked", [{"joined": {"calibration": (), "calibration.account": ()}}, {"joined": WITH, "locked": ("calibration",)}]
)
def test_nothing_is_joined_to_what_may_be_missing_and_it_is_not_locked(asked):
    with pytest.raises(ValueError, match=r"calibration.* may be missing"):
        OneRow(TradingSession, **asked).find(1)


def test_what_is_gone_is_the_models_own_error():
    with pytest.raises(TradingSession.DoesNotExist, match="tradingsession 7"):
        OneRow(TradingSession).get(7)


def test_the_open_session_comes_before_a_closed_one_of_today_and_each_account_has_its_own():
    assert (current_session(now=NOW), last_session()) == (None, None)
    ours, theirs = make.AccountFactory.create(name="ours"), make.AccountFactory.create(name="theirs")
    still_open = make.TradingSessionFactory.create(account=ours, mode=Mode.DRY_RUN, trading_day=NOW.date())
    closed = make.TradingSessionFactory.create(account=theirs, trading_day=NOW.date(), closed_at=NOW)
    make.TradingSessionFactory.create(account=theirs, trading_day=NOW.date() - timedelta(days=1), closed_at=NOW)

    assert current_session(now=NOW) == still_open
    assert current_session(now=NOW, account="theirs") == closed
    assert current_session(now=NOW, account="nobody") is None
    assert last_session(account="theirs") == closed
    assert current_session(now=NOW + timedelta(days=3), account="theirs") is None


def test_a_login_is_read_while_it_is_valid_and_forgotten_afterwards():
    store = SessionStore()
    store["who"] = "a viewer"
    store.save()
    key = store.session_key

    assert SessionStore(key)["who"] == "a viewer"
    store.set_expiry(-1)
    store.save()
    late = SessionStore(key)
    assert (late.load(), late.session_key) == ({}, None)
    assert SessionStore("x" * 32).load() == {}
