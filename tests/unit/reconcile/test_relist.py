"""Listings: what one namespace refuses is no reason to stop, and what nobody could see has not gone."""

from typing import Any

import pytest
from tests.unit.reconcile.fleetbed import KEY, Bed, fleet, profile, repo

from headgate_operator.ports import RejectedError
from headgate_operator.reconcile.watchdog import PATIENCE

NAMESPACES = ("events", "team")


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def shared_fleet() -> dict[str, Any]:
    return fleet(allowedRepos={"namespaces": {"from": "All"}})


def selecting_fleet() -> dict[str, Any]:
    selector = {"matchLabels": {"team": "yes"}}
    return fleet(allowedRepos={"namespaces": {"from": "Selector", "selector": selector}})


def shards(bed: Bed) -> str:
    return str([each["data"] for key, each in bed.cluster.objects.items() if key[0] == "ConfigMap"])


async def test_a_namespace_that_may_not_be_listed_holds_up_no_other() -> None:
    bed = Bed(namespaces=NAMESPACES)
    bed.put(shared_fleet(), profile(), repo("access"))
    bed.cluster.forbidden = {"team"}
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access")["Accepted"] == ("True", "Accepted")
    failed = {"kind": "EventRepo", "result": "failed"}
    assert bed.metrics.registry.get_sample_value("headgate_relists_total", failed) == 1


async def test_rights_that_are_missing_everywhere_are_a_failure() -> None:
    bed = Bed(namespaces=NAMESPACES)
    bed.cluster.forbidden = set(NAMESPACES)
    with pytest.raises(RejectedError):
        await bed.relister.relist()


async def test_what_is_served_stays_while_its_namespace_may_not_be_listed_and_over_a_restart() -> None:
    before = Bed(namespaces=NAMESPACES)
    before.put(shared_fleet(), profile(), repo("access", "team"))
    await before.reconcile()
    before.cluster.forbidden = {"team"}
    for bed in (before, Bed(before.cluster, NAMESPACES)):
        bed.cluster.writes.clear()
        await bed.reconcile()
        assert '"access"' in shards(bed)
        assert [write for write in bed.cluster.writes if write[0] != "patch status"] == []
    bed.cluster.forbidden = set()
    del bed.cluster.objects["EventRepo", "team", "access"]
    await bed.reconcile()
    assert '"access"' not in shards(bed)


async def test_a_namespace_that_may_not_be_listed_has_no_dead_watch() -> None:
    bed = Bed(namespaces=NAMESPACES)
    bed.put(repo("access", "team"))
    await bed.relister.relist()
    bed.cluster.forbidden = {"team"}
    await bed.relister.relist()
    bed.clock.now += PATIENCE + 1
    assert bed.watchdog.stale(0.0) == []


async def test_a_namespace_that_is_seen_late_wakes_the_fleets_that_select_by_its_labels() -> None:
    bed = Bed()
    bed.put(selecting_fleet(), profile(), repo("access", "team"))
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access", "team")["Accepted"] == ("False", "NamespaceNotAllowed")
    bed.noticed.clear()
    bed.put(namespace("team", team="yes"))
    await bed.relister.relist()
    assert bed.noticed == {KEY}


async def test_a_namespace_that_has_gone_is_forgotten() -> None:
    bed = Bed()
    bed.put(selecting_fleet(), namespace("team", team="yes"), repo("access", "team"))
    await bed.relister.relist()
    bed.noticed.clear()
    del bed.cluster.objects["Namespace", "", "team"]
    await bed.relister.relist()
    assert bed.store.namespace_labels("team") is None
    assert bed.noticed == {KEY}


async def test_the_watch_of_namespaces_is_looked_after_too() -> None:
    bed = Bed()
    bed.put(namespace("team"))
    await bed.relister.relist()
    bed.clock.now += PATIENCE + 1
    assert bed.watchdog.stale(0.0) == ["Namespace"]


async def test_a_resync_reconciles_the_profiles_beside_a_fleet() -> None:
    bed = Bed()
    bed.put(fleet(), profile())
    await bed.relister.relist()
    assert bed.store.fleet_keys() == {KEY, ("events", "")}


async def test_a_pod_of_somebody_else_that_bears_a_fleets_label_is_no_gateway() -> None:
    bed = Bed()
    metadata = {"name": "mine", "namespace": "events", "labels": {"headgate.dev/fleet": "main"}}
    bed.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    bed.add_pod("gateway")
    await bed.relister.relist()
    assert [each.name for each in bed.store.pods()] == ["gateway"]
