"""How image upgrades turn round, drain and end: whatever the routes, the pods and the clock do."""

from typing import Any

import pytest
from tests.unit.rollout.upgrade_world import (
    NEW,
    NEWER,
    OLD,
    QUICK,
    moving,
    run,
    upgrading,
)

from headgate_operator.rollout import reasons
from headgate_operator.rollout.model import Phase
from headgate_operator.rollout.upgrade_model import (
    UpgradePhase,
    UpgradeStage,
)

# Turning round.


@pytest.mark.parametrize(
    ("turn", "reason", "phase"),
    [
        ({"image": OLD}, reasons.REVERTED, UpgradePhase.STABLE),
        ({"image": NEWER}, reasons.SUPERSEDED, UpgradePhase.STABLE),
        ({"dead": True}, reasons.NO_READY_GATEWAYS, UpgradePhase.ROLLED_BACK),
        ({"command": f"abort {NEW.revision[:8]} - t"}, reasons.ABORTED, UpgradePhase.ROLLED_BACK),
    ],
    ids=["the old image again", "a newer image", "no gateway left", "abort"],
)
def test_a_turn_takes_all_weights_at_once_then_drains_then_removes(
    turn: dict[str, Any], reason: str, phase: UpgradePhase
) -> None:
    world = moving()
    for name, value in turn.items():
        setattr(world, name, value)
    world.pass_time()
    world.step()
    assert (world.state.phase, world.state.stage) == (UpgradePhase.ROLLING_BACK, UpgradeStage.DRAINING)
    assert (set(world.weights.values()), len(world.weights)) == ({0}, 2)
    assert world.pods > 0
    run(world, 200)
    assert (world.state.phase, world.state.reason, world.state.stable, world.pods) == (phase, reason, OLD, 0)


def test_the_old_image_again_while_the_stable_gateways_take_the_new_one() -> None:
    world = upgrading(policy=QUICK, settles=False)
    run(world)
    assert (world.state.phase, world.stable) == (UpgradePhase.PROMOTING, NEW)
    world.image = OLD
    run(world)
    assert (world.state.phase, world.stable, world.state.reason) == (UpgradePhase.STABLE, OLD, reasons.REVERTED)


def test_while_the_stable_gateways_take_the_image_losing_the_others_only_takes_their_weight() -> None:
    world = upgrading(policy=QUICK, settles=False)
    run(world)
    world.dead = True
    world.pass_time()
    world.step()
    assert (world.state.phase, set(world.weights.values())) == (UpgradePhase.PROMOTING, {0})
    world.dead, world.settles = False, True
    run(world)
    assert (world.state.phase, world.state.stable) == (UpgradePhase.STABLE, NEW)


def test_upgrades_that_hang_end_all_the_same() -> None:
    world = moving(hangs=True)
    world.image, world.routed = OLD, False
    run(world, 1_000)
    assert world.state.phase is UpgradePhase.STABLE


def test_an_upgrade_does_not_end_while_its_gateways_hold_events() -> None:
    world = moving(holding=True)
    world.image, world.routed = OLD, True
    run(world, 1_000)
    assert (world.state.stage, world.pods > 0) == (UpgradeStage.REMOVING, True)
    world.holding = False
    run(world)
    assert world.state.phase is UpgradePhase.STABLE


@pytest.mark.parametrize("routed", [True, False])
def test_the_new_gateways_stay_as_long_as_a_live_route_gives_them_requests(routed: bool) -> None:
    world = moving(carried=True)
    world.image, world.routed = OLD, routed
    run(world, 1_000)
    assert (world.state.stage, world.pods > 0, set(world.weights.values())) == (UpgradeStage.DRAINING, True, {0})
    world.carried, world.routed = False, True
    run(world)
    assert world.state.phase is UpgradePhase.STABLE


def test_ten_quiet_seconds_count_from_when_the_live_routes_say_zero() -> None:
    world = moving(carried=True)
    world.image = OLD
    run(world, 60)
    world.carried = False
    quiet = world.now
    while world.pods:
        world.pass_time()
        world.step()
    assert 10 <= world.now - quiet <= 14


def test_weights_that_were_dropped_are_drained_too() -> None:
    world = upgrading(policy=QUICK, settles=False)
    run(world)
    world.dead = True
    world.pass_time()
    world.step()
    assert set(world.weights.values()) == {0}
    world.image, world.carried = OLD, True
    run(world, 400)
    assert (world.state.phase, world.state.stage) == (UpgradePhase.ROLLING_BACK, UpgradeStage.DRAINING)


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    world = moving()
    back = 100_000.0
    world.now -= back
    world.pass_time()
    world.step()
    assert max(world.state.entered, world.state.began) <= world.now
    assert all(move.entered <= world.now for move in world.state.under_way.values())
    world.image = OLD
    world.pass_time()
    world.step()
    world.now -= back
    run(world, 100)
    assert world.state.phase is UpgradePhase.STABLE


def test_a_repo_that_waits_for_the_last_gateways_has_a_deadline_on_a_clock_that_is_set_back_too() -> None:
    world = upgrading(policy=QUICK)
    while not any(move.phase is Phase.PROMOTING for move in world.state.under_way.values()):
        world.pass_time()
        world.step()
    world.now -= 100_000.0
    world.stuck = True
    for _ in range(5):
        world.pass_time()
        world.step()
    assert all(move.entered <= world.now for move in world.state.under_way.values())
