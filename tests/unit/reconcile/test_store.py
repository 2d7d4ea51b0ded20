"""The store: newest wins, what does not matter wakes nobody, deleted stays deleted."""

from typing import Any

import pytest
from tests.unit.reconcile.fleetbed import KEY, fleet, profile, repo

from headgate_operator.reconcile.store import Store


def known(manifest: dict[str, Any], version: int, uid: str = "u", generation: int = 1) -> dict[str, Any]:
    extra = {"uid": uid, "resourceVersion": str(version), "generation": generation}
    return {**manifest, "metadata": {**manifest["metadata"], **extra}}


@pytest.fixture
def noticed() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def store(noticed: list[tuple[str, str]]) -> Store:
    return Store(("events", "main"), noticed.append)


def test_an_older_version_never_replaces_a_newer(store: Store) -> None:
    store.upsert(known(repo("a", topic="new"), 9, generation=2))
    store.upsert(known(repo("a", topic="old"), 5))
    record = store.resource("EventRepo", ("events", "a"))
    assert record is not None
    assert record.generation == 2


def test_our_own_status_write_wakes_nobody(store: Store, noticed: list[tuple[str, str]]) -> None:
    store.upsert(known(repo("a"), 1))
    noticed.clear()
    store.upsert({**known(repo("a"), 2), "status": {"observedGeneration": 1}})
    assert noticed == []
    record = store.resource("EventRepo", ("events", "a"))
    assert record is not None
    assert record.status == b'{"observedGeneration":1}'


def test_a_routes_status_wakes_nobody_and_its_spec_does(store: Store, noticed: list[tuple[str, str]]) -> None:
    metadata = {"name": "r", "namespace": "events", "labels": {"headgate.dev/fleet": "main"}}
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata, "spec": {"a": 1}}
    store.upsert(known(route, 1))
    noticed.clear()
    store.upsert({**known(route, 2), "status": {"parents": []}})
    assert noticed == []
    store.upsert(known({**route, "spec": {"a": 2}}, 3))
    assert noticed == [KEY]


def test_a_listing_begun_earlier_does_not_bring_back_what_was_deleted(store: Store) -> None:
    store.upsert(known(repo("a"), 1))
    store.remove("EventRepo", "events", "a", "u", 2)
    store.upsert(known(repo("a"), 1))
    assert store.repos_of(KEY) == []
    store.upsert(known(repo("a"), 3, uid="another"))
    assert len(store.repos_of(KEY)) == 1


def shard(version: int, *, labelled: bool = True, **metadata: Any) -> dict[str, Any]:
    labels = {"headgate.dev/fleet": "main", "app.kubernetes.io/managed-by": "headgate-operator"} if labelled else {}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s", "namespace": "events", **metadata}}
    return known({**manifest, "metadata": {**manifest["metadata"], "labels": labels}}, version)  # type: ignore[dict-item]


SHARD = ("ConfigMap", "events", "s")


def test_what_only_lost_its_label_comes_back_with_the_next_version(store: Store) -> None:
    store.upsert(shard(1))
    store.remove(*SHARD, "u", 2)  # as a watch by label reports a label that was removed
    assert store.child(SHARD) is None
    store.upsert(shard(3))
    assert store.child(SHARD) is not None


def test_the_api_servers_answer_counts_at_the_version_at_which_the_label_went(store: Store) -> None:
    store.upsert(shard(1))
    store.remove(*SHARD, "u", 2)
    store.upsert_answer(shard(2, labelled=False))
    assert store.child(SHARD) is not None


def test_an_answer_from_before_the_deletion_brings_nothing_back(store: Store) -> None:
    store.remove(*SHARD, "u", 3)
    store.upsert_answer(shard(2))
    assert store.child(SHARD) is None


def test_a_late_report_of_a_deletion_takes_nothing_newer_away(store: Store) -> None:
    store.upsert(shard(3))
    store.remove(*SHARD, "u", 2)
    assert store.child(SHARD) is not None


def test_what_a_finalizer_holds_stays_known_until_it_is_gone(store: Store) -> None:
    store.upsert(shard(1))
    store.remove(*SHARD, "u", 1)  # our own delete
    store.upsert(shard(2, deletionTimestamp="2026-01-01T00:00:00Z"))
    assert store.child(SHARD) is not None
    store.remove(*SHARD, "u", 3)
    assert store.child(SHARD) is None


def test_a_profile_wakes_the_fleets_of_its_namespace(store: Store, noticed: list[tuple[str, str]]) -> None:
    store.upsert(known(profile(), 1))
    assert noticed == [("events", "")]
    store.upsert(known(fleet(), 2, uid="f"))
    noticed.clear()
    store.upsert(known(profile(acks="leader"), 3, generation=2))
    assert noticed == [KEY]


def test_repos_without_a_reference_belong_to_the_default_fleet(store: Store) -> None:
    manifest = repo("a")
    del manifest["spec"]["fleetRef"]
    store.upsert(known(manifest, 1))
    assert [record.name for record in store.repos_of(KEY)] == ["a"]


def test_without_a_default_fleet_they_belong_to_nobody(noticed: list[tuple[str, str]]) -> None:
    store = Store(None, noticed.append)
    manifest = repo("a")
    del manifest["spec"]["fleetRef"]
    store.upsert(known(manifest, 1))
    assert [record.name for record in store.repos_of(None)] == ["a"]
    assert noticed == [("", "")]


def test_kubectls_copy_of_the_object_is_not_kept(store: Store) -> None:
    manifest = repo("a")
    manifest["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "x" * 10_000}
    manifest["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    store.upsert(known(manifest, 1))
    record = store.resource("EventRepo", ("events", "a"))
    assert record is not None
    assert record.parsed is not None
    assert record.parsed.metadata.annotations == {}
