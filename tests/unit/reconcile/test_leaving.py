"""A namespace that is being deleted is left alone: nothing is told to, or made for, what goes anyway."""

from typing import Any

from tests.unit.reconcile.fleetbed import Bed, fleet, profile, repo


def namespace(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}


GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


async def test_a_fleet_of_a_namespace_that_is_being_deleted_is_not_written_to() -> None:
    bed = Bed()
    bed.put(namespace("events"), fleet(), profile(), repo("access"), repo("elsewhere", namespace="team"))
    await bed.reconcile()
    bed.cluster.writes.clear()
    bed.put(namespace("events", **GOING))
    del bed.cluster.objects["Deployment", "events", "main-gateway"]
    del bed.cluster.objects["ConfigMap", "events", "main-shard-03"]
    assert (await bed.reconcile()).succeeded
    assert bed.cluster.writes == []


async def test_once_it_is_gone_repos_of_other_namespaces_are_told() -> None:
    bed = Bed()
    bed.put(namespace("events", **GOING), repo("elsewhere", namespace="team"))
    await bed.reconcile()
    assert bed.cluster.writes == []
    del bed.cluster.objects["Namespace", "", "events"]
    await bed.reconcile()
    assert bed.conditions("EventRepo", "elsewhere", "team")["Accepted"] == ("False", "FleetNotFound")


async def test_repos_of_a_namespace_that_is_being_deleted_are_told_nothing() -> None:
    bed = Bed()
    bed.put(fleet(allowedRepos={"namespaces": {"from": "All"}}), profile(), repo("access", namespace="team"))
    bed.put(namespace("team", **GOING))
    await bed.reconcile()
    assert [name for verb, kind, name in bed.cluster.writes if kind == "EventRepo"] == []
