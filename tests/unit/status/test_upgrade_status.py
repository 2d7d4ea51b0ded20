"""What people see of an image upgrade on the fleet, and what it makes of Ready."""

from typing import Any

import pytest

from headgate_operator.api.fleet import FleetStatus
from headgate_operator.render.world import Verdict
from headgate_operator.rollout.model import Obeyed, Phase, RolloutState
from headgate_operator.rollout.upgrade_model import Image, UpgradePhase, UpgradeStage, UpgradeState
from headgate_operator.status.fleet import FleetSight, build_fleet_status
from headgate_operator.status.observation import WorkloadProgress
from headgate_operator.status.upgrade import ShownUpgrade, build_upgrade_status

OLD, NEW = Image(name="gateway:1"), Image(name="gateway:2")
NOON = 1_795_176_000.0  # 2026-11-20T12:00:00Z
FINE = WorkloadProgress(desired=2, updated=2, ready=2, total=2, observed=True, settled=True)


def state(phase: UpgradePhase, **fields: Any) -> UpgradeState:
    return UpgradeState(phase=phase, stable=OLD, candidate=NEW, began=NOON, reason="Why", message="because", **fields)


def ready(upgrade: UpgradeState | None, workload: WorkloadProgress = FINE, **fields: Any) -> tuple[str, str, set[str]]:
    given: dict[str, Any] = {"ready_gateways": 2, "current_gateways": 2} | fields
    sight = FleetSight(
        generation=3, verdict=Verdict(True, "Accepted", ""), workload=workload, unreachable=(), repos=3,
        contract_version=1, upgrade=ShownUpgrade(upgrade, 3) if upgrade is not None else None, **given,
    )  # fmt: skip
    conditions = {each["type"]: each for each in build_fleet_status(sight, {}, "now")["conditions"]}
    return conditions["Ready"]["status"], conditions["Ready"]["reason"], conditions.keys() & {"Reconciling", "Stalled"}


def test_an_upgrade_under_way_shows_who_moved_who_moves_and_who_refused() -> None:
    failed = RolloutState(phase=Phase.ROLLED_BACK, stable="a", reason="AnalysisFailed", message="serverErrors: 9%")
    moving = RolloutState(phase=Phase.PROGRESSING, stable="a")
    shown = build_upgrade_status(
        ShownUpgrade(
            state(
                UpgradePhase.UPGRADING, stage=UpgradeStage.MOVING, moved=("t/a",), under_way={"t/b": moving},
                failed={"t/c": failed}, obeyed=(Obeyed(token="x", verb="abort", result="no", at=1.0),),
            ),
            5,
        )
    )  # fmt: skip
    assert shown == {
        "phase": "Upgrading",
        "stage": "Moving",
        "from": "gateway:1",
        "to": "gateway:2",
        "revision": NEW.revision,
        "moved": "1/5",
        "underWay": ["t/b"],
        "failed": [{"repo": "t/c", "reason": "AnalysisFailed", "message": "serverErrors: 9%"}],
        "reason": "Why",
        "message": "because",
        "startedAt": "2026-11-20T12:00:00Z",
        "command": {"token": "x", "verb": "abort", "result": "no"},
    }
    FleetStatus.model_validate({"upgrade": shown})


def test_at_rest_it_says_what_serves() -> None:
    shown = build_upgrade_status(ShownUpgrade(UpgradeState(stable=NEW, reason="Promoted", message="m"), 5))
    assert shown == {
        "phase": "Stable", "to": "gateway:2", "revision": NEW.revision, "reason": "Promoted", "message": "m",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("upgrade", "expected"),
    [
        (None, ("True", "Ready", set())),
        (state(UpgradePhase.STABLE), ("True", "Ready", set())),
        (state(UpgradePhase.UPGRADING), ("Unknown", "Upgrading", {"Reconciling"})),
        (state(UpgradePhase.PROMOTING), ("Unknown", "Promoting", {"Reconciling"})),
        (state(UpgradePhase.ROLLING_BACK), ("Unknown", "RollingBack", {"Reconciling"})),
        (state(UpgradePhase.ROLLED_BACK), ("False", "RolledBack", {"Stalled"})),
    ],
    ids=["none", "stable", "upgrading", "promoting", "rolling back", "rolled back"],
)
def test_ready_follows_the_upgrade(upgrade: UpgradeState | None, expected: tuple[str, str, set[str]]) -> None:
    assert ready(upgrade) == expected


TAKING = WorkloadProgress(desired=2, updated=1, ready=3, total=3, observed=True)
STUCK = WorkloadProgress(desired=2, updated=1, ready=2, total=3, observed=True, stuck="timed out progressing")


def test_gateways_that_are_replaced_belong_to_the_upgrade_and_those_that_fail_do_not() -> None:
    promoting = state(UpgradePhase.PROMOTING)
    assert ready(promoting, TAKING)[1] == "Promoting"
    assert ready(promoting, STUCK)[1] == "ProgressDeadlineExceeded"
    assert ready(promoting, TAKING, pod_trouble="CrashLoopBackOff")[1] != "Promoting"
