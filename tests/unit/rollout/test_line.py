"""Slots, places in line, and waves that stop."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.rollout.builders import NEW, NEWER, OLD

from headgate_operator.rollout import reasons
from headgate_operator.rollout.line import Entry, admit, wants_rollout
from headgate_operator.rollout.model import Cause, Phase, RolloutState

WAVE = Cause(kind="Profile", wave="Profile/main@abc")


def entry(
    name: str, phase: Phase = Phase.STABLE, *, wants: bool = False, cause: Cause | None = None, **state: Any
) -> Entry:
    cause = cause or Cause()
    return Entry(("team", name), RolloutState(stable=OLD, phase=phase, cause=cause, **state), wants, cause)


def waiting(name: str, queued: float, cause: Cause | None = None) -> Entry:
    return entry(name, Phase.WAITING, wants=True, queued=queued, cause=cause)


def starters(*entries: Entry, slots: int = 1, budget: int = 1) -> set[str]:
    """Names of those in line that may start."""
    answers = admit(entries, slots, budget)
    return {entry.key[1] for entry in entries if entry.wants and answers[entry.key].may_start}


def line(name: str, *entries: Entry, slots: int = 1, budget: int = 1) -> str:
    return admit(entries, slots, budget)["team", name].line


def test_the_line_goes_by_time_then_by_name_and_newcomers_come_last() -> None:
    crowd = [entry("a", wants=True), waiting("c", 5.0), waiting("b", 5.0), waiting("d", 1.0)]
    assert starters(*crowd, slots=1) == {"d"}
    assert starters(*crowd, slots=2) == {"d", "b"}
    assert starters(*crowd, slots=3) == {"d", "b", "c"}
    assert starters(*crowd, slots=4) == {"a", "b", "c", "d"}


HOLDING = [Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING, Phase.ROLLING_BACK, Phase.SUPERSEDED]


@pytest.mark.parametrize("phase", Phase)
def test_a_rollout_under_way_holds_a_slot(phase: Phase) -> None:
    assert (starters(entry("a", phase), waiting("b", 1.0)) == set()) is (phase in HOLDING)


def test_who_waits_is_told_its_place_and_who_holds_the_slots() -> None:
    crowd = [entry("x", Phase.PROGRESSING), waiting("a", 1.0), waiting("b", 2.0)]
    assert line("b", *crowd) == "2 of 2 in line; the fleet's slots are held by team/x"
    assert line("b", *crowd, slots=2) == "1 of 1 in line; the fleet's slots are held by team/x, team/a"


def test_many_holders_are_counted_not_named() -> None:
    crowd = [entry(f"x{i}", Phase.PROGRESSING) for i in range(5)]
    assert line("a", *crowd, waiting("a", 1.0), slots=5).endswith("team/x0, team/x1, team/x2 and 2 more")


FAILED = entry("bad", Phase.ROLLED_BACK, cause=WAVE, reason=reasons.ANALYSIS_FAILED)


def test_a_wave_at_its_budget_admits_no_more_and_says_why() -> None:
    crowd = [FAILED, waiting("a", 1.0, WAVE), waiting("b", 2.0)]
    assert starters(*crowd) == {"b"}
    assert line("a", *crowd) == (
        "the wave Profile/main@abc stopped: 1 of 1 failures (team/bad); fix the profile, or retry what failed"
    )


def test_a_wave_within_its_budget_goes_on() -> None:
    assert starters(FAILED, waiting("a", 1.0, WAVE), budget=2) == {"a"}


def test_a_wave_stops_while_the_failure_is_still_rolling_back() -> None:
    back = entry("bad", Phase.ROLLING_BACK, cause=WAVE, reason=reasons.ANALYSIS_FAILED)
    assert starters(back, waiting("a", 1.0, WAVE), slots=5) == set()


def test_a_revert_is_no_failure_of_its_wave() -> None:
    back = entry("bad", Phase.ROLLING_BACK, cause=WAVE, reason=reasons.REVERTED)
    assert starters(back, waiting("a", 1.0, WAVE), slots=5) == {"a"}


def test_a_retry_lets_its_wave_go_on() -> None:
    assert starters(waiting("bad", 3.0, WAVE), waiting("a", 1.0, WAVE)) == {"a"}


def retrying(name: str) -> Entry:
    return replace(entry(name, Phase.ROLLED_BACK, wants=True, cause=WAVE, reason=reasons.ABORTED), retries=True)


def test_a_retry_starts_although_its_wave_has_stopped() -> None:
    assert starters(FAILED, retrying("again"), waiting("a", 1.0, WAVE), slots=5) == {"again"}


def test_a_retry_waits_for_a_slot_like_everybody() -> None:
    crowd = [entry("x", Phase.PROGRESSING), retrying("again")]
    assert starters(*crowd) == set()
    assert line("again", *crowd) == "1 of 1 in line; the fleet's slots are held by team/x"


def test_one_under_way_in_a_stopped_wave_goes_on() -> None:
    assert admit([FAILED, entry("a", Phase.PROGRESSING, cause=WAVE)], 1, 1)["team", "a"].may_start


def test_what_supersedes_keeps_its_slot_unless_its_wave_has_stopped() -> None:
    assert admit([entry("a", Phase.SUPERSEDED), entry("b", Phase.PROGRESSING)], 1, 1)["team", "a"].may_start
    assert not admit([FAILED, entry("a", Phase.SUPERSEDED, cause=WAVE)], 5, 1)["team", "a"].may_start


@pytest.mark.parametrize(
    ("phase", "desired", "immediate", "wants"),
    [
        (Phase.STABLE, NEW, False, True), (Phase.STABLE, OLD, False, False), (Phase.STABLE, None, False, False),
        (Phase.STABLE, NEW, True, False), (Phase.WAITING, NEW, False, True), (Phase.PROGRESSING, NEW, False, False),
        (Phase.ROLLED_BACK, NEW, False, False), (Phase.ROLLED_BACK, NEWER, False, True),
    ],
)  # fmt: skip
def test_who_wants_a_rollout(phase: Phase, desired: str | None, immediate: bool, wants: bool) -> None:
    state = RolloutState(stable=OLD, phase=phase, candidate=NEW)
    assert wants_rollout(state, desired, immediate=immediate) is wants


@pytest.mark.parametrize(("desired", "wants"), [(NEW, True), (NEWER, True), (OLD, False), (None, False)])
def test_a_retry_wants_a_rollout_of_what_was_refused(desired: str | None, wants: bool) -> None:
    state = RolloutState(stable=OLD, phase=Phase.ROLLED_BACK, candidate=NEW)
    assert wants_rollout(state, desired, immediate=False, retries=True) is wants
