"""The state machine: each phase against what may be observed in it."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.rollout.builders import (
    HEALTHY,
    NEW,
    NEWER,
    OLD,
    START,
    counted,
    gauge,
    observe,
    policy,
    state,
)

from headgate_gateway.config.analysis import WrittenRange
from headgate_operator.rollout import reasons
from headgate_operator.rollout.machine import step
from headgate_operator.rollout.model import (
    Announce,
    CanarySight,
    Observation,
    Phase,
    Preflight,
    RemoveCanary,
    RolloutState,
    RouteWeight,
    RunCanary,
    ServeStable,
    Stage,
)

Where = tuple[Phase, Stage, str]

PROGRESSING, PAUSED, PROMOTING = Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING
ROLLING_BACK, ROLLED_BACK, SUPERSEDED = Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.SUPERSEDED
STABLE, WAITING = Phase.STABLE, Phase.WAITING
STARTING, SHIFTING, MEASURING = Stage.STARTING, Stage.SHIFTING, Stage.MEASURING
GATED, UNDECIDED, CONFIRMING = Stage.GATED, Stage.UNDECIDED, Stage.CONFIRMING
DRAINING, REMOVING = Stage.DRAINING, Stage.REMOVING

GOOD = counted(200, 1_800)
BAD = counted(200, 1_800, rejected=100)
FEW = counted(19, 171)
DOWN = replace(HEALTHY, ready=0)
MANUAL = policy(steps=[{"weight": 10, "hold": "Manual"}, {"weight": 50}])
ONE_STEP = policy(steps=[{"weight": 10}])


def where(found: RolloutState) -> Where:
    return found.phase, found.stage, found.reason


def after(before: RolloutState, seen: Observation) -> RolloutState:
    return step(before, seen).state


UNDER_WAY = [
    (PROGRESSING, STARTING), (PROGRESSING, SHIFTING), (PROGRESSING, MEASURING), (PROGRESSING, GATED),
    (PROGRESSING, UNDECIDED), (PAUSED, STARTING), (PAUSED, MEASURING), (PAUSED, GATED), (PAUSED, UNDECIDED),
]  # fmt: skip
LEAVING = [
    (PROMOTING, CONFIRMING), (PROMOTING, DRAINING), (PROMOTING, REMOVING), (ROLLING_BACK, DRAINING),
    (ROLLING_BACK, REMOVING), (SUPERSEDED, DRAINING), (SUPERSEDED, REMOVING),
]  # fmt: skip
ALL = [(STABLE, STARTING), (WAITING, STARTING), (ROLLED_BACK, STARTING), *UNDER_WAY, *LEAVING]

under_way = pytest.mark.parametrize(("phase", "stage"), UNDER_WAY)
weighted = pytest.mark.parametrize(("phase", "stage"), [place for place in UNDER_WAY if place[1] is not STARTING])


def stands(phase: Phase, stage: Stage) -> RolloutState:
    """A state in which this phase and stage are usual."""
    fields: dict[str, Any] = {"reason": reasons.ANALYSIS_FAILED} if phase is ROLLING_BACK else {}
    if phase is PROMOTING:
        fields = {"stable": NEW, "weight": 10 if stage is CONFIRMING else 0}
    return state(phase, stage, **fields)


# Every phase against every observation: no surprise anywhere.

OBSERVATIONS: dict[str, dict[str, Any]] = {
    "healthy": {}, "good traffic": GOOD, "bad traffic": BAD, "little traffic": FEW, "stale": {"fresh": False, **BAD},
    "not accepted": {"desired": None}, "reverted": {"desired": OLD}, "newer": {"desired": NEWER},
    "no ready pod": {"canary": DOWN}, "no canary": {"canary": CanarySight()}, "gone": {"exists": False},
    "route not accepted": {"route_accepted": False}, "confirmed": {"stable_confirmed": True},
    "refused": {"canary": replace(HEALTHY, refused="x")}, "crash": {"canary": replace(HEALTHY, restarts=1)},
    "preflight failed": {"canary": replace(HEALTHY, preflight=Preflight.FAILED)},
    "route not resolved": {"unresolved": "BackendNotFound", "route_accepted": False},
    "no slot": {"may_start": False}, "immediate": {"immediate": True}, "much later": {"now": START + 10_000},
}  # fmt: skip


KAFKA: dict[str, Any] = {
    "gauges_canary": (gauge("c", 200, errors=80),),
    "gauges_stable": (gauge("s", 1_800, revision=OLD, errors=720),),
}
OBSERVATIONS["kafka fails"] = KAFKA


@pytest.mark.parametrize("fields", OBSERVATIONS.values(), ids=OBSERVATIONS)
@pytest.mark.parametrize(("phase", "stage"), ALL)
def test_stepping_twice_with_the_same_observation_changes_nothing(
    phase: Phase, stage: Stage, fields: dict[str, Any]
) -> None:
    seen = observe(**fields)
    first = step(stands(phase, stage), seen)
    again = step(first.state, seen)
    assert again.state == first.state
    assert again.actions == tuple(action for action in first.actions if not isinstance(action, Announce))


@pytest.mark.parametrize("fields", OBSERVATIONS.values(), ids=OBSERVATIONS)
@pytest.mark.parametrize(("phase", "stage"), ALL)
def test_actions_never_run_a_canary_with_weight_and_remove_it(
    phase: Phase, stage: Stage, fields: dict[str, Any]
) -> None:
    actions = step(stands(phase, stage), observe(**fields)).actions
    runs = [action for action in actions if isinstance(action, RunCanary)]
    weights = [action.weight for action in actions if isinstance(action, RouteWeight)]
    assert len(weights) == 1
    assert (RemoveCanary() in actions) is not bool(runs)
    assert weights[0] == 0 or runs


# Beginning


def test_a_new_revision_begins_with_a_canary_and_no_weight() -> None:
    done = step(state(), observe())
    assert where(done.state) == (PROGRESSING, STARTING, reasons.CANARY_STARTING)
    assert done.actions[:3] == (ServeStable(OLD), RunCanary(NEW, 10), RouteWeight(0))
    assert [action.reason for action in done.actions if isinstance(action, Announce)] == [reasons.CANARY_STARTING]


def test_without_a_slot_it_waits_and_says_for_what() -> None:
    done = step(state(), observe(may_start=False, line="2 of 3 in line"))
    assert where(done.state) == (WAITING, STARTING, reasons.IN_LINE)
    assert done.state.message == "2 of 3 in line"
    assert done.actions[:3] == (ServeStable(OLD), RouteWeight(0), RemoveCanary())


@pytest.mark.parametrize("desired", [None, OLD], ids=["not accepted", "stable"])
@pytest.mark.parametrize("immediate", [False, True])
def test_nothing_else_leaves_stable(desired: str | None, immediate: bool) -> None:
    assert after(state(), observe(desired=desired, immediate=immediate)) == state()


@pytest.mark.parametrize("phase", [STABLE, WAITING])
def test_an_immediate_change_is_promoted_at_once(phase: Phase) -> None:
    done = step(state(phase), observe(immediate=True))
    assert (done.state.phase, done.state.stable, done.state.candidate) == (STABLE, NEW, None)
    assert done.state.history[-1].result == "Promoted"
    assert done.actions[:3] == (ServeStable(NEW), RouteWeight(0), RemoveCanary())


WAITS: dict[str, tuple[dict[str, Any], Where, str | None]] = {
    "slot": ({}, (PROGRESSING, STARTING, reasons.CANARY_STARTING), NEW),
    "no slot": ({"may_start": False}, (WAITING, STARTING, ""), NEW),
    "newer": ({"may_start": False, "desired": NEWER}, (WAITING, STARTING, ""), NEWER),
    "reverted": ({"desired": OLD}, (STABLE, STARTING, reasons.REVERTED), None),
    "not accepted": ({"desired": None}, (STABLE, STARTING, reasons.SPEC_NOT_ACCEPTED), None),
}


@pytest.mark.parametrize(("fields", "expected", "candidate"), WAITS.values(), ids=WAITS)
def test_in_line(fields: dict[str, Any], expected: Where, candidate: str | None) -> None:
    found = after(state(WAITING), observe(**fields))
    assert (where(found), found.candidate) == (expected, candidate)


def test_a_newer_revision_keeps_the_place_in_line() -> None:
    assert after(state(WAITING), observe(may_start=False, desired=NEWER)).queued == state(WAITING).queued


# Starting

NOT_READY: dict[str, dict[str, Any]] = {
    "no pods asked for yet": {"canary": replace(HEALTHY, desired=0, ready=0)},
    "pods missing": {"canary": replace(HEALTHY, desired=2)},
    "not loaded": {"canary": replace(HEALTHY, loaded=False)},
    "preflight pending": {"canary": replace(HEALTHY, preflight=Preflight.PENDING)},
    "image cannot be pulled": {"canary": replace(HEALTHY, ready=0, trouble="ErrImagePull")},
    "stale counters": {"fresh": False},
    "only the canary was read": {"fresh": False, "canary_fresh": True},
    "route not accepted": {"route_accepted": False},
}


@pytest.mark.parametrize("fields", NOT_READY.values(), ids=NOT_READY)
def test_no_weight_before_the_canary_is_ready(fields: dict[str, Any]) -> None:
    found = after(state(PROGRESSING), observe(**fields))
    assert (found.phase, found.stage, found.weight) == (PROGRESSING, STARTING, 0)


@pytest.mark.parametrize("fields", NOT_READY.values(), ids=NOT_READY)
def test_a_canary_that_is_not_ready_by_the_deadline_goes_back(fields: dict[str, Any]) -> None:
    found = after(state(PROGRESSING), observe(START + 600, **fields))
    assert where(found) == (ROLLING_BACK, REMOVING, reasons.PROGRESS_DEADLINE_EXCEEDED)


def test_the_deadlines_message_names_the_trouble() -> None:
    found = after(state(PROGRESSING), observe(START + 600, **NOT_READY["image cannot be pulled"]))
    assert "ErrImagePull" in found.message


def test_a_ready_canary_gets_the_first_steps_weight() -> None:
    done = step(state(PROGRESSING), observe(canary=replace(HEALTHY, restarts=3), **counted(5, 50)))
    assert where(done.state) == (PROGRESSING, SHIFTING, reasons.WEIGHT_REQUESTED)
    assert done.actions[:3] == (ServeStable(OLD), RunCanary(NEW, 10), RouteWeight(10))
    assert done.state.marks is not None
    assert done.state.split_marks is not None
    assert done.state.marks.canary[0].sample.requests == done.state.split_marks.canary[0].sample.requests == 5
    assert done.state.restarts == 3


@under_way
def test_a_config_that_the_canarys_gateways_refuse_goes_back_at_once(phase: Phase, stage: Stage) -> None:
    found = after(state(phase, stage), observe(canary=replace(HEALTHY, refused="no such field")))
    assert where(found) == (ROLLING_BACK, REMOVING if stage is STARTING else DRAINING, reasons.CONFIG_REFUSED)
    assert "no such field" in found.message
    assert found.weight == 0


UNDELIVERABLE = replace(HEALTHY, preflight=Preflight.FAILED, preflight_problem="no such topic")


@pytest.mark.parametrize("phase", [PROGRESSING, PAUSED])
def test_a_failed_preflight_goes_back_before_any_weight(phase: Phase) -> None:
    found = after(state(phase, STARTING), observe(canary=UNDELIVERABLE))
    assert where(found) == (ROLLING_BACK, REMOVING, reasons.PREFLIGHT_FAILED)
    assert "no such topic" in found.message


@weighted
def test_with_weight_the_counters_judge_and_no_preflight(phase: Phase, stage: Stage) -> None:
    assert after(state(phase, stage), observe(canary=UNDELIVERABLE, **FEW)).phase is not ROLLING_BACK
    assert after(state(phase, stage), observe(canary=UNDELIVERABLE, **BAD)).reason == reasons.ANALYSIS_FAILED


def test_a_canary_whose_preflight_fails_gets_no_more_weight() -> None:
    growing = state(PROGRESSING, MEASURING).model_copy(update={"stage": STARTING, "step": 1, "size_for": 50})
    assert after(growing, observe(canary=UNDELIVERABLE, **GOOD)).weight == 10


# The spec changes under way


@under_way
@pytest.mark.parametrize(
    ("desired", "phase_after", "reason"),
    [
        (OLD, ROLLING_BACK, reasons.REVERTED),
        (None, ROLLING_BACK, reasons.SPEC_NOT_ACCEPTED),
        (NEWER, SUPERSEDED, reasons.SUPERSEDED),
    ],
    ids=["reverted", "not accepted", "newer"],
)
def test_another_spec_takes_the_weight_away(
    phase: Phase, stage: Stage, desired: str | None, phase_after: Phase, reason: str
) -> None:
    done = step(state(phase, stage), observe(desired=desired, refusal="bad regex"))
    assert (done.state.phase, done.state.reason, done.state.weight) == (phase_after, reason, 0)
    assert (done.state.stable, done.state.candidate) == (OLD, NEW)
    assert RouteWeight(0) in done.actions


@under_way
def test_a_fleet_that_can_no_longer_split_promotes(phase: Phase, stage: Stage) -> None:
    assert after(state(phase, stage), observe(immediate=True)).phase is PROMOTING


# Shifting


def shifted(seconds: float, accepted: float | None = None) -> RolloutState:
    """In Shifting since so many seconds before START."""
    before = state(PROGRESSING, SHIFTING, entered=START - seconds, accepted_since=accepted)
    assert before.marks is not None
    marks = before.marks.model_copy(update={"at": START - seconds})
    return before.model_copy(update={"marks": marks, "split_marks": marks})


def test_the_clock_starts_verified_when_the_counted_split_fits() -> None:
    found = after(shifted(5), observe(**counted(22, 180)))
    assert (where(found), found.clock, found.verified) == ((PROGRESSING, MEASURING, reasons.MEASURING), START, True)
    assert "10.9% of 202 requests" in found.message


def test_a_split_that_does_not_fit_starts_no_clock() -> None:
    found = after(shifted(5), observe(**counted(0, 400)))
    assert (found.stage, found.clock) == (SHIFTING, None)
    assert found.split_marks == shifted(5).split_marks


def test_a_split_that_does_not_fit_is_counted_anew_after_ten_seconds() -> None:
    found = after(shifted(10), observe(**counted(5, 400)))
    assert found.stage is SHIFTING
    assert found.split_marks is not None
    assert (found.split_marks.at, found.split_marks.canary[0].sample.requests) == (START, 5)
    assert found.marks == shifted(10).marks
    fits = after(found, observe(START + 5, **counted(5 + 30, 400 + 270)))
    assert (fits.stage, fits.verified) == (MEASURING, True)


@pytest.mark.parametrize(
    ("accepted", "fields", "stage"),
    [
        (START - 15, FEW, MEASURING),
        (START - 14, FEW, SHIFTING),
        (None, FEW, SHIFTING),
        (START - 15, {"fresh": False, **FEW}, SHIFTING),
        (START - 15, {"route_accepted": False, **FEW}, SHIFTING),
        (START - 15, counted(0, 400), SHIFTING),
    ],
    ids=["fifteen seconds", "fourteen", "just now", "stale", "no longer accepted", "enough traffic that does not fit"],
)
def test_with_little_traffic_the_ingress_is_believed_after_fifteen_seconds(
    accepted: float | None, fields: dict[str, Any], stage: Stage
) -> None:
    found = after(shifted(30, accepted), observe(**fields))
    assert (found.stage, found.verified) == (stage, False)


def test_a_weight_that_never_arrives_goes_back_at_the_deadline() -> None:
    found = after(shifted(601, START - 600), observe(**counted(0, 4_000)))
    assert where(found) == (ROLLING_BACK, DRAINING, reasons.PROGRESS_DEADLINE_EXCEEDED)
    assert "0.0% of 4000" in found.message


def test_an_unverified_clock_is_verified_later() -> None:
    found = after(state(PROGRESSING, MEASURING, clock=START - 1), observe(**GOOD))
    assert (found.stage, found.verified) == (MEASURING, True)


# Measuring


@weighted
def test_a_failing_measurement_goes_back_from_every_stage_with_weight(phase: Phase, stage: Stage) -> None:
    done = step(state(phase, stage), observe(**BAD))
    assert where(done.state) == (ROLLING_BACK, DRAINING, reasons.ANALYSIS_FAILED)
    assert "rejected: 50% of the lines were rejected" in done.state.message
    assert RouteWeight(0) in done.actions
    assert [a.type for a in done.actions if isinstance(a, Announce)] == ["Warning"]


@weighted
def test_stale_counters_judge_nothing(phase: Phase, stage: Stage) -> None:
    found = after(state(phase, stage), observe(fresh=False, **BAD))
    assert (found.phase, found.weight, found.measurements) == (phase, 10, ())


@weighted
@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize(
    ("canary", "reason"),
    [(DOWN, reasons.NO_READY_GATEWAYS), (replace(HEALTHY, restarts=1), reasons.GATEWAYS_CRASHED)],
)
def test_a_canary_that_dies_goes_back_even_on_stale_counters(
    phase: Phase, stage: Stage, fresh: bool, canary: CanarySight, reason: str
) -> None:
    assert where(after(state(phase, stage), observe(canary=canary, fresh=fresh))) == (ROLLING_BACK, DRAINING, reason)


def test_the_hold_is_waited_for() -> None:
    assert after(state(PROGRESSING, MEASURING, clock=START - 59), observe(**GOOD)).stage is MEASURING


def test_after_the_hold_the_canary_grows_before_it_gets_more_weight() -> None:
    done = step(state(PROGRESSING, MEASURING), observe(**GOOD))
    assert where(done.state) == (PROGRESSING, STARTING, reasons.CANARY_GROWING)
    assert done.actions[:3] == (ServeStable(OLD), RunCanary(NEW, 50), RouteWeight(10))
    two = replace(HEALTHY, desired=2)
    small = after(done.state, observe(START + 1, canary=two, **GOOD))
    assert (small.stage, small.weight) == (STARTING, 10)
    grown = after(small, observe(START + 2, canary=replace(two, ready=2), **GOOD))
    assert (grown.stage, grown.weight, grown.step, grown.looked_at) == (SHIFTING, 50, 1, 0)


def test_a_growing_canary_is_still_judged() -> None:
    growing = state(PROGRESSING, MEASURING).model_copy(update={"stage": STARTING, "step": 1, "size_for": 50})
    assert after(growing, observe(**BAD)).phase is ROLLING_BACK


def test_after_the_last_step_it_is_promoted() -> None:
    done = step(state(PROGRESSING, MEASURING), observe(policy=ONE_STEP, **GOOD))
    assert where(done.state) == (PROMOTING, CONFIRMING, reasons.PROMOTING)
    assert done.actions[:3] == (ServeStable(NEW), RunCanary(NEW, 10), RouteWeight(10))


@pytest.mark.parametrize("fields", [FEW, counted(0, 0), counted(150, 1_350, errors=3)], ids=["few", "none", "unsure"])
def test_what_cannot_be_decided_is_measured_on(fields: dict[str, Any]) -> None:
    found = after(state(PROGRESSING, MEASURING), observe(**fields))
    assert where(found) == (PROGRESSING, UNDECIDED, reasons.UNDECIDED)
    assert "cannot be decided yet" in found.message
    assert after(found, observe(START + 1, **GOOD)).step == 1


@pytest.mark.parametrize(
    ("more", "less"), [(counted(50, 450), FEW), (counted(160, 1_440, errors=3), counted(150, 1_350, errors=3))]
)
def test_an_undecided_step_says_the_same_until_its_verdicts_change(more: dict[str, Any], less: dict[str, Any]) -> None:
    found = after(state(PROGRESSING, MEASURING), observe(**less))
    later = after(found, observe(START + 1, **more))
    assert (later.message, later.stage) == (found.message, UNDECIDED)
    assert later.measurements != found.measurements


def test_while_the_stable_side_fails_too_an_undecided_step_counts_anew_every_hold() -> None:
    undecided = state(PROGRESSING, UNDECIDED, looked_at=50)
    assert after(undecided, observe(START - 1, **KAFKA)).marks == undecided.marks
    found = after(undecided, observe(**KAFKA))
    assert found.marks is not None
    assert (found.stage, found.marks.at, found.looked_at, found.clock) == (UNDECIDED, START, 0, undecided.clock)
    assert "serverErrors is Inconclusive" in found.message
    over: dict[str, Any] = {
        "gauges_canary": (gauge("c", 400, errors=80),),
        "gauges_stable": (gauge("s", 3_600, revision=OLD, errors=720),),
    }
    assert after(found, observe(START + 60, **over)).step == 1


DEADLINE = START + 1_800.0


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("Hold", (PAUSED, UNDECIDED, reasons.INCONCLUSIVE)),
        ("Promote", (PROGRESSING, STARTING, reasons.CANARY_GROWING)),
        ("RollBack", (ROLLING_BACK, DRAINING, reasons.INCONCLUSIVE)),
    ],
)
@pytest.mark.parametrize("fields", [FEW, counted(0, 0)], ids=["little traffic", "no traffic"])
def test_at_the_deadline_the_policy_decides(choice: str, expected: Where, fields: dict[str, Any]) -> None:
    chosen = policy(analysis={"onInconclusive": choice})
    undecided = state(PROGRESSING, UNDECIDED)
    assert after(undecided, observe(DEADLINE - 1, policy=chosen, **fields)).stage is UNDECIDED
    found = after(undecided, observe(DEADLINE, policy=chosen, **fields))
    assert where(found) == expected
    assert found.weight == (0 if choice == "RollBack" else 10)


def test_no_weight_rises_on_stale_counters_at_the_deadline() -> None:
    chosen = policy(analysis={"onInconclusive": "Promote"})
    assert after(state(PROGRESSING, UNDECIDED), observe(DEADLINE, policy=chosen, fresh=False)).step == 0


def test_one_that_is_held_tells_how_to_go_on() -> None:
    message = after(state(PROGRESSING, UNDECIDED), observe(DEADLINE, **FEW)).message
    assert all(f"headgate.dev/command: {verb} bbbbbbbb 1 <token>" in message for verb in ("resume", "promote", "abort"))


def test_a_manual_hold_waits_at_its_gate() -> None:
    gated = after(state(PROGRESSING, MEASURING), observe(policy=MANUAL, **GOOD))
    assert where(gated) == (PROGRESSING, GATED, reasons.WAITING_FOR_APPROVAL)
    assert "approve bbbbbbbb 1" in gated.message
    assert after(gated, observe(START + 90_000, policy=MANUAL, **GOOD)).stage is GATED


def test_a_gate_that_is_edited_away_opens() -> None:
    assert after(state(PROGRESSING, GATED), observe(**GOOD)).step == 1


def test_a_paused_rollout_stays_where_it_is() -> None:
    paused = state(PAUSED, MEASURING)
    found = after(paused, observe(START + 90_000, **GOOD))
    assert (found.phase, found.stage, found.weight) == (PAUSED, MEASURING, 10)
    assert found.measurements


# Leaving


def test_promotion_confirms_then_drains_then_removes() -> None:
    confirming = stands(PROMOTING, CONFIRMING)
    assert after(confirming, observe(**GOOD)) == confirming
    draining = after(confirming, observe(stable_confirmed=True, **GOOD))
    assert (draining.phase, draining.stage, draining.weight) == (PROMOTING, DRAINING, 0)
    quiet = after(draining, observe(START + 1, **GOOD))
    removing = after(quiet, observe(START + 11, **GOOD))
    assert removing.stage is REMOVING
    assert after(removing, observe(START + 12)).phase is PROMOTING
    done = after(removing, observe(START + 13, canary=CanarySight()))
    assert (where(done), done.stable) == ((STABLE, STARTING, reasons.PROMOTED), NEW)
    assert [outcome.result for outcome in done.history] == ["Promoted"]


def test_during_promotion_a_newer_spec_waits_for_the_canary_to_go_and_for_no_confirmation() -> None:
    confirming = stands(PROMOTING, CONFIRMING)
    draining = after(confirming, observe(desired=NEWER))
    assert (draining.phase, draining.stage, draining.stable) == (PROMOTING, DRAINING, NEW)
    removing = stands(PROMOTING, REMOVING)
    done = after(removing, observe(desired=NEWER, canary=CanarySight()))
    assert (done.phase, after(done, observe(START + 1, desired=NEWER)).candidate) == (STABLE, NEWER)


def test_a_promoted_canary_without_pods_gives_its_requests_to_the_stable_side() -> None:
    found = after(stands(PROMOTING, CONFIRMING), observe(canary=DOWN))
    assert (found.phase, found.stage, found.weight) == (PROMOTING, CONFIRMING, 0)


DRAINS: dict[str, tuple[dict[str, Any], Stage]] = {
    "still reached": (counted(21, 0), DRAINING),
    "reached by what is not judged": (counted(20, 0, excluded=1), DRAINING),
    "quiet": (counted(20, 0), REMOVING),
    "route not accepted": ({"route_accepted": False, **counted(20, 0)}, DRAINING),
    "stale": ({"fresh": False, **counted(20, 0)}, DRAINING),
    "pods gone": ({"canary": CanarySight(), **counted(21, 0)}, REMOVING),
    "too long": ({"now": START + 60, "fresh": False}, REMOVING),
}


@pytest.mark.parametrize(("fields", "stage"), DRAINS.values(), ids=DRAINS)
@pytest.mark.parametrize("phase", [ROLLING_BACK, SUPERSEDED, PROMOTING])
def test_a_canary_is_removed_when_nothing_has_reached_it_for_ten_seconds(
    phase: Phase, fields: dict[str, Any], stage: Stage
) -> None:
    draining = stands(phase, DRAINING).model_copy(update={"drained": 20, "quiet_since": START - 10})
    assert after(draining, observe(**fields)).stage is stage


def test_a_canary_that_hangs_while_it_is_removed_ends_the_rollout_all_the_same() -> None:
    removing = stands(ROLLING_BACK, REMOVING)
    assert after(removing, observe(START + 239)).phase is ROLLING_BACK
    assert after(removing, observe(START + 240)).phase is ROLLED_BACK


def test_a_rolled_back_revision_is_kept_with_its_reason_and_what_it_wrote() -> None:
    span = WrittenRange(topic="events", partition=1, first=5, last=9, records=5)
    seen = observe(**{**BAD, "gauges_canary": (gauge("c", 200, rejected=100, written=[span]),)})
    back = after(state(PROGRESSING, MEASURING), seen)
    done = after(after(back, observe(START + 1, canary=CanarySight())), observe(START + 2, canary=CanarySight()))
    assert where(done) == (ROLLED_BACK, STARTING, reasons.ANALYSIS_FAILED)
    assert (done.stable, done.candidate, done.marks) == (OLD, NEW, None)
    assert any(measurement.verdict == "Fail" for measurement in done.measurements)
    assert [(part.topic, part.first, part.last) for part in done.written] == [("events", 5, 9)]
    assert [(outcome.result, outcome.reason) for outcome in done.history] == [("RolledBack", reasons.ANALYSIS_FAILED)]


def test_a_reverted_rollout_ends_in_stable() -> None:
    removing = state(ROLLING_BACK, REMOVING, reason=reasons.REVERTED)
    done = after(removing, observe(desired=OLD, canary=CanarySight()))
    assert where(done) == (STABLE, STARTING, reasons.REVERTED)
    assert [outcome.result for outcome in done.history] == ["Reverted"]


@pytest.mark.parametrize(
    ("desired", "expected"),
    [
        (NEW, (ROLLED_BACK, STARTING, "")),
        (None, (ROLLED_BACK, STARTING, "")),
        (OLD, (STABLE, STARTING, reasons.REVERTED)),
        (NEWER, (PROGRESSING, STARTING, reasons.CANARY_STARTING)),
    ],
    ids=["the same", "not accepted", "reverted", "another"],
)
def test_a_refused_revision_is_not_tried_again_by_itself(desired: str | None, expected: Where) -> None:
    assert where(after(state(ROLLED_BACK), observe(desired=desired))) == expected


@pytest.mark.parametrize(
    ("fields", "expected", "candidate"),
    [
        ({"desired": NEWER}, (PROGRESSING, STARTING, reasons.CANARY_STARTING), NEWER),
        ({"desired": NEWER, "may_start": False}, (WAITING, STARTING, reasons.IN_LINE), NEWER),
        ({"desired": NEW}, (PROGRESSING, STARTING, reasons.CANARY_STARTING), NEW),
        ({"desired": OLD}, (STABLE, STARTING, reasons.REVERTED), None),
        ({"desired": None}, (STABLE, STARTING, reasons.SPEC_NOT_ACCEPTED), None),
    ],
    ids=["newer", "newer without a slot", "the former one again", "reverted", "not accepted"],
)
def test_what_superseded_begins_once_the_canary_is_gone(
    fields: dict[str, Any], expected: Where, candidate: str | None
) -> None:
    done = after(state(SUPERSEDED, REMOVING), observe(canary=CanarySight(), **fields))
    assert (where(done), done.candidate, done.stable, done.weight) == (expected, candidate, OLD, 0)
    assert [outcome.result for outcome in done.history] == ["Superseded"]


# The repo itself goes

GONE: list[tuple[Phase, Stage, Phase, str]] = [
    *((phase, stage, STABLE, OLD) for phase, stage in UNDER_WAY),
    (STABLE, STARTING, STABLE, OLD), (WAITING, STARTING, STABLE, OLD), (ROLLED_BACK, STARTING, ROLLED_BACK, OLD),
    (ROLLING_BACK, DRAINING, ROLLED_BACK, OLD), (SUPERSEDED, DRAINING, STABLE, OLD), (PROMOTING, DRAINING, STABLE, NEW),
]  # fmt: skip


@pytest.mark.parametrize(("phase", "stage", "phase_after", "stable"), GONE)
def test_a_deleted_repo_loses_its_canary_at_once_and_keeps_what_was_decided(
    phase: Phase, stage: Stage, phase_after: Phase, stable: str
) -> None:
    done = step(stands(phase, stage), observe(exists=False))
    assert (done.state.phase, done.state.stable, done.state.gone_since) == (phase_after, stable, START)
    assert tuple(a for a in done.actions if not isinstance(a, Announce)) == (RouteWeight(0), RemoveCanary())
    assert after(done.state, observe(START + 9, exists=False)) == done.state


def test_a_repo_that_comes_back_is_judged_against_what_was_promoted() -> None:
    back = after(state(gone_since=START - 50), observe())
    assert (back.gone_since, back.phase, back.stable, back.candidate) == (None, PROGRESSING, OLD, NEW)


def test_a_repo_that_comes_back_with_a_refused_revision_is_not_waved_through() -> None:
    back = after(state(ROLLED_BACK, gone_since=START - 50), observe())
    assert (back.gone_since, back.phase) == (None, ROLLED_BACK)


def test_the_history_is_bounded() -> None:
    found = state()
    for number in range(15):
        found = after(found, observe(START + number, desired=f"{number:016x}", immediate=True))
    assert (len(found.history), found.history[-1].revision) == (10, f"{14:016x}")
