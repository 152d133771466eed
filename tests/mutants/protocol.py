"""Mutants of the order protocol: the state machine, the books, the wire's reply classes, the claims of processes on a row."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_MACHINE = "hedging/domain/lifecycle.py"
_READINGS = "unit/test_lifecycle_readings.py::"
_RECONCILE = "integration/test_engine_reconcile.py::"
_SEND = "integration/test_engine_send.py::"
_SHARED = "integration/test_shared_rows.py::"
_CLIENT = "hedging/brokers/openalgo/client.py"
_WIRE = "hedging/brokers/openalgo/wire/orders.py"
_REPLIES = "unit/test_wire_replies.py::"

MACHINE = (
    Mutant(
        invariant=1,
        guard="an edge that is not in the table raises",
        file=_MACHINE,
        old='    if status not in EDGES[order.status]:\n        raise IllegalTransition(f"{order.status} may not become {status}")\n',
        tests=("unit/test_lifecycle.py::test_only_a_new_slice_is_ever_posted",),
    ),
    Mutant(
        invariant=1,
        guard="lost only after three clean readings",
        file=_MACHINE,
        old="counted.clean_reads >= timing.lost_reads and long_ago",
        new="long_ago",
        tests=(f"{_READINGS}test_lost_wants_three_clean_readings_and_more_than_150_seconds",),
    ),
    Mutant(
        invariant=1,
        guard="lost only after 150 seconds",
        file=_MACHINE,
        old="counted.clean_reads >= timing.lost_reads and long_ago",
        new="counted.clean_reads >= timing.lost_reads",
        tests=(f"{_READINGS}test_lost_wants_three_clean_readings_and_more_than_150_seconds",),
    ),
    Mutant(
        invariant=1,
        guard="two orders that look like ours are a person's to judge",
        file=_MACHINE,
        old="    if len(event.lookalikes) > 1:\n",
        new="    if len(event.lookalikes) > 99:\n",
        tests=(f"{_READINGS}test_two_lookalikes_need_a_person_and_stop_buying",),
    ),
    Mutant(
        invariant=1,
        guard="a row that has no symbol yet is no clean reading",
        file=_MACHINE,
        old="    if event.doubtful:\n",
        new="    if len(event.doubtful) > 99:\n",
        tests=(f"{_READINGS}test_a_refusal_is_not_believed_while_a_row_has_no_symbol_yet",),
    ),
    Mutant(
        invariant=1,
        guard="a row that has no symbol yet is nobody's order",
        file="hedging/engine/books.py",
        old="        lookalikes=tuple(row.order_id for row in free if row.symbol),\n",
        new="        lookalikes=tuple(row.order_id for row in free),\n",
        tests=(f"{_RECONCILE}test_a_row_without_a_symbol_is_adopted_when_it_has_ours_and_not_before",),
    ),
    Mutant(
        invariant=1,
        guard="an attempt with a successor does not come back to life",
        file=_MACHINE,
        old=" or (order.status in TERMINAL and event.superseded)",
        tests=(f"{_READINGS}test_a_late_part_does_not_bring_an_attempt_back_to_life_beside_its_successor",),
    ),
    Mutant(
        invariant=1,
        guard="placed without an order id is unknown",
        file=_MACHINE,
        old='        outcome = _S.UNKNOWN  # "placed" without an id is no proof of anything\n',
        new="        pass\n",
        tests=(f"{_READINGS}test_placed_without_an_id_is_unknown",),
    ),
    Mutant(
        invariant=1,
        guard="a refusal with the broker's words wants one clean book",
        file=_MACHINE,
        old="    if outcome is _S.REJECTED and event.wants_clean_book:\n        return replace(order, refused_by_reply=True), ()\n",
        tests=(f"{_READINGS}test_a_refusal_with_the_brokers_words_wants_one_clean_book",),
    ),
    Mutant(
        invariant=2,
        guard="what surfaces after it was lost stops buying",
        file=_MACHINE,
        old='        effects = (*effects, StopBuying("an order believed lost has surfaced"))\n',
        new="        pass\n",
        tests=(f"{_READINGS}test_what_surfaces_after_it_was_given_up_is_adopted_and_stops_buying",),
    ),
    Mutant(
        invariant=4,
        guard="an end is believed at its second reading, 5 s later",
        file=_MACHINE,
        old="    if now - order.claimed_end_at < timedelta(seconds=timing.second_look_after):\n        return order, tuple(effects)\n",
        tests=(f"{_READINGS}test_an_end_is_believed_when_it_is_read_again_five_seconds_later",),
    ),
    Mutant(
        invariant=4,
        guard="a trade between two readings starts them over",
        file=_MACHINE,
        old="        known = replace(known, claimed_end=None, claimed_end_at=None)\n",
        tests=(f"{_READINGS}test_a_trade_between_two_equal_readings_starts_the_second_look_over",),
    ),
    Mutant(
        invariant=4,
        guard="two equal trades are two trades",
        file=_MACHINE,
        old="            rest.remove(trade)\n",
        new="            pass\n",
        tests=(f"{_READINGS}test_two_equal_trade_rows_are_two_trades",),
    ),
    Mutant(
        invariant=4,
        guard='"complete" without trades proves nothing',
        file=_MACHINE,
        old="    if end is None or end is _S.FILLED:  #",
        new="    if end is None:  #",
        tests=(f"{_READINGS}test_complete_without_trades_proves_nothing_however_often_it_is_read",),
    ),
    Mutant(
        invariant=2,
        guard="more filled than was ordered stops buying",
        file=_MACHINE,
        old='            effects.append(StopBuying("the broker filled more than was ordered"))\n',
        new="            pass\n",
        tests=(f"{_READINGS}test_more_than_was_ordered_is_recorded_whole_and_stops_buying",),
    ),
    Mutant(
        invariant=13,
        guard="an answer from another mode halts",
        file=_MACHINE,
        old='(Notify("mode_mismatch", event.message), StopTrading("MODE_MISMATCH"))',
        new='(Notify("mode_mismatch", event.message),)',
        tests=(f"{_READINGS}test_an_answer_from_another_mode_stops_buying",),
    ),
    Mutant(
        invariant=10,
        guard="an intent past its validity lapses",
        file=_MACHINE,
        old='    if now > order.valid_until:\n        return _move(order, _S.LAPSED), (Notify("intent_lapsed", Reason.DENY_EXPIRED_INTENT),)\n',
        tests=(f"{_READINGS}test_an_intent_past_its_validity_lapses",),
    ),
    Mutant(
        invariant=1,
        guard="the fingerprint is a price that no order of today has",
        file=_MACHINE,
        old=" and p not in taken]",
        new="]",
        tests=(f"{_READINGS}test_a_price_that_another_order_carries_is_avoided",),
    ),
    Mutant(
        invariant=2,
        guard="the fingerprint stays inside the worst price",
        file=_MACHINE,
        old=" and (worst - p) * side.sign >= 0",
        tests=(f"{_READINGS}test_without_a_free_price_inside_the_buffer_there_is_none",),
    ),
)

BOOKS = (
    Mutant(
        invariant=1,
        guard="an order that was there before ours is not ours",
        file="hedging/engine/books.py",
        old="        if row.order_id not in seen\n        and row.paper",
        new="        if row.paper",
        tests=(f"{_RECONCILE}test_a_foreign_order_that_was_there_before_is_not_taken_for_ours_when_it_gets_its_name",),
    ),
    Mutant(
        invariant=1,
        guard="an order of another slice of ours is not adopted",
        file="hedging/engine/books.py",
        old=" if row.order_id not in taken]",
        new="]",
        tests=(f"{_RECONCILE}test_the_order_of_another_slice_of_ours_is_never_adopted",),
    ),
    Mutant(
        invariant=7,
        guard="a paper order is not looked for among live ones",
        file="hedging/engine/books.py",
        old="        and row.paper == (order.mode == Mode.DRY_RUN)",
        new="       ",
        tests=(
            "integration/test_paper_modes.py::test_a_lost_paper_order_is_not_found_among_live_orders_that_look_like_it",
        ),
    ),
    Mutant(
        invariant=12,
        guard="books that could not be read are not read",
        file="hedging/engine/reconcile.py",
        old="            books_read = False\n",
        new="            books_read = True\n",
        tests=(f"{_RECONCILE}test_nothing_is_inferred_from_a_book_that_could_not_be_read",),
    ),
    Mutant(
        invariant=12,
        guard="another day's books say nothing of an order",
        file="hedging/engine/reconcile.py",
        old="    if trading_day_of(now) != day:\n",
        new="    if False:\n",
        tests=(f"{_RECONCILE}test_the_books_of_another_day_tell_nothing_of_an_order",),
    ),
    Mutant(
        invariant=1,
        guard="a sender is given up after 45 s, not before",
        file="hedging/engine/reconcile.py",
        old=" and wall_now - row.touched_wall > SENDER_DEADLINE",
        tests=(f"{_RECONCILE}test_a_sender_silent_for_45_seconds_leaves_an_unknown_behind",),
    ),
    Mutant(
        invariant=6,
        guard="a halt cancels what works",
        file="hedging/engine/reconcile.py",
        old="    if halted or row.transaction.session.trading_state == TradingState.HALTED:\n        return True\n",
        tests=(f"{_RECONCILE}test_a_halt_cancels_what_rests_and_tries_nothing_again",),
    ),
    Mutant(
        invariant=2,
        guard="an attempt that a late fill has overtaken is taken back",
        file="hedging/engine/reconcile.py",
        old="    if row.attempt > 1 and _is_overtaken(row):\n        return True\n",
        tests=(f"{_RECONCILE}test_a_late_fill_takes_its_successor_back_at_once_and_only_the_true_rest_is_tried_again",),
    ),
    Mutant(
        invariant=4,
        guard="an order believed lost is looked for after its expiry too",
        file="hedging/domain/reconciliation.py",
        old="            if settled and not books.paper:\n",
        new="            if False:\n",
        tests=(
            "unit/test_reconciliation.py::test_an_order_believed_lost_is_looked_for_after_its_contract_has_expired_too",
        ),
    ),
    Mutant(
        invariant=13,
        guard="an answer that names another order changes nothing",
        file=_MACHINE,
        old="    if order.order_id is not None:\n        # One",
        new="    if False:\n        # One",
        tests=(f"{_READINGS}test_a_late_reply_that_names_another_order_is_told_and_changes_nothing",),
    ),
    Mutant(
        invariant=17,
        guard="patience is that of the intent's own policy",
        file="hedging/engine/reconcile.py",
        old='int(row.transaction.decision.policy.get("chase_after_seconds", 10))',
        new="10",
        tests=(f"{_RECONCILE}test_an_intent_is_chased_by_the_policy_that_it_was_decided_under",),
    ),
    Mutant(
        invariant=5,
        guard="a missing hedge wants two equal readings",
        file="hedging/domain/reconciliation.py",
        old=" if now - first[d.key] >= d.patience)",
        new=")",
        tests=("unit/test_reconciliation.py::test_a_difference_is_acted_on_when_it_has_been_seen_long_enough",),
    ),
    Mutant(
        invariant=5,
        guard="what a person sold is taken off once",
        file="hedging/engine/discrepancies.py",
        old="    if moves or held.get((contract, product), 0) != difference.ours:\n        return False",
        new="    if False:\n        return False",
        tests=(
            "integration/test_discrepancies.py::test_a_worker_that_compared_before_another_took_it_off_takes_nothing",
        ),
    ),
)

WIRE = (
    Mutant(
        invariant=1,
        guard="a write is never repeated",
        file=_CLIENT,
        old="        outcome = self._attempt(endpoint, payload, seconds)\n",
        new="        outcome = self._attempt(endpoint, payload, seconds)\n"
        "        if not isinstance(outcome, Answer):\n            outcome = self._attempt(endpoint, payload, seconds)\n",
        tests=("unit/test_client_requests.py::test_a_write_is_never_repeated",),
    ),
    Mutant(
        invariant=1,
        guard="a connection lost after sending proves nothing",
        file=_CLIENT,
        old="        if outcome.before_sending:\n",
        new="        if outcome:\n",
        tests=("unit/test_client_requests.py::test_any_other_loss_leaves_the_outcome_unknown",),
    ),
    Mutant(
        invariant=1,
        guard="a 400 with words of a timeout proves nothing",
        file=_WIRE,
        old="    _Rule(lambda r: r.says(*_TIMEOUT_WORDS), _U, infrastructure=True),\n",
        tests=(f"{_REPLIES}test_words_of_a_timeout_in_a_4xx_prove_nothing",),
    ),
    Mutant(
        invariant=1,
        guard="a 200 acknowledges by its order id alone",
        file=_WIRE,
        old="            and r.order_id is not None\n",
        tests=(f"{_REPLIES}test_a_200_without_a_plain_order_id_proves_nothing",),
    ),
    Mutant(
        invariant=13,
        guard="an order of OpenAlgo's analyzer is no order",
        file=_WIRE,
        old='    _Rule(lambda r: r.fields.get("mode") == "analyze", ReplyClass.MODE_MISMATCH),\n',
        tests=(f"{_REPLIES}test_a_paper_order_of_openalgo_is_a_mode_mismatch_and_never_acked",),
    ),
    Mutant(
        invariant=7,
        guard="the reading client has read endpoints only",
        file=_CLIENT,
        old="        if endpoint not in READ_ENDPOINTS:\n",
        new="        if False:\n",
        tests=("unit/test_client_requests.py::test_a_client_reads_read_endpoints_only",),
    ),
    Mutant(
        invariant=7,
        guard="a dry run gets a broker without orders",
        file="hedging/brokers/factory.py",
        old="    if live:\n",
        new="    if live or paper_book is not None:\n",
        tests=("unit/test_dry_run.py::test_a_dry_run_holds_no_object_that_can_send_an_order",),
    ),
)

SHARED = (
    Mutant(
        invariant=1,
        guard="of two senders of a slice one is first",
        file="hedging/engine/orders.py",
        old='where={"version": row.version}',
        new="where={}",
        tests=(f"{_SEND}test_two_workers_with_the_same_slice_post_it_once",),
    ),
    Mutant(
        invariant=5,
        guard="two workers that see one fill meet at its row's lock",
        file="hedging/engine/orders.py",
        old=', locked=("", "transaction"))',
        new=")",
        tests=(f"{_SEND}test_a_fill_that_two_workers_see_at_once_is_booked_once",),
    ),
    Mutant(
        invariant=1,
        guard="of many workers one takes the account",
        file="hedging/engine/lease.py",
        old="    WHERE l.until <= %(now)s OR l.number = %(dead)s\n",
        tests=(f"{_SHARED}test_of_many_workers_one_takes_the_account",),
    ),
    Mutant(
        invariant=1,
        guard="of many processes one probes a breaker",
        file="hedging/engine/breaker.py",
        old="    return free.update(",
        new="    return half_open.update(",
        tests=(f"{_SHARED}test_of_many_processes_one_probes",),
    ),
    Mutant(
        invariant=8,
        guard="an alert is marked after it was sent",
        file="notifications/delivery.py",
        old="next_attempt_at=wall_now + CLAIM)",
        new="next_attempt_at=wall_now + CLAIM, delivered_at=wall_now)",
        tests=("integration/test_outbox.py::test_a_crash_between_sending_and_marking_sends_again_after_the_claim",),
    ),
)

MUTANTS = MACHINE + BOOKS + WIRE + SHARED
