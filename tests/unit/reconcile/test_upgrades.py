"""Whole image upgrades over the fake API server: who serves which requests, what stays, and what a killed operator finds."""

import random
from typing import Any

import pytest
from tests.unit.reconcile.fleetbed import repo
from tests.unit.reconcile.rolloutbed import QUICK
from tests.unit.reconcile.upgradebed import (
    HASH,
    NEW,
    OLD,
    ONE_BY_ONE,
    RATES,
    STATE,
    ImageBehaviour,
    UpgradeBed,
    no_leftovers,
    upgrading,
)

from headgate_operator.ports import UnavailableError

pytestmark = pytest.mark.thorough


async def test_repos_move_one_by_one_least_traffic_first_each_by_its_steps() -> None:
    bed = await upgrading(rollouts=ONE_BY_ONE)
    walked = await bed.until_upgrade("Promoting")
    assert walked == [
        (0, 0, 0), (10, 0, 0), (50, 0, 0), (100, 0, 0),
        (100, 0, 10), (100, 0, 50), (100, 0, 100),
        (100, 10, 100), (100, 50, 100), (100, 100, 100),
    ]  # fmt: skip
    assert bed.lost == 0


async def test_then_the_stable_gateways_take_the_image_and_nothing_is_left() -> None:
    bed = await upgrading()
    await bed.until_upgrade("Promoting")
    assert (await bed.until_upgrade("Stable"))[-1] == (0, 0, 0)
    assert bed.image_of("main-gateway") == NEW
    assert no_leftovers(bed)
    assert bed.lost == 0
    assert bed.block()["to"] == NEW
    assert bed.conditions("GatewayFleet", "main")["Ready"][0] == "True"
    assert {bed.rollout(name)["phase"] for name in RATES} == {"Stable"}
    assert [(name, reason) for name, reason in bed.events if name == "main" and reason not in ("Ready", "Pruned")][-4:] == [
        ("main", "CanaryStarting"), ("main", "Moving"), ("main", "Promoting"), ("main", "Promoted"),
    ]  # fmt: skip


async def test_until_all_have_moved_the_stable_gateways_run_what_they_ran() -> None:
    bed = await upgrading()
    before = bed.cluster.objects["Deployment", "events", "main-gateway"]["spec"]["template"]
    while True:
        await bed.tick()
        if bed.block()["phase"] != "Upgrading":
            break
        assert bed.cluster.objects["Deployment", "events", "main-gateway"]["spec"]["template"] == before
    assert bed.image_of("main-gateway") == NEW


async def test_the_new_gateways_grow_with_what_moves_and_never_shrink() -> None:
    bed = await upgrading(rollouts=ONE_BY_ONE)
    sizes: list[int] = []
    while bed.block().get("phase") != "Promoting":
        await bed.tick()
        found = bed.cluster.objects.get(("Deployment", "events", "main-upgrade"))
        if found and (not sizes or sizes[-1] != found["spec"]["replicas"]):
            sizes.append(found["spec"]["replicas"])
    assert sizes == [1, 2, 3, 4]


async def test_a_moving_repo_shows_it_and_stays_ready() -> None:
    bed = await upgrading(rollouts=ONE_BY_ONE)
    while bed.weights()["quiet"] != 10:
        await bed.tick()
    for _ in range(6):
        await bed.tick()
    shown = bed.rollout("quiet")
    assert (shown["phase"], shown["cause"], shown["candidate"], shown["step"]) == ("Progressing", "Image", HASH, "1/2")
    assert shown["measurements"]
    assert bed.conditions("EventRepo", "quiet")["Ready"][0] == "True"
    assert bed.conditions("GatewayFleet", "main")["Ready"] == ("Unknown", "Upgrading")
    assert bed.block()["moved"] == "0/3"
    assert bed.block()["underWay"] == ["events/quiet"]


async def test_a_repo_without_traffic_holds_up_nobody() -> None:
    bed = UpgradeBed()
    bed.rates["idle"] = 0
    await bed.begin()
    bed.upgrade_to(NEW)
    await bed.until_upgrade("Stable", seconds=200)
    assert bed.image_of("main-gateway") == NEW


@pytest.mark.parametrize("how", ["refused", "undeliverable"])
async def test_what_the_old_image_serves_no_better_says_nothing_against_the_new_one(how: str) -> None:
    bed = UpgradeBed()
    bed.rates["broken"] = 0
    if how == "refused":
        bed.images = {OLD: ImageBehaviour(refuses={"broken"}), NEW: ImageBehaviour(refuses={"broken"})}
    else:
        bed.images = {NEW: ImageBehaviour(undeliverable={"broken"})}
    await bed.begin()
    bed.upgrade_to(NEW)
    await bed.until_upgrade("Stable", seconds=300)
    assert bed.image_of("main-gateway") == NEW


async def test_a_repo_that_has_moved_begins_its_own_change_when_the_upgrade_is_over() -> None:
    bed = await upgrading(rollouts=ONE_BY_ONE)
    while bed.weights()["quiet"] != 100:
        await bed.tick()
    bed.put(repo("quiet", topic="other", rollout=QUICK))
    for _ in range(5):
        await bed.tick()
    assert bed.rollout("quiet")["phase"] == "Waiting"
    assert NEW in bed.rollout("quiet")["message"]
    await bed.until_upgrade("Stable")
    revision = bed.rollout("quiet")["candidate"]
    for _ in range(120):
        await bed.tick()
    assert (bed.rollout("quiet")["phase"], bed.rollout("quiet")["stable"]) == ("Stable", revision)


async def test_a_repo_with_a_change_of_its_own_moves_after_it_and_its_canary_has_the_old_image() -> None:
    bed = UpgradeBed()
    await bed.begin()
    bed.put(repo("quiet", topic="other", rollout=QUICK))
    for _ in range(3):
        await bed.tick()
    canary = next(key[2] for key in bed.cluster.objects if key[0] == "Deployment" and "canary" in key[2])
    bed.upgrade_to(NEW)
    while any(key[2] == canary for key in bed.cluster.objects if key[0] == "Deployment"):
        assert bed.image_of(canary) == OLD
        assert bed.weights()["quiet"] == 0
        await bed.tick()
    await bed.until_upgrade("Stable")
    assert bed.served[NEW, "quiet"] > 0
    assert bed.rollout("quiet")["stable"] == bed.revision("quiet")


async def test_a_command_to_a_moving_repo_is_for_its_move() -> None:
    bed = await upgrading(rollouts=ONE_BY_ONE)
    while bed.weights()["quiet"] != 10:
        await bed.tick()
    manifest = repo("quiet", rollout=QUICK)
    manifest["metadata"]["annotations"] = {"headgate.dev/command": f"pause {HASH} 1 stop"}
    bed.put(manifest)
    for _ in range(40):
        await bed.tick()
    assert (bed.rollout("quiet")["phase"], bed.rollout("quiet")["command"]["result"]) == ("Paused", "Obeyed")
    assert bed.weights() == {"quiet": 10, "busy": 0, "middle": 0}
    assert "events/quiet waits for somebody to decide" in bed.block()["message"]
    manifest["metadata"]["annotations"] = {"headgate.dev/command": f"promote {HASH} - go"}
    bed.put(manifest)
    await bed.until_upgrade("Stable")
    assert ("quiet", "CommandRefused") not in bed.events


async def test_a_new_repo_is_served_at_once_and_joins_at_the_end() -> None:
    bed = await upgrading(rollouts=ONE_BY_ONE)
    while bed.weights()["quiet"] != 10:
        await bed.tick()
    bed.rates["late"] = 10
    bed.put(repo("late", rollout=QUICK))
    await bed.tick()
    await bed.tick()
    assert [each["name"] for each in bed._backends("late")] == ["main-gateway"]
    walked = await bed.until_upgrade("Promoting")
    assert next(each for each in walked if each[3] > 0)[:3] == (100, 100, 100)


async def test_a_deleted_repo_is_forgotten() -> None:
    bed = await upgrading(rollouts=ONE_BY_ONE)
    while bed.weights()["middle"] != 10:
        await bed.tick()
    for name in ("quiet", "middle"):
        del bed.cluster.objects["EventRepo", "events", name]
        del bed.rates[name]
    await bed.until_upgrade("Stable")
    assert bed.image_of("main-gateway") == NEW


@pytest.mark.parametrize(
    "spec",
    [{"upgrade": {"strategy": "Immediate"}}, {"routing": {"provider": "None"}}],
    ids=["Immediate", "no routing"],
)
async def test_where_nothing_can_or_shall_be_moved_the_image_is_taken_at_once(spec: dict[str, Any]) -> None:
    bed = UpgradeBed()
    await bed.begin(**spec)
    bed.upgrade_to(NEW, **spec)
    await bed.tick()
    assert bed.image_of("main-gateway") == NEW
    assert STATE not in bed.cluster.objects
    assert no_leftovers(bed)


async def test_a_fleet_none_of_whose_gateways_serves_takes_the_image_at_once() -> None:
    bed = UpgradeBed()
    bed.images[OLD] = ImageBehaviour(starts=False)
    await bed.begin()
    bed.upgrade_to(NEW)
    await bed.tick()
    assert bed.image_of("main-gateway") == NEW


async def test_immediate_during_an_upgrade_ends_it_forward() -> None:
    bed = await upgrading(rollouts=ONE_BY_ONE)
    while bed.weights()["quiet"] != 10:
        await bed.tick()
    bed.upgrade_to(NEW, upgrade={"strategy": "Immediate"})
    await bed.until_upgrade("Stable", seconds=40)
    assert bed.image_of("main-gateway") == NEW


async def test_a_repo_whose_changes_are_immediate_moves_in_one_go_after_the_gateways_are_ready() -> None:
    bed = UpgradeBed()
    await bed.begin()
    bed.put(repo("quiet", rollout=QUICK | {"strategy": "Immediate"}))
    bed.upgrade_to(NEW, rollouts=ONE_BY_ONE)
    walked = await bed.until_upgrade("Promoting")
    assert walked[:3] == [(0, 0, 0), (100, 0, 0), (100, 0, 10)]


async def test_an_operator_of_a_new_version_begins_nothing_by_itself() -> None:
    bed = UpgradeBed()
    await bed.begin()
    again = bed.restarted()
    again.cluster.writes.clear()
    for _ in range(5):
        await again.tick()
    assert again.cluster.writes == []
    assert STATE not in again.cluster.objects


async def test_an_unchanged_world_after_an_upgrade_is_not_written_to() -> None:
    bed = await upgrading()
    await bed.until_upgrade("Stable")
    for _ in range(3):
        await bed.tick()
    bed.cluster.writes.clear()
    again = bed.restarted()
    for _ in range(5):
        await bed.tick()
        await again.tick()
    assert bed.cluster.writes == []


async def test_somebody_elses_edit_of_the_image_is_put_right_at_once() -> None:
    bed = UpgradeBed()
    await bed.begin()
    containers = bed.cluster.objects["Deployment", "events", "main-gateway"]["spec"]["template"]["spec"]["containers"]
    edited = [{**containers[0], "image": "stranger:1"}]
    bed.put(
        {
            "kind": "Deployment",
            "metadata": {"namespace": "events", "name": "main-gateway"},
            "spec": {"template": {"spec": {"containers": edited}}},
        }
    )
    await bed.tick()
    assert bed.image_of("main-gateway") == OLD
    assert STATE not in bed.cluster.objects


async def test_a_state_that_cannot_be_stored_moves_nothing() -> None:
    bed = UpgradeBed()
    await bed.begin()
    bed.cluster.failing[STATE] = UnavailableError("down")
    bed.upgrade_to(NEW)
    for _ in range(20):
        await bed.tick()
    assert (bed.image_of("main-gateway"), bed.image_of("main-upgrade")) == (OLD, None)
    bed.cluster.failing.clear()
    await bed.until_upgrade("Stable")
    assert bed.image_of("main-gateway") == NEW


@pytest.mark.parametrize("good", [True, False], ids=["good", "bad"])
@pytest.mark.parametrize("seed", range(2))
async def test_an_operator_killed_at_random_ends_as_it_would_have(seed: int, good: bool) -> None:
    chance = random.Random(seed)
    bed = await upgrading(rollouts={"maxConcurrent": 2})
    bed.images[NEW] = ImageBehaviour(fails=set() if good else {"busy"})
    ended = "Stable" if good else "RolledBack"
    for _ in range(900):
        await bed.tick()
        if bed.block().get("phase") == ended:
            break
        if chance.random() < 0.15:
            lost = bed.lost
            bed = bed.restarted()
            bed.lost = lost
    assert bed.block()["phase"] == ended
    assert bed.image_of("main-gateway") == (NEW if good else OLD)
    assert no_leftovers(bed)
    assert bed.lost == 0


async def test_the_stable_side_keeps_its_size_while_requests_leave_it() -> None:
    scaling = {"replicas": None, "autoscaling": {"minReplicas": 2, "maxReplicas": 9}}
    bed = await upgrading(**scaling)
    await bed.until_upgrade("Upgrading")
    live = bed.cluster.objects["Deployment", "events", "main-gateway"]["spec"].get("replicas", 1)
    await bed.tick()
    least = bed.cluster.objects["HorizontalPodAutoscaler", "events", "main-gateway"]["spec"]["minReplicas"]
    assert least == max(2, live)
