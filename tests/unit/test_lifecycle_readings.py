"""What a reading proves and what it does not (orders.md §1, §3.6-3.7): one status word nothing, trades everything."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from hedging.domain.instruments import Side
from hedging.domain.lifecycle import (
    BooksRead,
    CancelRefused,
    CancelRequested,
    DayEnded,
    FenceClosed,
    IllegalTransition,
    Notify,
    OrderStatus,
    Post,
    PreflightFailed,
    PreflightPassed,
    Quarantine,
    RecordFills,
    Replied,
    Resolved,
    SendCancel,
    SenderGone,
    Slice,
    StopBuying,
    StopTrading,
    Trade,
    fingerprint_price,
    step,
)
from hedging.domain.reasons import Reason
from tests.unit.order_slices import HALF, ID, PRICE, T0, WHOLE, S, at, order, row

CLEAN = BooksRead()


def kinds(effects) -> list[str]:
    return [effect.kind for effect in effects if isinstance(effect, Notify)]


def after(known: Slice, *readings: tuple[float, BooksRead]) -> Slice:
    for second, books in readings:
        known, _ = step(known, books, at(second))
    return known


# --- a status word ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [S.REJECTED, S.CANCELLED, S.EXPIRED])
@pytest.mark.parametrize(("second", "believed"), [(4.9, False), (5, True), (5.1, True)])
def test_an_end_is_believed_when_it_is_read_again_five_seconds_later(end, second, believed):
    once = after(order(S.ACKED), (10, BooksRead(own=row(end))))
    assert once.status is S.ACKED  # one reading proves nothing: adapters show the status of the row before
    twice = after(once, (10 + second, BooksRead(own=row(end))))
    assert twice.status is (end if believed else S.ACKED)


def test_another_word_in_between_starts_the_second_look_over():
    known = after(order(S.ACKED), (10, BooksRead(own=row(S.REJECTED))), (14, BooksRead(own=row(None))))
    known = after(known, (16, BooksRead(own=row(S.REJECTED))))
    assert known.status is S.ACKED
    assert after(known, (20, BooksRead(own=row(S.CANCELLED)))).status is S.ACKED  # not the same word
    assert after(known, (21, BooksRead(own=row(S.REJECTED)))).status is S.REJECTED


def test_a_trade_between_two_equal_readings_starts_the_second_look_over():
    known = after(order(S.ACKED), (10, BooksRead(own=row(S.CANCELLED))))
    known = after(known, (16, BooksRead(own=row(S.CANCELLED), trades=HALF)))
    assert (known.status, known.claimed_end) == (S.PARTIAL, None)
    known = after(known, (17, BooksRead(own=row(S.CANCELLED), trades=HALF)))
    assert known.status is S.PARTIAL
    assert after(known, (22, BooksRead(own=row(S.CANCELLED), trades=HALF))).status is S.CANCELLED


def test_complete_without_trades_proves_nothing_however_often_it_is_read():
    known = after(order(S.ACKED), *((second, BooksRead(own=row(S.FILLED))) for second in range(5, 100, 5)))
    assert (known.status, known.filled_quantity) == (S.ACKED, 0)


def test_an_order_missing_from_a_book_is_still_an_order():
    known = after(order(S.ACKED), *((second, CLEAN) for second in range(5, 1000, 5)))
    assert known.status is S.ACKED


def test_a_rejection_read_twice_quarantines_the_contract():
    known = after(order(S.ACKED), (10, BooksRead(own=row(S.REJECTED))))
    _, effects = step(known, BooksRead(own=row(S.REJECTED)), at(15))
    assert kinds(effects) == ["order_rejected"]
    assert any(isinstance(effect, Quarantine) for effect in effects)


# --- the trade book ---------------------------------------------------------------------------------------------------


def test_trades_fill_an_order_whatever_its_status_word_says():
    known, effects = step(order(S.ACKED), BooksRead(own=row(S.REJECTED), trades=WHOLE), at(2))
    assert (known.status, effects) == (S.FILLED, (RecordFills(WHOLE), Notify("order_filled")))


def test_partial_then_cancelled_keeps_the_fill():
    known = after(order(S.ACKED), (2, BooksRead(own=row(None), trades=HALF)))
    cancelled = BooksRead(own=row(S.CANCELLED), trades=HALF)
    known = after(known, (10, cancelled), (15, cancelled))
    assert (known.status, known.filled_quantity, known.remaining_quantity) == (S.CANCELLED, 65, 65)


def test_rejected_after_a_part_was_filled_means_that_the_rest_was_withdrawn():
    rejected = BooksRead(own=row(S.REJECTED), trades=HALF)
    known = after(order(S.PARTIAL), (10, rejected))
    known, effects = step(known, rejected, at(15))
    assert known.status is S.CANCELLED
    assert not effects  # and the contract is not quarantined


def test_two_equal_trade_rows_are_two_trades():
    known = after(order(S.ACKED, quantity=195), (2, BooksRead(trades=HALF)), (3, BooksRead(trades=HALF * 2)))
    assert known.filled_quantity == 130


def test_a_trade_book_that_shows_less_than_before_takes_nothing_away():
    known = after(order(S.ACKED), (2, BooksRead(trades=HALF)), (3, CLEAN))
    assert (known.status, known.filled_quantity) == (S.PARTIAL, 65)


def test_more_than_was_ordered_is_recorded_whole_and_stops_buying():
    known, effects = step(order(S.ACKED), BooksRead(trades=(Trade(195, PRICE),)), at(2))
    assert (known.status, known.filled_quantity, known.remaining_quantity) == (S.FILLED, 195, 0)
    assert any(isinstance(effect, StopBuying) for effect in effects)


@pytest.mark.parametrize("status", [S.CANCELLED, S.REJECTED, S.EXPIRED])
@pytest.mark.parametrize(("trades", "becomes"), [(HALF, S.PARTIAL), (WHOLE, S.FILLED)])
def test_a_late_fill_is_booked_and_told(status, trades, becomes):
    known, effects = step(order(status), BooksRead(own=row(S.CANCELLED), trades=trades), at(60))
    assert known.status is becomes
    assert RecordFills(trades) in effects
    assert "late_fill" in kinds(effects)


def test_a_late_part_does_not_bring_an_attempt_back_to_life_beside_its_successor():
    known, effects = step(order(S.CANCELLED), BooksRead(trades=HALF, superseded=True), at(60))
    assert (known.status, known.filled_quantity) == (S.CANCELLED, 65)
    assert RecordFills(HALF) in effects
    assert "late_fill" in kinds(effects)


# --- nobody knows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reads", "second", "status"),
    [
        (2, 1000, S.UNKNOWN),  # too few readings, however old
        (3, 149, S.UNKNOWN),
        (3, 150, S.UNKNOWN),  # "over 150 s"
        (3, 151, S.LOST),
        (9, 150, S.UNKNOWN),
        (9, 151, S.LOST),
    ],
)
def test_lost_wants_three_clean_readings_and_more_than_150_seconds(reads, second, status):
    known = after(order(S.UNKNOWN), *((number, CLEAN) for number in range(1, reads)), (second, CLEAN))
    assert known.status is status


def test_an_order_that_shows_up_once_is_adopted_and_followed():
    known, effects = step(order(S.UNKNOWN), BooksRead(lookalikes=(ID,)), at(30))
    assert (known.status, known.order_id) == (S.ACKED, ID)
    assert effects == (Notify("order_adopted", ID),)
    assert after(known, (35, BooksRead(own=row(S.FILLED), trades=WHOLE))).status is S.FILLED


def test_two_lookalikes_need_a_person_and_stop_buying():
    known, effects = step(order(S.UNKNOWN), BooksRead(lookalikes=(ID, "other")), at(30))
    assert (known.status, known.order_id) == (S.REVIEW, None)
    assert kinds(effects) == ["order_review"]
    assert any(isinstance(effect, StopBuying) for effect in effects)
    assert after(known, (900, CLEAN), (1800, BooksRead(lookalikes=(ID,)))).status is S.REVIEW


def test_a_refusal_beside_two_lookalikes_is_unknown_and_then_for_a_person():
    """Two orders at the broker for one POST, and the answer was a refusal: neither believed, nor left with its sender for ever."""
    twice = BooksRead(lookalikes=(ID, "other"))
    known, effects = step(order(S.SENDING, refused_by_reply=True), twice, at(30))
    assert (known.status, known.refused_by_reply, kinds(effects)) == (S.UNKNOWN, False, ["order_unknown"])
    known, effects = step(known, twice, at(35))
    assert (known.status, kinds(effects)) == (S.REVIEW, ["order_review"])


def test_a_row_that_may_be_an_order_given_up_is_a_persons_to_judge_and_told_once():
    known, effects = step(order(S.LOST, clean_reads=3), BooksRead(doubtful=(ID,)), at(900))
    assert (known.status, kinds(effects)) == (S.LOST, ["order_review"])
    assert any(isinstance(effect, StopBuying) for effect in effects)
    assert step(known, BooksRead(doubtful=(ID,)), at(905)) == (known, ())
    assert step(known, Resolved(ID, "the broker's screen"), at(910))[0].status is S.ACKED


@pytest.mark.parametrize("status", [S.UNKNOWN, S.QUEUED_UPSTREAM, S.LOST])
def test_a_row_that_has_no_symbol_yet_is_neither_adopted_nor_a_clean_reading(status):
    before = order(status)
    assert step(before, BooksRead(doubtful=(ID,)), at(30)) == (before, ())
    assert step(before, BooksRead(lookalikes=(ID,), doubtful=("other",)), at(30)) == (before, ())
    assert step(before, BooksRead(lookalikes=(ID,)), at(30))[0].order_id == ID


def test_a_refusal_is_not_believed_while_a_row_has_no_symbol_yet():
    refused, _ = step(order(S.SENDING), Replied(S.REJECTED, wants_clean_book=True), at(1))
    assert step(refused, BooksRead(doubtful=(ID,)), at(2)) == (refused, ())
    assert step(refused, CLEAN, at(5))[0].status is S.REJECTED


@pytest.mark.parametrize("before", [S.UNKNOWN, S.QUEUED_UPSTREAM])
@pytest.mark.parametrize("beside", [(), ("other",)])
def test_a_row_that_never_gets_its_symbol_needs_a_person(before, beside):
    books = BooksRead(doubtful=(ID,), lookalikes=beside)
    assert step(order(before), books, at(150)) == (order(before), ())
    known, effects = step(order(before), books, at(151))
    assert (known.status, known.order_id) == (S.REVIEW, None)
    assert kinds(effects) == ["order_review"]


@pytest.mark.parametrize(
    "readings",
    [
        ["65@4.00", "130@4.05"],  # one row an order, which grows: its price is the average
        ["65@4.00", "130@4.05", "130@4.05"],
        ["65@4.00 65@4.10", "130@4.05"],  # rows that are joined
        ["65@4.00", "65@4.10", "65@4.00 65@4.10"],  # a reading that is not whole
    ],
)
def test_rows_that_a_book_corrects_are_not_counted_twice(readings):
    known = order(S.ACKED)
    for number, words in enumerate(readings):
        rows = tuple(Trade(int(q), Decimal(p)) for q, p in (word.split("@") for word in words.split()))
        known, effects = step(known, BooksRead(trades=rows), at(5 * number))
        assert not any(isinstance(effect, StopBuying) for effect in effects)
    money = sum(trade.quantity * trade.price for trade in known.trades)
    assert (known.filled_quantity, money) == (130, Decimal("526.50"))
    assert known.status is S.FILLED


def test_a_lost_order_with_two_lookalikes_is_told_once_and_buying_may_be_resumed():
    known, effects = step(order(S.LOST, clean_reads=3), BooksRead(lookalikes=("A1", "A2")), at(300))
    assert known.status is S.LOST
    assert kinds(effects) == ["order_review"]
    assert Notify("order_review", "several orders look like ours: A1, A2") in effects
    assert any(isinstance(effect, StopBuying) for effect in effects)
    assert step(known, BooksRead(lookalikes=("A1", "A2")), at(305)) == (known, ())


def test_two_readings_of_one_moment_are_one_however_late_the_second_is_applied():
    once = step(order(S.ACKED), BooksRead(own=row(S.CANCELLED), read_at=at(10)), at(10.3))[0]
    again = step(once, BooksRead(own=row(S.CANCELLED), read_at=at(9.9)), at(16))[0]
    assert (again.status, again.claimed_end_at) == (S.ACKED, at(10))
    assert step(again, BooksRead(own=row(S.CANCELLED), read_at=at(15)), at(16))[0].status is S.CANCELLED


def test_an_order_with_an_id_that_no_book_shows_is_told_once():
    known, told = order(S.ACKED, cancel_asked=True), []
    for second in (140, 151, 160, 170, 180, 190):
        known, effects = step(known, CLEAN, at(second))
        told += [(second, *kinds(effects))] if kinds(effects) else []
    assert told == [(170, "order_invisible")]
    assert (known.status, known.clean_reads) == (S.ACKED, 3)
    shown = step(order(S.ACKED, clean_reads=2), BooksRead(own=row(None)), at(200))
    assert kinds(shown[1]) == []


def test_what_surfaces_after_it_was_given_up_is_adopted_and_stops_buying():
    known, effects = step(order(S.LOST), BooksRead(lookalikes=(ID,)), at(600))
    assert (known.status, known.order_id) == (S.ACKED, ID)
    assert any(isinstance(effect, StopBuying) for effect in effects)


def test_a_person_decides_a_review():
    assert step(order(S.REVIEW), Resolved(ID), at(900))[0].order_id == ID
    assert step(order(S.REVIEW), Resolved(None), at(900))[0].status is S.LOST


def test_an_order_waiting_for_approval_is_not_lost_before_the_day_ends():
    known = after(order(S.QUEUED_UPSTREAM), *((second, CLEAN) for second in range(5, 2000, 100)))
    assert known.status is S.QUEUED_UPSTREAM
    assert step(known, BooksRead(lookalikes=(ID,)), at(2000))[0].status is S.ACKED
    assert step(known, DayEnded(), at(2000))[0].status is S.LOST


def test_an_unknown_order_outlives_the_day():
    assert step(order(S.UNKNOWN), DayEnded(), at(9))[0].status is S.UNKNOWN


# --- the reply --------------------------------------------------------------------------------------------------------


def test_a_refusal_with_the_brokers_words_wants_one_clean_book():
    refused, effects = step(order(S.SENDING), Replied(S.REJECTED, wants_clean_book=True), at(1))
    assert (refused.status, effects) == (S.SENDING, ())
    known, effects = step(refused, CLEAN, at(2))
    assert known.status is S.REJECTED
    assert any(isinstance(effect, Quarantine) for effect in effects)


def test_a_refused_order_that_is_in_the_book_was_not_refused():
    refused, _ = step(order(S.SENDING), Replied(S.REJECTED, wants_clean_book=True), at(1))
    known, _ = step(refused, BooksRead(lookalikes=(ID,)), at(2))
    assert (known.status, known.order_id, known.refused_by_reply) == (S.ACKED, ID, False)


def test_an_order_on_its_way_is_not_judged_by_a_book():
    assert step(order(S.SENDING), CLEAN, at(600)) == (order(S.SENDING), ())
    assert step(order(S.SENDING), BooksRead(lookalikes=(ID,)), at(1)) == (order(S.SENDING), ())


def test_placed_without_an_id_is_unknown():
    assert step(order(S.SENDING), Replied(S.ACKED, None), at(1))[0].status is S.UNKNOWN


@pytest.mark.parametrize("reply", [Replied(S.UNKNOWN, mode_mismatch=True), Replied(S.QUEUED_UPSTREAM)])
def test_an_answer_from_another_mode_halts(reply):
    known, effects = step(order(S.SENDING), reply, at(1))
    assert known.status is reply.outcome
    assert kinds(effects) == ["mode_mismatch"]
    assert StopTrading("MODE_MISMATCH") in effects


@pytest.mark.parametrize("status", [S.UNKNOWN, S.LOST, S.REVIEW, S.ACKED, S.CANCELLED])
def test_an_answer_from_another_mode_halts_although_its_sender_was_given_up(status):
    given_up = order(status)
    known, effects = step(given_up, Replied(S.UNKNOWN, mode_mismatch=True), at(50))
    assert known == given_up
    assert kinds(effects) == ["mode_mismatch"]
    assert StopTrading("MODE_MISMATCH") in effects


def test_what_waits_for_an_approval_is_never_lost_though_the_answer_came_late():
    known, effects = step(order(S.UNKNOWN), Replied(S.QUEUED_UPSTREAM), at(50))
    assert known.status is S.REVIEW
    assert kinds(effects) == ["mode_mismatch", "order_review"]
    assert StopTrading("MODE_MISMATCH") in effects
    for second in range(200, 230, 5):
        known, _ = step(known, BooksRead(), at(second))
    assert known.status is S.REVIEW


def test_a_reply_after_the_sender_was_given_up_brings_the_id_and_nothing_else():
    gone, _ = step(order(S.SENDING), SenderGone(), at(46))
    assert gone.status is S.UNKNOWN
    assert step(gone, Replied(S.ACKED, ID), at(50))[0].order_id == ID
    for outcome in (S.REJECTED, S.NOT_SENT, S.UNKNOWN):
        assert step(gone, Replied(outcome), at(50)) == (gone, ())


@pytest.mark.parametrize("status", [S.ACKED, S.PARTIAL, S.CANCEL_PENDING, S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED])
def test_a_late_reply_that_names_another_order_is_told_and_changes_nothing(status):
    adopted = order(status)
    assert step(adopted, Replied(S.ACKED, ID), at(50)) == (adopted, ())
    known, effects = step(adopted, Replied(S.ACKED, "another"), at(50))
    assert known == adopted
    assert kinds(effects) == ["order_mistaken"]
    assert len(effects) == 1  # nothing is stopped


def test_an_order_that_is_being_sent_is_not_for_a_person_to_settle():
    for seen in (ID, None):
        with pytest.raises(IllegalTransition):
            step(order(S.SENDING), Resolved(seen), at(1))


def test_the_fence_denies_what_is_new_and_says_not_sent_of_what_was_about_to_go():
    assert step(order(), FenceClosed(Reason.DENY_TRADING_STATE), at(1))[0].status is S.DENIED
    assert step(order(S.SENDING), FenceClosed(Reason.DENY_TRADING_STATE), at(1))[0].status is S.NOT_SENT


def test_a_sender_that_was_given_up_while_it_slept_finds_the_fence_closed_and_changes_nothing():
    given_up = order(S.UNKNOWN)
    assert step(given_up, FenceClosed(Reason.DENY_STALE_QUOTE), at(90)) == (given_up, ())


# --- time and cancels -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("second", "sent"), [(239, True), (240, True), (241, False)])
def test_an_intent_past_its_validity_lapses(second, sent):
    known, effects = step(order(), PreflightPassed(PRICE, frozenset()), at(second))
    assert known.status is (S.SENDING if sent else S.LAPSED)
    assert (Post() in effects) is sent


def test_a_failed_read_before_sending_sends_nothing():
    known, effects = step(order(), PreflightFailed(Reason.DENY_READS_FAILED), at(1))
    assert known.status is S.LAPSED
    assert Post() not in effects


def test_a_cancel_is_asked_for_once():
    pending, effects = step(order(S.PARTIAL), CancelRequested(), at(20))
    assert (pending.status, effects) == (S.CANCEL_PENDING, (SendCancel(ID),))
    assert step(pending, CancelRequested(), at(21)) == (pending, ())


@pytest.mark.parametrize(("trades", "status"), [((), S.ACKED), (HALF, S.PARTIAL)])
def test_a_refused_cancel_puts_the_order_back_to_work(trades, status):
    pending = replace(order(S.CANCEL_PENDING), trades=trades)
    assert step(pending, CancelRefused(), at(21))[0].status is status


def test_a_part_that_fills_while_the_cancel_is_in_the_air_does_not_send_a_second_cancel():
    known, effects = step(order(S.CANCEL_PENDING), BooksRead(own=row(None), trades=HALF), at(21))
    assert (known.status, effects) == (S.CANCEL_PENDING, (RecordFills(HALF),))


@pytest.mark.parametrize("status", [S.ACKED, S.PARTIAL, S.CANCEL_PENDING])
def test_what_still_works_at_the_end_of_the_day_has_expired(status):
    assert step(order(status), DayEnded(), at(9))[0].status is S.EXPIRED


def test_what_was_never_sent_lapses_at_the_end_of_the_day():
    assert step(order(), DayEnded(), at(9))[0].status is S.LAPSED


# --- the fingerprint --------------------------------------------------------------------------------------------------

TICK = Decimal("0.05")


def price(touch: str, worst: str, *taken: str, side: Side = Side.BUY) -> Decimal | None:
    return fingerprint_price(
        side=side, touch=Decimal(touch), tick=TICK, worst=Decimal(worst), taken=frozenset(map(Decimal, taken))
    )


def test_the_first_choice_is_a_few_ticks_through_the_touch():
    assert price("4.00", "4.50") == Decimal("4.15")
    assert price("4.00", "3.50", side=Side.SELL) == Decimal("3.85")


def test_a_price_that_another_order_carries_is_avoided():
    assert price("4.00", "4.50", "4.15") == Decimal("4.10")
    assert price("4.00", "4.50", "4.15", "4.10") == Decimal("4.20")


def test_a_price_that_a_person_would_choose_is_avoided():
    assert price("4.10", "4.60") == Decimal("4.20")  # three ticks would be 4.25
    assert price("3.85", "4.35") == Decimal("3.95")  # three ticks would be 4.00


def test_no_price_is_better_than_one_that_a_person_would_choose():
    assert price("4.00", "4.00") is None
    assert price("4.20", "4.25", "4.20") is None


def test_without_a_free_price_inside_the_buffer_there_is_none():
    assert price("4.05", "4.10", "4.05", "4.10") is None
    assert price("4.05", "4.00") is None


def test_a_sale_of_the_cheapest_option_is_never_priced_at_nothing():
    assert price("0.05", "0.05", side=Side.SELL) == TICK
    assert price("0.10", "0.05", side=Side.SELL) == TICK


ticks = st.integers(1, 400).map(lambda count: count * TICK)


@given(st.sampled_from(Side), ticks, st.integers(0, 20), st.frozensets(ticks, max_size=30))
def test_a_fingerprint_is_free_on_tick_through_the_touch_and_inside_the_buffer(side, touch, room, taken):
    worst = max(TICK, touch + side.sign * room * TICK)
    found = fingerprint_price(side=side, touch=touch, tick=TICK, worst=worst, taken=taken)
    if found is None:
        prices = {touch + side.sign * count * TICK for count in range(min(room, 10) + 1)}
        assert {price for price in prices if price >= TICK and price % Decimal("0.25")} <= taken
        return
    assert found not in taken
    assert found % TICK == 0
    assert (found - touch) * side.sign >= 0
    assert (worst - found) * side.sign >= 0
    assert found >= TICK


def test_the_slice_remembers_when_it_was_sent_and_what_was_there_before():
    known, _ = step(order(), PreflightPassed(PRICE, frozenset({"a", "b"})), at(3))
    assert (known.sent_at, known.limit_price, known.seen_order_ids) == (at(3), PRICE, frozenset({"a", "b"}))
    assert known.created_at == T0
    assert isinstance(known.status, OrderStatus)


def test_a_refusal_without_a_look_at_the_order_blames_no_contract():
    for unread, quarantined in ((True, 0), (False, 1)):
        rejected, effects = step(order(S.SENDING), Replied(S.REJECTED, message="429", unread=unread), at(1))
        assert rejected.status is S.REJECTED
        assert sum(isinstance(effect, Quarantine) for effect in effects) == quarantined


@pytest.mark.parametrize("status", [S.ACKED, S.PARTIAL, S.CANCEL_PENDING])
def test_an_order_whose_day_ended_unseen_ends_and_is_told(status):
    known, effects = step(order(status), DayEnded(books_read=False), at(80_000))
    assert (known.status, kinds(effects)) == (S.EXPIRED, ["order_unseen"])
    assert kinds(step(order(status), DayEnded(), at(80_000))[1]) == []
