"""The state machine: how canaries leave, how rollouts end, and what is left of repos that go."""

from typing import Any

import pytest
from tests.unit.rollout.builders import (
    NEW,
    NEWER,
    OLD,
    START,
    counted,
    gauge,
    observe,
    state,
)
from tests.unit.rollout.places import (
    BAD,
    CONFIRMING,
    DOWN,
    DRAINING,
    GOOD,
    MEASURING,
    PROGRESSING,
    PROMOTING,
    REMOVING,
    ROLLED_BACK,
    ROLLING_BACK,
    STABLE,
    STARTING,
    SUPERSEDED,
    UNDER_WAY,
    WAITING,
    Where,
    after,
    stands,
    where,
)

from headgate_gateway.config.analysis import WrittenRange
from headgate_operator.rollout import reasons
from headgate_operator.rollout.machine import step
from headgate_operator.rollout.model import (
    Announce,
    CanarySight,
    Phase,
    RemoveCanary,
    RouteWeight,
    Stage,
)

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


def test_a_canary_that_holds_events_is_not_followed_by_another_of_its_name() -> None:
    removing, holding = stands(ROLLING_BACK, REMOVING), CanarySight(exists=True, holding=True)
    assert after(removing, observe(START + 5_000, canary=holding)).phase is ROLLING_BACK
    assert after(removing, observe(START + 5_000, canary=CanarySight(exists=True))).phase is ROLLED_BACK


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
