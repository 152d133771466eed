"""Preview tokens: for thirty seconds, for one holder, and for exactly what was shown."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from hedging.domain.instruments import Contract, Index, Right
from hedging.domain.manual import Deed, Quoted, QuotedLeg
from hedging.manual_tokens import LONGEST, VALID_FOR, TokenRefused, open_token, seal

NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
LEGS = tuple(
    QuotedLeg(Contract(Index.NIFTY, date(2026, 12, 1), Decimal(strike), right), 2, Decimal("4.05"), Decimal("4.50"))
    for strike, right in (("26500", Right.CE), ("25500", Right.PE))
)
QUOTED = Quoted(7, Deed.BUY, False, "0123456789abcdef", LEGS)


def refused(token: str, *, holder: str = "alice", after: timedelta = timedelta(0)) -> TokenRefused:
    with pytest.raises(TokenRefused) as caught:
        open_token(token=token, holder=holder, wall_now=NOW + after)
    return caught.value


def test_a_token_gives_back_what_was_sealed():
    token = seal(quoted=QUOTED, holder="alice", wall_now=NOW)
    assert open_token(token=token, holder="alice", wall_now=NOW).quoted == QUOTED


def test_every_token_has_a_name_of_its_own():
    names = {
        open_token(token=seal(quoted=QUOTED, holder="a", wall_now=NOW), holder="a", wall_now=NOW).name for _ in range(5)
    }
    assert len(names) == 5


@pytest.mark.parametrize(("seconds", "valid"), [(29.999, True), (30, False), (31, False)])
def test_a_token_lives_thirty_seconds_of_wall_time(seconds, valid):
    assert timedelta(seconds=30) == VALID_FOR
    token, after = seal(quoted=QUOTED, holder="alice", wall_now=NOW), timedelta(seconds=seconds)
    if valid:
        assert open_token(token=token, holder="alice", wall_now=NOW + after).quoted == QUOTED
    else:
        assert refused(token, after=after).code == "PREVIEW_EXPIRED"


def test_a_token_is_its_holders_own():
    assert refused(seal(quoted=QUOTED, holder="alice", wall_now=NOW), holder="bob").code == "PREVIEW_NOT_YOURS"


def test_a_token_of_which_one_letter_was_changed_is_none():
    token = seal(quoted=QUOTED, holder="alice", wall_now=NOW)
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(0, len(token), 7)]
    assert {refused(one).code for one in changed} == {"PREVIEW_INVALID"}


@pytest.mark.parametrize("token", ["", ":", "no token", "é:ü", "x" * (LONGEST + 1), "e30:" + "A" * 43])
def test_what_is_no_token_is_refused(token):
    assert refused(token).code == "PREVIEW_INVALID"


def test_a_token_signed_with_another_key_is_none(settings):
    token = seal(quoted=QUOTED, holder="alice", wall_now=NOW)
    settings.SECRET_KEY = "another"
    assert refused(token).code == "PREVIEW_INVALID"
