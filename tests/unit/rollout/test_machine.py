"""The state machine: each phase against what may be observed in it; how a rollout begins, and which spec it follows."""

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
    observe,
    state,
)
from tests.unit.rollout.places import (
    ALL,
    BAD,
    DOWN,
    DRAINING,
    FEW,
    GOOD,
    KAFKA,
    MEASURING,
    PAUSED,
    PROGRESSING,
    PROMOTING,
    REMOVING,
    ROLLING_BACK,
    SHIFTING,
    STABLE,
    STARTING,
    SUPERSEDED,
    WAITING,
    Where,
    after,
    stands,
    under_way,
    weighted,
    where,
)

from headgate_operator.rollout import reasons
from headgate_operator.rollout.machine import step
from headgate_operator.rollout.model import (
    Announce,
    CanarySight,
    Phase,
    Preflight,
    RemoveCanary,
    RouteWeight,
    RunCanary,
    ServeStable,
    Stage,
)

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
