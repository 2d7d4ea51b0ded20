"""Which object makes a fleet's pods while one kind takes over from the other."""

from typing import Any

from tests.unit.reconcile.fleetbed import KEY, fleet

from headgate_operator.reconcile.store import Store
from headgate_operator.reconcile.upgrade_sights import image_in
from headgate_operator.reconcile.workloads import live_workload

CLAIMED = {"mode": "VolumeClaim"}


def manifest(body: dict[str, Any], version: int = 1) -> dict[str, Any]:
    metadata = {"uid": body["metadata"]["name"] + body["kind"], "resourceVersion": str(version), "generation": 1}
    return {**body, "metadata": {**metadata, **body["metadata"]}}


def workload(kind: str, image: str) -> dict[str, Any]:
    labels = {"headgate.dev/fleet": "main", "app.kubernetes.io/managed-by": "headgate-operator"}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "main-gateway", "namespace": "events", "labels": labels},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "gateway", "image": image}]}}},
    }


def store_of(*bodies: dict[str, Any]) -> Store:
    store = Store(None, lambda _: None)
    for body in bodies:
        store.upsert(manifest(body))
    return store


def running(store: Store) -> str | None:
    image = image_in(live_workload(store, KEY), "main")
    return image.name if image is not None else None


def test_what_is_wanted_counts_while_both_are_there() -> None:
    both = workload("Deployment", "one"), workload("StatefulSet", "two")
    assert running(store_of(fleet(), *both)) == "one"
    assert running(store_of(fleet(spool=CLAIMED), *both)) == "two"


def test_what_is_to_be_replaced_counts_until_then_so_that_a_change_of_mode_moves_no_image() -> None:
    assert running(store_of(fleet(spool=CLAIMED), workload("Deployment", "one"))) == "one"
    assert running(store_of(fleet(), workload("StatefulSet", "two"))) == "two"
    assert running(store_of(fleet())) is None
