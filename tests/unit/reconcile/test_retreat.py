"""A fleet that cannot be rendered has nobody who watches its canaries: their requests go back, by the live routes."""

from typing import Any

import pytest
from tests.unit.reconcile.fleetbed import KEY, repo
from tests.unit.reconcile.partsbed import breaking, renew
from tests.unit.reconcile.rolloutbed import QUICK, REPO, RolloutBed
from tests.unit.reconcile.upgradebed import NEW, RATES, UpgradeBed

from headgate_operator.api.names import rollout_name, route_name
from headgate_operator.ports import UnavailableError
from headgate_operator.render.template_files import load_templates

pytestmark = pytest.mark.thorough

AFTER = {"matchExpressions": [{"field": "status", "operator": "Ge", "values": [400]}]}
ROUTE = ("HTTPRoute", "events", route_name("main", *REPO))
STATE = ("ConfigMap", "events", rollout_name("main", *REPO))
BROKEN, MENDED = {"fromTheFuture": True}, {"fromTheFuture": None}

spoilt = pytest.mark.parametrize("how", ["spec", "templates"])


async def under_weight(weight: int = 10) -> RolloutBed:
    """A repo whose canary has this share of its requests."""
    bed = RolloutBed()
    await bed.settle()
    bed.put(repo("access", rollout=QUICK, constraint=AFTER))
    while bed.weight() != weight:
        await bed.tick()
    return bed


def fleet_with(spec: dict[str, Any]) -> dict[str, Any]:
    """An edit of the fleet."""
    return {"kind": "GatewayFleet", "metadata": {"namespace": KEY[0], "name": KEY[1]}, "spec": spec}


def spoil(bed: RolloutBed, how: str) -> None:
    if how == "spec":
        bed.put(fleet_with(BROKEN))
    else:
        renew(bed, templates=breaking("deployment.yaml.j2"))


def mend(bed: RolloutBed, how: str) -> None:
    if how == "spec":
        bed.put(fleet_with(MENDED))
    else:
        renew(bed, templates=load_templates())


@spoilt
async def test_the_weight_goes_back_at_once_and_the_change_starts_anew_when_the_fleet_is_mended(how: str) -> None:
    bed = await under_weight()
    stable = bed.status()["stable"]
    spoil(bed, how)
    await bed.tick()
    assert bed.weight() == 0
    assert (bed.status()["phase"], bed.status()["reason"]) == ("RollingBack", "FleetNotAccepted")
    assert bed.canary() is not None  # it drains when somebody can render again
    assert ("access", "RollingBack") in bed.events
    assert bed.conditions("EventRepo", "access")["Serving"][0] == "True"
    mend(bed, how)
    assert await bed.until("Promoting") == [0, 10, 50]
    assert [each["weight"] for each in bed.cluster.objects[ROUTE]["spec"]["rules"][0]["backendRefs"]] == [50, 50]
    await bed.until("Stable")
    assert bed.status()["stable"] != stable


@spoilt
async def test_nothing_more_is_written_while_it_lasts_and_a_restart_changes_nothing(how: str) -> None:
    bed = await under_weight()
    spoil(bed, how)
    for _ in range(2):
        await bed.tick()
    bed.cluster.writes.clear()
    for _ in range(3):
        await bed.tick()
    again = bed.restarted()
    if how == "templates":
        renew(again, templates=breaking("deployment.yaml.j2"))
    for _ in range(3):
        await again.tick()
    assert bed.cluster.writes == []


async def test_a_new_operator_that_finds_the_fleet_broken_takes_the_weight_back_too() -> None:
    bed = (await under_weight(50)).restarted()
    bed.put(fleet_with(BROKEN))
    await bed.tick()
    assert bed.weight() == 0


async def test_the_route_stays_ours_and_others_keep_what_they_added() -> None:
    bed = await under_weight()
    before = bed.cluster.objects[ROUTE]
    bed.cluster.put({"kind": ROUTE[0], "metadata": {"namespace": ROUTE[1], "name": ROUTE[2], "labels": {"team": "x"}}})
    bed.put(fleet_with(BROKEN))
    bed.cluster.writes.clear()
    await bed.tick()
    assert {verb for verb, kind, _ in bed.cluster.writes if kind == "HTTPRoute"} == {"apply"}
    after = bed.cluster.objects[ROUTE]
    assert after["metadata"]["labels"] == before["metadata"]["labels"] | {"team": "x"}
    rule, former = after["spec"]["rules"][0], before["spec"]["rules"][0]
    assert (rule["matches"], rule["timeouts"]) == (former["matches"], former["timeouts"])
    assert [each["weight"] for each in rule["backendRefs"]] == [100, 0]


async def test_a_route_that_cannot_be_written_is_tried_again() -> None:
    bed = await under_weight()
    bed.put(fleet_with(BROKEN))
    bed.cluster.failing[ROUTE] = UnavailableError("down")
    await bed.relister.relist()
    assert not (await bed.reconciler.reconcile(KEY)).succeeded
    bed.cluster.failing.clear()
    assert (await bed.reconciler.reconcile(KEY)).succeeded
    assert bed.weight() == 0


async def test_a_state_that_cannot_be_stored_keeps_no_request_on_the_canary() -> None:
    bed = await under_weight()
    bed.put(fleet_with(BROKEN))
    bed.cluster.failing[STATE] = UnavailableError("down")
    await bed.tick()
    assert bed.weight() == 0


async def test_what_is_being_promoted_stays_promoted() -> None:
    bed = await under_weight(50)
    await bed.until("Promoting")
    stable = bed.status()["stable"]
    bed.put(fleet_with(BROKEN))
    await bed.tick()
    assert (bed.weight(), bed.status()["phase"], bed.status()["stable"]) == (0, "Promoting", stable)
    bed.put(fleet_with(MENDED))
    await bed.until("Stable")
    assert bed.status()["stable"] == stable


@spoilt
async def test_repos_that_have_moved_to_a_new_image_go_back_and_move_again_when_the_fleet_is_mended(how: str) -> None:
    bed = UpgradeBed()
    await bed.begin(rollouts={"maxConcurrent": 1})
    bed.upgrade_to(NEW, rollouts={"maxConcurrent": 1})
    while (bed.weights()["quiet"], bed.weights()["middle"]) != (100, 10):
        await bed.tick()
    spoil(bed, how)
    await bed.tick()
    assert bed.weights() == dict.fromkeys(RATES, 0)
    assert bed.rollout("middle")["phase"] == "RollingBack"
    mend(bed, how)
    await bed.until_upgrade("Promoting")
    await bed.until_upgrade("Stable")
    assert bed.image_of("main-gateway") == NEW
    assert bed.lost == 0
