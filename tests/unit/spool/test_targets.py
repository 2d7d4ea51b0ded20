"""Targets, their lanes and windows: pure; the clock is a number."""

from random import Random

import pytest

from headgate_gateway.spool.errors import LogState
from headgate_gateway.spool.load import runs_of
from headgate_gateway.spool.report import DrainRate, decide_refusal
from headgate_gateway.spool.targets import Awaits, Backoff, Lanes, Target, TargetState
from headgate_gateway.spool.window import LIVE_BYTES, LIVE_FOR, MOST_BYTES, TRIAL_BYTES, Window

EVEN = Random(1)


def a_state(*, keyed: bool = True) -> TargetState:
    return TargetState(Target("hash", "topic", keyed), "main")


def test_a_lane_is_busy_until_its_last_entry_has_gone() -> None:
    lanes = Lanes()
    lanes.add((1, 2))
    lanes.add((2, 3))
    lanes.remove((1, 2))
    assert (lanes.meets((1,)), lanes.meets((2,)), lanes.meets((3, 9))) == (False, True, True)
    lanes.remove((2, 3))
    assert (lanes.entries, lanes.meets((2,))) == (0, False)


def test_a_target_waits_longer_with_each_failure_and_not_for_ever() -> None:
    state, waits = a_state(), []
    for _ in range(12):
        state.block(100.0, Backoff(1.0, 30.0), EVEN, "away", Awaits.TIME)
        assert state.blocked_until is not None
        waits.append(state.blocked_until - 100.0)
    assert waits[0] < 1.3
    assert waits[3] > 6.0
    assert max(waits) <= 36.0


def test_a_target_opens_with_its_first_delivery_after_a_trial() -> None:
    state = a_state()
    state.block(0.0, Backoff(), EVEN, "away", Awaits.TIME)
    assert (state.is_open, state.may_try) == (False, False)
    state.try_again()
    assert (state.is_open, state.may_try, state.trial) == (False, True, True)
    state.delivered(5.0)
    assert (state.is_open, state.trial, state.failures) == (True, False, 0)


def test_a_delivery_of_what_was_on_its_way_opens_no_blocked_target() -> None:
    state = a_state()
    state.block(0.0, Backoff(), EVEN, "away", Awaits.TIME)
    state.delivered(1.0)
    assert not state.may_try


def test_what_waits_on_disk_keeps_only_its_own_lanes_busy() -> None:
    state = a_state()
    state.waiting.add((1,))
    state.appending.add((2,))
    assert (state.is_free((1,)), state.is_free((2,)), state.is_untouched((2,)), state.is_untouched((3,))) == (
        False,
        True,
        False,
        True,
    )


@pytest.mark.parametrize(
    ("refused_for", "age", "given_up"),
    [(700.0, 700.0, True), (700.0, 10.0, False), (10.0, 700.0, False)],
    ids=["both long", "just accepted", "just refused"],
)
def test_a_record_is_given_up_only_when_it_has_been_refused_for_the_stated_time(
    refused_for: float, age: float, given_up: bool
) -> None:
    state = a_state()
    state.refuse(1_000.0)
    assert state.is_given_up(1_000.0 + refused_for, age, 600.0) is given_up


def test_new_records_are_the_trial_of_a_target_that_has_none_on_disk() -> None:
    state = a_state()
    state.block(0.0, Backoff(), EVEN, "away", Awaits.TIME)
    seen = [state.takes_live]
    state.try_again()
    seen.append(state.takes_live)
    state.waiting.add((1,))
    assert [*seen, state.takes_live] == [False, True, False]


def test_earlier_live_requests_are_known_by_their_number() -> None:
    state = a_state()
    state.live = {3: None, 5: None}
    assert (state.has_live(3), state.has_live(4)) == (False, True)


def test_a_window_is_small_while_requests_wait_live_and_grows_while_none_do() -> None:
    window = Window()
    window.see(live=True, now=0.0)
    window.take(LIVE_BYTES)
    assert not window.has_room(1, trial=False)
    window.give(LIVE_BYTES, delivered=True, now=0.1)
    now = LIVE_FOR + 1.0
    for _ in range(20):
        while window.has_room(64_000, trial=False):
            window.take(64_000)
        window.give(64_000, delivered=True, now=now)
    assert window.in_flight > MOST_BYTES * 0.9
    window.see(live=True, now=now)
    assert not window.has_room(1, trial=False)


def test_a_window_takes_one_entry_of_any_size_and_little_on_trial() -> None:
    window = Window()
    assert window.has_room(10 * MOST_BYTES, trial=True)
    window.take(TRIAL_BYTES)
    assert not window.has_room(1, trial=True)
    assert window.has_room(1, trial=False)


def test_clients_are_told_to_wait_for_as_long_as_the_excess_takes_to_drain() -> None:
    rate = DrainRate(0.0)
    assert rate.seconds_for(1) == 300
    rate.look(100_000, 100.0)
    assert rate.bytes_per_second == pytest.approx(1_000.0)
    assert (rate.seconds_for(0), rate.seconds_for(20_000), rate.seconds_for(10**9)) == (1, 20, 300)


@pytest.mark.parametrize("state", list(LogState))
def test_only_a_log_that_is_ready_refuses_nothing(state: LogState) -> None:
    assert (decide_refusal(state, "", 0, DrainRate(0.0)) is None) is (state is LogState.READY)


def test_a_full_spool_says_how_much_of_it_is_parked_where_it_is_that_which_fills_it() -> None:
    told = [decide_refusal(LogState.FULL, "", 100, DrainRate(0.0), parked) for parked in (0, 99, 100)]
    assert ["parked" in refusal.message for refusal in told if refusal is not None] == [False, False, True]


def test_a_target_with_records_that_are_being_given_up_is_not_forgotten() -> None:
    state = a_state()
    state.burying = 1
    assert (state.is_empty, state.is_idle) == (False, False)


def test_positions_are_told_as_ranges() -> None:
    assert runs_of([0, 1, 2, 5, 7, 8]) == [(0, 3), (5, 6), (7, 9)]
