"""The compact forms of live objects."""

from typing import Any

import pytest
from tests.unit.reconcile.fleetbed import Bed, fleet, profile, repo

from headgate_operator.reconcile.records import build_child_record
from headgate_operator.status.observation import WorkloadProgress


def progress(*conditions: dict[str, str]) -> WorkloadProgress:
    metadata = {"name": "main-gateway", "namespace": "events", "uid": "u", "resourceVersion": "7", "generation": 3}
    status: dict[str, Any] = {"observedGeneration": 3, "replicas": 3, "updatedReplicas": 1, "readyReplicas": 2}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 2}}
    found = build_child_record({**manifest, "status": {**status, "conditions": list(conditions)}}).progress
    assert isinstance(found, WorkloadProgress)
    return found


AVAILABLE = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "has progressed"}
UPDATING = {**AVAILABLE, "reason": "ReplicaSetUpdated"}
TIMED_OUT = {**AVAILABLE, "status": "False", "reason": "ProgressDeadlineExceeded", "message": "has timed out"}
NO_PODS = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}


def test_how_far_a_deployment_is() -> None:
    assert progress(UPDATING) == WorkloadProgress(desired=2, updated=1, ready=2, total=3, observed=True)
    assert progress(AVAILABLE).settled
    assert not progress().settled


def test_why_a_deployment_goes_no_further() -> None:
    assert progress(TIMED_OUT).stuck == "has timed out"
    assert progress(TIMED_OUT, NO_PODS).stuck == "exceeded quota"
    assert progress(UPDATING, NO_PODS).stuck == ""


def test_why_a_deployment_gets_no_pod_is_known_before_its_controller_gives_up() -> None:
    assert progress(UPDATING, NO_PODS).refused == "exceeded quota"
    assert progress(UPDATING, {**NO_PODS, "status": "False"}).refused == ""


@pytest.mark.parametrize(
    ("layout", "name"),
    [("PerRepo", "main.events.access"), ("Shared", "main-shared")],
    ids=["its own", "the shared one"],
)
async def test_a_route_that_a_parent_refuses_wakes_its_fleet_and_shows_at_the_repo(layout: str, name: str) -> None:
    bed = Bed()
    routing = {"provider": "GatewayAPI", "routes": layout, "gatewayAPI": {"parentRefs": [{"name": "edge"}]}}
    bed.put(fleet(routing=routing), profile(), repo("access"))
    uid = bed.add_pod("one")
    await bed.reconcile()
    bed.load(uid)
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access")["Ready"] == ("True", "Ready")

    bed.noticed.clear()
    refusal = {"type": "Accepted", "status": "False", "reason": "NoMatchingParent", "message": "no listener"}
    parents = [{"parentRef": {"name": "edge"}, "conditions": [refusal]}]
    route = bed.cluster.objects["HTTPRoute", "events", name]
    bed.put({**route, "status": {"parents": parents}})
    await bed.relister.relist()
    assert bed.noticed == {("events", "main")}
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access")["Ready"] == ("False", "RouteNotAccepted")
