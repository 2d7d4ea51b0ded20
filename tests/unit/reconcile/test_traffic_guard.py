"""Requests go only where something serves them, and nothing that serves them goes away: whatever fails in between."""

import pytest
from tests.unit.reconcile.fleetbed import repo
from tests.unit.reconcile.rolloutbed import QUICK, REPO, RolloutBed

from headgate_operator.api.names import canary_name, route_name
from headgate_operator.ports import RejectedError, UnavailableError
from headgate_operator.status.observation import SpoolReport

AFTER = {"matchExpressions": [{"field": "status", "operator": "Ge", "values": [400]}]}
LATER = {"matchExpressions": [{"field": "status", "operator": "Ge", "values": [500]}]}
NAME = canary_name("main", *REPO)
SECRET = ("Secret", "events", NAME)
DEPLOYMENT = ("Deployment", "events", NAME)
SERVICE = ("Service", "events", NAME)
ROUTE = ("HTTPRoute", "events", route_name("main", *REPO))


async def changed() -> RolloutBed:
    """A repo at rest whose spec has just been edited."""
    bed = RolloutBed()
    await bed.settle()
    bed.put(repo("access", rollout=QUICK, constraint=AFTER))
    return bed


async def until_weight(bed: RolloutBed, weight: int) -> None:
    for _ in range(60):
        await bed.tick()
        if bed.weight() == weight:
            return
    raise AssertionError(f"never {weight} %")


async def test_a_second_rollout_has_its_credentials_too() -> None:
    bed = await changed()
    for constraint in (AFTER, LATER):
        bed.put(repo("access", rollout=QUICK, constraint=constraint))
        await until_weight(bed, 10)
        assert SECRET in bed.cluster.objects
        await bed.until("Stable")
        assert SECRET not in bed.cluster.objects


async def test_credentials_of_a_running_canary_that_somebody_deleted_come_back() -> None:
    bed = await changed()
    await until_weight(bed, 10)
    bed.behaviour.slow, bed.per_second = False, 0
    del bed.cluster.objects[SECRET]
    for _ in range(12):
        await bed.tick()
    assert SECRET in bed.cluster.objects


async def test_credentials_that_cannot_be_deleted_stop_nobody_and_go_later() -> None:
    bed = await changed()
    await until_weight(bed, 50)
    bed.cluster.failing[SECRET] = RejectedError("forbidden", status=403)
    for _ in range(60):
        await bed.tick()
    assert bed.weight() == 0
    assert {SECRET, DEPLOYMENT} <= bed.cluster.objects.keys()
    bed.put(repo("second", rollout=QUICK))
    await bed.tick()
    assert "second" in str(bed.cluster.objects["EventRepo", "events", "second"]["status"]["endpoints"])
    bed.cluster.failing.clear()
    await bed.until("Stable")
    assert not {SECRET, DEPLOYMENT} & bed.cluster.objects.keys()


async def test_a_users_secret_with_the_name_of_a_labelled_deployment_stays() -> None:
    bed = RolloutBed()
    await bed.settle()
    labels = {"headgate.dev/fleet": "main", "headgate.dev/track": "canary"}
    own = {"namespace": "events", "name": "their-db"}
    bed.put(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {**own, "labels": labels}, "spec": {}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": own, "data": {"password": "cHc="}},
    )
    for ours in ({}, {"app.kubernetes.io/managed-by": "headgate-operator"}):
        bed.put({"kind": "Deployment", "metadata": {**own, "labels": labels | ours}})
        await bed.tick()
        await bed.tick()
        assert ("Secret", "events", "their-db") in bed.cluster.objects


@pytest.mark.parametrize("key", [SERVICE, DEPLOYMENT], ids=["Service", "Deployment"])
async def test_a_route_gets_no_weight_in_a_pass_in_which_the_canarys_object_failed(key: tuple[str, str, str]) -> None:
    bed = await changed()
    for _ in range(60):
        if key in bed.cluster.objects:
            # Somebody changes it, and it cannot be written back: so too in the pass that would raise the weight.
            drift: dict[str, object] = {"ports": []} if key == SERVICE else {"revisionHistoryLimit": 99}
            bed.cluster.put({"kind": key[0], "metadata": {"namespace": key[1], "name": key[2]}, "spec": drift})
            bed.cluster.failing[key] = UnavailableError("down")
        await bed.tick()
    assert bed.status()["stage"] == "Shifting"
    assert bed.weight() == 0


async def test_a_canary_stays_as_long_as_its_route_could_not_be_written() -> None:
    bed = await changed()
    await until_weight(bed, 10)
    bed.cluster.failing[ROUTE] = UnavailableError("down")
    bed.behaviour.fails = True
    for _ in range(120):
        await bed.tick()
        assert bed.weight() == 10
        assert {SERVICE, DEPLOYMENT, SECRET} <= bed.cluster.objects.keys()
        assert [key for key in bed.cluster.objects if key[0] == "ConfigMap" and key[2].startswith(NAME)]
    bed.cluster.failing.clear()
    await bed.until("RolledBack")
    for _ in range(2):
        await bed.tick()
    assert not {SERVICE, DEPLOYMENT, SECRET} & bed.cluster.objects.keys()


async def test_a_deleted_repo_takes_its_canary_along_in_one_pass() -> None:
    bed = await changed()
    await until_weight(bed, 10)
    del bed.cluster.objects["EventRepo", *REPO]
    for _ in range(2):
        await bed.relister.relist()
        await bed.reconciler.reconcile(("events", "main"))
    assert not {ROUTE, SERVICE, DEPLOYMENT, SECRET} & bed.cluster.objects.keys()


async def test_failed_stable_objects_keep_no_route_from_going_back() -> None:
    bed = await changed()
    await until_weight(bed, 10)
    bed.cluster.failing["Service", "events", "main-gateway"] = UnavailableError("down")
    bed.cluster.put(
        {"kind": "Service", "metadata": {"namespace": "events", "name": "main-gateway"}, "spec": {"ports": []}}
    )
    bed.behaviour.fails = True
    await until_weight(bed, 0)


async def test_a_service_that_somebody_deletes_and_that_cannot_be_written_again_takes_its_canary_back() -> None:
    bed = await changed()
    await until_weight(bed, 10)
    while bed.status()["stage"] != "Measuring":
        await bed.tick()
    del bed.cluster.objects[SERVICE]
    bed.cluster.failing[SERVICE] = UnavailableError("down")
    for _ in range(2):
        await bed.tick()
        assert bed.weight() == 10  # the ingress may not have looked yet
    await bed.tick()
    assert (bed.status()["phase"], bed.status()["reason"], bed.weight()) == ("RollingBack", "RouteNotResolved", 0)
    assert "no such Service" in bed.status()["message"]


async def test_a_canary_that_holds_events_stays_until_kafka_has_them() -> None:
    bed = await changed()
    await until_weight(bed, 10)
    bed.behaviour.fails = True
    bed.behaviour.spool = SpoolReport("Ready", backlog_records=3, oldest_seconds=30.0)
    for _ in range(100):
        await bed.tick()
    assert bed.weight() == 0
    assert {SERVICE, DEPLOYMENT, SECRET} <= bed.cluster.objects.keys()
    assert [key for key in bed.cluster.objects if key[0] == "ConfigMap" and key[2].startswith(NAME)]
    bed.behaviour.spool = SpoolReport("Ready")
    await bed.until("RolledBack")
    await bed.tick()
    assert not {SERVICE, DEPLOYMENT, SECRET} & bed.cluster.objects.keys()
