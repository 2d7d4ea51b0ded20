"""What one repo's move, or the upgrade itself, cannot do keeps nothing else of the fleet from going on."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.unit.reconcile.fleetbed import repo
from tests.unit.reconcile.partsbed import fail, renew
from tests.unit.reconcile.rolloutbed import QUICK
from tests.unit.reconcile.upgradebed import NEW, UpgradeBed

from headgate_operator.api.rollout import Rollout
from headgate_operator.reconcile.sights import Eyes
from headgate_operator.render.world import RepoKey
from headgate_operator.rollout.model import QueryResult, RolloutState

pytestmark = pytest.mark.thorough


async def moving(weight: int) -> UpgradeBed:
    """A fleet of whose repos the first has as much on the new image."""
    bed = UpgradeBed()
    await bed.begin(rollouts={"maxConcurrent": 3})
    bed.upgrade_to(NEW, rollouts={"maxConcurrent": 3})
    while bed.weights()["quiet"] != weight:
        await bed.tick()
    return bed


async def test_a_repo_whose_move_cannot_be_judged_stays_and_the_others_move_on() -> None:
    bed = await moving(10)

    def ask(key: RepoKey, policy: Rollout, state: RolloutState, now: float) -> Mapping[str, QueryResult]:
        return {} if key[1] != "quiet" else fail("a broken query")

    renew(bed, queries=ask)
    for _ in range(60):
        await bed.tick()
    assert bed.weights() == {"quiet": 10, "busy": 100, "middle": 100}
    assert "a broken query" in bed.rollout("quiet")["message"]
    assert "a broken query" in str(bed.cluster.objects["GatewayFleet", "events", "main"]["status"]["conditions"])
    assert ("quiet", "ApplyFailed") in bed.events
    renew(bed, queries=lambda *_: {})
    await bed.until_upgrade("Stable")


async def test_a_move_that_cannot_be_judged_for_long_gives_its_requests_back() -> None:
    bed = await moving(10)
    slow = {"maxConcurrent": 3}
    bed.upgrade_to(NEW, rollouts=slow, upgrade={"failureBudget": 2})
    bed.put(repo("quiet", rollout=QUICK | {"progressDeadline": "30s"}))

    def ask(key: RepoKey, policy: Rollout, state: RolloutState, now: float) -> Mapping[str, QueryResult]:
        return {} if key[1] != "quiet" else fail("a broken query")

    renew(bed, queries=ask)
    for _ in range(30):
        await bed.tick()
    assert bed.weights()["quiet"] == 10
    for _ in range(30):
        await bed.tick()
    assert bed.weights() == {"quiet": 0, "busy": 100, "middle": 100}
    assert "events/quiet: NotDecided: " in bed.block()["message"]
    assert "a broken query" in bed.block()["message"]
    assert ("quiet", "RolledBack") in bed.events


async def test_an_upgrade_that_cannot_be_decided_stays_where_it_is_and_repos_are_served() -> None:
    bed = await moving(100)
    eyes: Eyes = bed.reconciler._parts.rollouts.eyes
    pods = {pod["metadata"]["uid"] for key, pod in bed.cluster.objects.items() if key[2].startswith("main-upgrade")}

    def raising(known: Callable[[str], Any]) -> Callable[[str], Any]:
        return lambda uid: fail("nonsense") if uid in pods else known(uid)

    before, counted = bed.weights(), eyes.counted
    renew(bed, eyes=dataclasses.replace(eyes, counted=raising(eyes.counted)))
    bed.rates["late"] = 10
    bed.put(repo("late", rollout=QUICK))
    for _ in range(5):
        await bed.tick()
    assert bed.weights() == before | {"late": 0}
    assert bed.image_of("main-upgrade") == NEW
    assert bed.conditions("EventRepo", "late")["Ready"][0] == "True"
    assert "nonsense" in str(bed.cluster.objects["GatewayFleet", "events", "main"]["status"]["conditions"])
    assert bed.lost == 0
    renew(bed, eyes=dataclasses.replace(eyes, counted=counted))
    await bed.until_upgrade("Stable")
