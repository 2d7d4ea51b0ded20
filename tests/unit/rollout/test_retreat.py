"""Where a fleet cannot be rendered, everything under weight goes back, and nothing else changes."""

import pytest
from tests.unit.rollout.builders import NEW, OLD, START, observe, state
from tests.unit.rollout.upgrade_world import NEW as NEW_IMAGE
from tests.unit.rollout.upgrade_world import OLD as OLD_IMAGE

from headgate_operator.rollout import reasons
from headgate_operator.rollout.machine import step
from headgate_operator.rollout.model import CanarySight, Phase, RolloutState, Stage
from headgate_operator.rollout.retreat import retreat, retreat_upgrade
from headgate_operator.rollout.upgrade_model import UpgradePhase, UpgradeStage, UpgradeState, weights_of

WHY = "GatewayFleet a/b is not accepted"
RESTS = [
    state(), state(Phase.WAITING), state(Phase.PROGRESSING), state(Phase.ROLLED_BACK),
    state(Phase.ROLLING_BACK, Stage.DRAINING), state(Phase.SUPERSEDED, Stage.REMOVING),
]  # fmt: skip


@pytest.mark.parametrize("before", RESTS, ids=lambda each: each.phase)
def test_what_has_no_weight_stays_where_it_is(before: RolloutState) -> None:
    assert retreat(before, START, WHY) == before


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PAUSED])
@pytest.mark.parametrize("stage", [Stage.SHIFTING, Stage.MEASURING, Stage.GATED, Stage.UNDECIDED])
def test_what_has_weight_goes_back_and_starts_anew_later(phase: Phase, stage: Stage) -> None:
    back = retreat(state(phase, stage), START, WHY)
    assert (back.phase, back.stage, back.weight) == (Phase.ROLLING_BACK, Stage.DRAINING, 0)
    assert (back.reason, back.message, back.stable) == (reasons.FLEET_NOT_ACCEPTED, WHY, OLD)
    assert retreat(back, START + 1, WHY) == back
    gone = observe(START + 1, canary=CanarySight())
    done = step(step(back, gone).state, observe(START + 2, canary=CanarySight())).state
    assert (done.phase, done.history[-1].result) == (Phase.STABLE, "Reverted")
    assert step(done, observe(START + 3)).state.candidate == NEW


def test_what_is_promoted_stays_promoted() -> None:
    before = state(Phase.PROMOTING, Stage.CONFIRMING, stable=NEW, weight=50)
    assert retreat(before, START, WHY) == before.model_copy(update={"weight": 0})


def moving(phase: UpgradePhase, stage: UpgradeStage) -> UpgradeState:
    return UpgradeState(phase=phase, stage=stage, stable=OLD_IMAGE, candidate=NEW_IMAGE, moved=("team/quiet",))


def test_repos_that_have_moved_to_a_new_image_go_back() -> None:
    back = retreat_upgrade(moving(UpgradePhase.UPGRADING, UpgradeStage.MOVING), START, WHY)
    assert (back.phase, back.stage, back.reason) == (
        UpgradePhase.ROLLING_BACK, UpgradeStage.DRAINING, reasons.FLEET_NOT_ACCEPTED,
    )  # fmt: skip
    assert weights_of(back) == {("team", "quiet"): 0}
    assert retreat_upgrade(back, START + 1, WHY) == back


def test_an_image_that_is_promoted_only_gives_its_weight_away() -> None:
    back = retreat_upgrade(moving(UpgradePhase.PROMOTING, UpgradeStage.CONFIRMING), START, WHY)
    assert (back.phase, back.stage, weights_of(back)) == (
        UpgradePhase.PROMOTING, UpgradeStage.CONFIRMING, {("team", "quiet"): 0},
    )  # fmt: skip


def test_an_upgrade_without_weight_stays_where_it_is() -> None:
    resting = UpgradeState(stable=OLD_IMAGE)
    assert retreat_upgrade(resting, START, WHY) == resting
