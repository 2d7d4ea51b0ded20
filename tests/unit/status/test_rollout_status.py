"""What people see of a rollout: where it is, how its traffic is split, and why."""

from typing import Any

import pytest

from headgate_operator.api.rollout import Rollout
from headgate_operator.rollout.model import Cause, Measurement, Obeyed, Phase, RolloutState, Stage, Verdict, Written
from headgate_operator.status.rollout import Split, build_rollout_status, rollout_facts

POLICY = Rollout()
NOON = 1_795_176_000.0  # 2026-11-20T12:00:00Z


def state(phase: Phase, **fields: Any) -> RolloutState:
    return RolloutState(phase=phase, stable="aaaa", candidate="bbbb", began=NOON, **fields)


def test_a_step_under_way_shows_its_weight_its_split_and_its_clock() -> None:
    measuring = state(Phase.PROGRESSING, stage=Stage.MEASURING, step=1, weight=50, clock=NOON + 60, verified=True)
    shown = build_rollout_status(measuring, POLICY, Split(canary=98, stable=102))
    assert shown == {
        "phase": "Progressing",
        "stage": "Measuring",
        "stable": "aaaa",
        "candidate": "bbbb",
        "step": "2/2",
        "weight": 50,
        "countedWeight": "49.0% of 200",
        "verified": "Verified",
        "startedAt": "2026-11-20T12:00:00Z",
        "stepStartedAt": "2026-11-20T12:01:00Z",
    }


def test_a_split_that_is_not_verified_says_so_and_one_without_requests_too() -> None:
    measuring = state(Phase.PROGRESSING, stage=Stage.MEASURING, weight=10, clock=NOON)
    shown = build_rollout_status(measuring, POLICY, Split(0, 0))
    assert (shown["verified"], shown["countedWeight"]) == ("Unverified", "none of 0")


def test_before_any_weight_no_split_is_shown() -> None:
    shown = build_rollout_status(state(Phase.PROGRESSING, stage=Stage.STARTING), POLICY, Split(5, 5))
    assert "countedWeight" not in shown
    assert "verified" not in shown


def test_a_repo_at_rest_shows_no_step_and_no_weight() -> None:
    shown = build_rollout_status(RolloutState(stable="aaaa"), POLICY, None)
    assert shown == {"phase": "Stable", "stable": "aaaa"}


def test_after_a_rollback_the_figures_that_decided_and_what_was_written_stay() -> None:
    failed = Measurement(name="dropped", value="100%", threshold="95%", requests=120, verdict=Verdict.FAIL)
    ranges = (Written(topic="t", partition=3, first=10, last=19, records=7),)
    shown = build_rollout_status(
        state(Phase.ROLLED_BACK, measurements=(failed,), written=ranges, message="why"), POLICY, None
    )
    assert shown["measurements"] == [
        {"name": "dropped", "value": "100%", "threshold": "95%", "requests": 120, "verdict": "Fail"}
    ]
    assert shown["written"] == [{"topic": "t", "partition": 3, "firstOffset": 10, "lastOffset": 19, "records": 7}]


def test_the_last_command_is_answered() -> None:
    commands = (
        Obeyed(token="1", verb="pause", result="Obeyed", at=NOON),
        Obeyed(token="2", verb="approve", result="wrong step", at=NOON),
    )
    shown = build_rollout_status(state(Phase.PAUSED, obeyed=commands), POLICY, None)
    assert shown["command"] == {"token": "2", "verb": "approve", "result": "wrong step"}


@pytest.mark.parametrize(
    ("phase", "ready", "companion"),
    [
        (Phase.WAITING, "Unknown", "Reconciling"),
        (Phase.PROGRESSING, "Unknown", "Reconciling"),
        (Phase.PAUSED, "Unknown", "Reconciling"),
        (Phase.PROMOTING, "Unknown", "Reconciling"),
        (Phase.ROLLING_BACK, "Unknown", "Reconciling"),
        (Phase.SUPERSEDED, "Unknown", "Reconciling"),
        (Phase.ROLLED_BACK, "False", "Stalled"),
    ],
)
def test_ready_follows_the_rollout(phase: Phase, ready: str, companion: str) -> None:
    facts = rollout_facts(state(phase, message="so it is"))
    assert facts is not None
    assert [(each.type, each.status, each.reason) for each in facts] == [
        ("Ready", ready, phase),
        (companion, "True", phase),
    ]


def test_at_rest_the_gateways_have_the_say() -> None:
    assert rollout_facts(RolloutState(stable="aaaa")) is None


@pytest.mark.parametrize(("reason", "shown"), [("Promoted", True), ("Reverted", False)])
def test_at_rest_the_figures_of_what_is_served_stay_and_those_of_what_was_taken_back_go(
    reason: str, shown: bool
) -> None:
    figure = Measurement(name="dropped", value="0%", threshold="95%", requests=120, verdict=Verdict.PASS)
    block = build_rollout_status(state(Phase.STABLE, measurements=(figure,), reason=reason), POLICY, None)
    assert ("measurements" in block) is shown


def test_a_repo_that_moves_to_a_new_image_says_so_and_stays_what_it_was() -> None:
    moving = state(Phase.PROGRESSING, stage=Stage.MEASURING, weight=10, clock=NOON, cause=Cause(kind="Image"))
    assert build_rollout_status(moving, POLICY, None)["cause"] == "Image"
    assert rollout_facts(moving) is None
