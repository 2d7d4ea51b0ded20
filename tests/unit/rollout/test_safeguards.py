"""What the machine does when it sees only a part of the world, or when the world does not follow."""

from typing import Any

import pytest
from tests.unit.rollout.builders import NEW, NEWER, OLD, START, counted, gauge, observe, state

from headgate_operator.rollout import reasons
from headgate_operator.rollout.machine import step
from headgate_operator.rollout.model import Announce, CanarySight, Observation, Phase, RolloutState, Stage

GOOD = counted(200, 1_800)
BAD = counted(200, 1_800, rejected=100)
PARTLY: dict[str, Any] = {"fresh": False, "canary_fresh": True}
WEIGHTED = [Stage.SHIFTING, Stage.MEASURING, Stage.GATED, Stage.UNDECIDED]


def after(before: RolloutState, seen: Observation) -> RolloutState:
    return step(before, seen).state


# Some stable gateway cannot be read


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PAUSED])
@pytest.mark.parametrize("stage", WEIGHTED)
def test_the_canarys_counters_alone_take_it_back(phase: Phase, stage: Stage) -> None:
    found = after(state(phase, stage), observe(**PARTLY, **BAD))
    assert (found.phase, found.reason) == (Phase.ROLLING_BACK, reasons.ANALYSIS_FAILED)


@pytest.mark.parametrize("stage", WEIGHTED)
def test_the_canarys_counters_alone_let_nothing_go_on(stage: Stage) -> None:
    before = state(Phase.PROGRESSING, stage, entered=START - 100)
    found = after(before, observe(**PARTLY, **GOOD))
    assert (found.phase, found.stage, found.step, found.verified) == (before.phase, stage, 0, False)
    assert found.measurements


def test_a_canary_that_was_read_drains_beside_a_stable_gateway_that_was_not() -> None:
    draining = state(Phase.ROLLING_BACK, Stage.DRAINING, drained=20, quiet_since=START - 10)
    assert after(draining, observe(**PARTLY, **counted(20, 0))).stage is Stage.REMOVING


# The route does not follow


@pytest.mark.parametrize("phase", [Phase.ROLLING_BACK, Phase.SUPERSEDED, Phase.PROMOTING])
@pytest.mark.parametrize(
    ("live", "stage"), [(10, Stage.DRAINING), (0, Stage.REMOVING), (None, Stage.REMOVING)],
    ids=["the route still names it", "the route says 0", "no route"],
)  # fmt: skip
def test_a_canary_stays_as_long_as_the_live_route_gives_it_requests(
    phase: Phase, live: int | None, stage: Stage
) -> None:
    draining = state(phase, Stage.DRAINING, entered=START - 5_000)
    assert after(draining, observe(route_accepted=False, live_weight=live)).stage is stage


def test_a_canary_without_asked_weight_is_drained_when_the_live_route_carries_some() -> None:
    assert after(state(Phase.PROGRESSING), observe(desired=OLD, live_weight=10)).stage is Stage.DRAINING


def test_the_first_weight_waits_for_a_route_that_knows_the_canary() -> None:
    found = after(state(Phase.PROGRESSING), observe(route_accepted=False))
    assert (found.stage, found.weight) == (Stage.STARTING, 0)
    assert "the ingress has not accepted the route" in found.message
    growing = state(Phase.PROGRESSING, Stage.MEASURING).model_copy(
        update={"stage": Stage.STARTING, "step": 1, "size_for": 50}
    )
    assert after(growing, observe(route_accepted=False, **GOOD)).weight == 50


# Stable gateways do not confirm

CONFIRMING = state(Phase.PROMOTING, Stage.CONFIRMING, stable=NEW, weight=10)


@pytest.mark.parametrize("desired", [OLD, NEWER], ids=["reverted", "newer"])
def test_a_promotion_that_nobody_confirms_gives_way_to_another_spec(desired: str) -> None:
    draining = after(CONFIRMING, observe(desired=desired))
    removing = after(draining, observe(START + 1, desired=desired, canary=CanarySight()))
    done = after(removing, observe(START + 2, desired=desired, canary=CanarySight()))
    begun = after(done, observe(START + 3, desired=desired, canary=CanarySight()))
    assert (draining.weight, done.phase, done.stable) == (0, Phase.STABLE, NEW)
    assert (begun.phase, begun.candidate) == (Phase.PROGRESSING, desired)


@pytest.mark.parametrize("desired", [None, NEW], ids=["not accepted", "the same"])
def test_otherwise_it_waits_for_all_and_says_so_after_progress_deadline(desired: str | None) -> None:
    early, late = (after(CONFIRMING, observe(now, desired=desired)) for now in (START + 500, START + 600))
    assert early == CONFIRMING
    assert (late.stage, late.weight) == (Stage.CONFIRMING, 10)
    assert "has not confirmed within progressDeadline" in late.message


# The ingress does not find what the route names

LOST: dict[str, Any] = {"unresolved": "BackendNotFound: Service c not found", "route_accepted": False}


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PAUSED])
@pytest.mark.parametrize("stage", [Stage.MEASURING, Stage.GATED, Stage.UNDECIDED])
def test_what_the_ingress_had_found_and_has_lost_goes_back_after_two_seconds(phase: Phase, stage: Stage) -> None:
    waits = after(state(phase, stage, clock=START), observe(**LOST, **GOOD))
    assert waits.phase is phase
    assert after(waits, observe(START + 1.9, **LOST, **GOOD)).phase is phase
    found = after(waits, observe(START + 2, **LOST, **GOOD))
    assert (found.phase, found.weight, found.reason) == (Phase.ROLLING_BACK, 0, reasons.ROUTE_NOT_RESOLVED)
    assert "Service c not found" in found.message


def test_a_moment_in_which_the_ingress_does_not_find_it_sends_nothing_back() -> None:
    lost = after(state(Phase.PROGRESSING, Stage.MEASURING), observe(**LOST))
    found = after(lost, observe(START + 1))
    again = after(found, observe(START + 2, **LOST))
    assert after(again, observe(START + 3, **LOST)).phase is Phase.PROGRESSING


def test_a_growing_canary_that_the_ingress_has_lost_goes_back() -> None:
    growing = state(Phase.PROGRESSING, Stage.MEASURING).model_copy(update={"stage": Stage.STARTING, "step": 1})
    assert after(after(growing, observe(**LOST)), observe(START + 2, **LOST)).reason == reasons.ROUTE_NOT_RESOLVED


def test_a_route_that_the_ingress_has_just_been_given_may_be_unresolved_for_five_seconds() -> None:
    given = state(Phase.PROGRESSING, Stage.SHIFTING)
    waits = after(given, observe(**LOST))
    assert waits.phase is Phase.PROGRESSING
    assert after(waits, observe(START + 4.9, **LOST)).phase is Phase.PROGRESSING
    assert after(waits, observe(START + 5, **LOST)).reason == reasons.ROUTE_NOT_RESOLVED


def test_five_seconds_count_without_a_break() -> None:
    waits = after(state(Phase.PROGRESSING, Stage.SHIFTING), observe(**LOST))
    found = after(waits, observe(START + 3, route_accepted=False))
    again = after(found, observe(START + 4, **LOST))
    assert after(again, observe(START + 8, **LOST)).phase is Phase.PROGRESSING


def test_a_route_that_was_accepted_with_this_weight_and_is_lost_goes_back() -> None:
    lost = after(after(state(Phase.PROGRESSING, Stage.SHIFTING), observe()), observe(START + 1, **LOST))
    assert lost.phase is Phase.PROGRESSING
    assert after(lost, observe(START + 6, **LOST)).reason == reasons.ROUTE_NOT_RESOLVED


def test_without_weight_nothing_is_lost() -> None:
    assert after(state(Phase.PROGRESSING), observe(START + 20, **LOST)).phase is Phase.PROGRESSING


# The repo's namespace cannot be read

BLIND: dict[str, Any] = {"unreadable": "EventRepos in namespace team cannot be read"}


@pytest.mark.parametrize("stage", [Stage.STARTING, *WEIGHTED])
@pytest.mark.parametrize("desired", [NEW, None, OLD, NEWER], ids=["the same", "unknown", "old", "newer"])
@pytest.mark.parametrize("immediate", [False, True])
def test_a_repo_that_cannot_be_read_is_held_with_its_weight(stage: Stage, desired: str | None, immediate: bool) -> None:
    before = state(Phase.PROGRESSING, stage)
    held = after(before, observe(desired=desired, immediate=immediate, **BLIND, **GOOD))
    assert (held.phase, held.stage, held.reason) == (Phase.PAUSED, stage, reasons.NAMESPACE_UNREADABLE)
    assert (held.weight, held.step, held.clock) == (before.weight, 0, before.clock)
    assert "namespace team cannot be read" in held.message


def test_once_it_can_be_read_it_goes_on_with_its_clock_moved_by_the_pause() -> None:
    before = state(Phase.PROGRESSING, Stage.MEASURING, clock=START - 30)
    held = after(before, observe(**BLIND, **GOOD))
    again = after(held, observe(START + 100, **GOOD))
    assert (again.phase, again.stage, again.clock) == (Phase.PROGRESSING, Stage.MEASURING, START + 70)
    assert after(again, observe(START + 129, **GOOD)).step == 0
    assert after(again, observe(START + 130, **GOOD)).step == 1


def test_a_spec_that_was_set_back_meanwhile_ends_it_once_it_is_read() -> None:
    held = after(state(Phase.PROGRESSING, Stage.MEASURING), observe(**BLIND))
    assert after(held, observe(START + 9, desired=OLD)).reason == reasons.REVERTED


@pytest.mark.parametrize("fields", [BAD, {"canary": CanarySight(exists=True)}], ids=["fails", "dead"])
def test_a_repo_that_cannot_be_read_goes_back_all_the_same_when_its_canary_is_bad(fields: dict[str, Any]) -> None:
    held = after(state(Phase.PROGRESSING, Stage.MEASURING), observe(**BLIND))
    assert after(held, observe(START + 1, **BLIND, **fields)).phase is Phase.ROLLING_BACK


def test_one_that_stays_unreadable_goes_back_at_the_deadline_and_begins_nothing_until_it_is_read() -> None:
    held = after(state(Phase.PROGRESSING, Stage.MEASURING), observe(**BLIND, **GOOD))
    assert after(held, observe(START + 600, **BLIND, **GOOD)).phase is Phase.PAUSED
    back = step(held, observe(START + 601, **BLIND, **GOOD))
    assert (back.state.phase, back.state.weight) == (Phase.ROLLING_BACK, 0)
    assert [each.type for each in back.actions if isinstance(each, Announce)] == ["Warning"]
    removing = after(back.state, observe(START + 602, canary=CanarySight(), **BLIND))
    done = after(removing, observe(START + 603, canary=CanarySight(), **BLIND))
    assert (done.phase, done.reason) == (Phase.STABLE, reasons.NAMESPACE_UNREADABLE)
    assert after(done, observe(START + 604, **BLIND)) == done
    assert after(done, observe(START + 605)).phase is Phase.PROGRESSING


def test_one_that_somebody_paused_stays_paused_whether_or_not_it_can_be_read() -> None:
    paused = state(Phase.PAUSED, Stage.MEASURING, reason=reasons.PAUSED)
    found = after(after(paused, observe(START + 5_000, **BLIND, **GOOD)), observe(START + 5_001, **GOOD))
    assert (found.phase, found.reason) == (Phase.PAUSED, reasons.PAUSED)


@pytest.mark.parametrize("reason", [reasons.PAUSED, reasons.INCONCLUSIVE])
def test_one_that_is_paused_goes_back_when_it_cannot_be_read_for_longer_than_the_deadline(reason: str) -> None:
    paused = state(Phase.PAUSED, Stage.MEASURING, reason=reason, entered=START - 5_000)
    blind = after(paused, observe(**BLIND, **GOOD))
    assert (blind.phase, blind.reason) == (Phase.PAUSED, reason)
    assert after(blind, observe(START + 600, **BLIND, **GOOD)).phase is Phase.PAUSED
    back = after(blind, observe(START + 601, **BLIND, **GOOD))
    assert (back.phase, back.weight, back.reason) == (Phase.ROLLING_BACK, 0, reasons.NAMESPACE_UNREADABLE)
    seen_again = after(blind, observe(START + 599, **GOOD))
    assert after(after(seen_again, observe(START + 601, **BLIND)), observe(START + 700, **BLIND)).reason == reason


@pytest.mark.parametrize("phase", [Phase.STABLE, Phase.WAITING, Phase.ROLLED_BACK])
@pytest.mark.parametrize("desired", [NEWER, OLD, None])
def test_an_old_spec_begins_and_ends_nothing(phase: Phase, desired: str | None) -> None:
    found = after(state(phase), observe(desired=desired, **BLIND))
    assert (found.phase, found.candidate, found.stable) == (phase, state(phase).candidate, OLD)


# The policy or the spec turns under way


@pytest.mark.parametrize(
    ("fields", "phase"),
    [(GOOD, Phase.PROMOTING), (BAD, Phase.ROLLING_BACK), ({"canary": CanarySight(exists=True)}, Phase.ROLLING_BACK)],
    ids=["good", "bad", "dead"],
)
def test_a_policy_that_becomes_immediate_promotes_nothing_that_fails(fields: dict[str, Any], phase: Phase) -> None:
    assert after(state(Phase.PROGRESSING, Stage.MEASURING), observe(immediate=True, **fields)).phase is phase


def test_what_went_back_for_a_spec_that_was_not_accepted_starts_again_once_it_is() -> None:
    back = step(state(Phase.PROGRESSING, Stage.MEASURING), observe(desired=None, refusal="no such Secret"))
    assert [each.type for each in back.actions if isinstance(each, Announce)] == ["Warning"]
    removing = after(back.state, observe(START + 1, desired=None, canary=CanarySight()))
    done = after(removing, observe(START + 2, desired=None, canary=CanarySight()))
    assert (done.phase, done.reason, done.history[-1].result) == (Phase.STABLE, reasons.SPEC_NOT_ACCEPTED, "Reverted")
    again = after(done, observe(START + 3))
    assert (again.phase, again.candidate) == (Phase.PROGRESSING, NEW)


# The clock is set back


def test_times_in_the_future_become_now() -> None:
    before = state(Phase.PROGRESSING, Stage.MEASURING)
    found = after(before, observe(START - 5_000))
    assert found.marks is not None
    assert (found.entered, found.clock, found.marks.at) == (START - 5_000,) * 3
    assert after(found, observe(START - 4_900, **GOOD)).step == 1


def test_marks_of_a_split_keep_two_counters_of_a_process() -> None:
    found = after(state(Phase.PROGRESSING), observe(**counted(7, 70, excluded=3, rejected=2)))
    assert found.split_marks is not None
    slim = found.split_marks.canary[0].sample
    assert (slim.requests, slim.excluded, slim.received, slim.latency, slim.records) == (7, 3, 0, (), {})
    assert found.split_marks.stable[0].process == gauge("s").process
