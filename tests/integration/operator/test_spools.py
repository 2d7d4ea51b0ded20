"""Fleets with claims, against a real API server and its controllers: no claim is ever lost. No pod starts here."""

from typing import Any

import pytest
from tests.integration.operator.process import OperatorProcess
from tests.integration.operator.world import World, wait_for

pytestmark = pytest.mark.cluster

# Nothing may start here: no node has this label, so the pods stay Pending.
NOWHERE = {"nodeSelector": {"headgate.dev/nowhere": "true"}}
# With a bound of its own, another size changes no pod.
CLAIMED = {"mode": "VolumeClaim", "size": "1Gi", "maxBytes": "500Mi", "storageClassName": "nobody-provisions-this"}
NAMES = ["spool-main-gateway-0", "spool-main-gateway-1"]


def claims(world: World) -> dict[str, Any]:
    return {each["metadata"]["name"]: each for each in world.list("persistentvolumeclaims")}


def pods(world: World) -> dict[str, dict[str, Any]]:
    found = (each["metadata"] for each in world.list("pods") if "deletionTimestamp" not in each["metadata"])
    return {each["name"]: each for each in found}


def workload(world: World) -> dict[str, Any]:
    return world.get("statefulset", "main-gateway") or {}


def left(world: World) -> list[str]:
    status = (world.get("gatewayfleet", "main") or {}).get("status") or {}
    return [each["name"] for each in (status.get("spool") or {}).get("leftClaims") or ()]


def claimed(world: World, replicas: int = 2) -> None:
    world.fleet(replicas=replicas, scheduling=NOWHERE, spool=CLAIMED)
    wait_for("claims", lambda: sorted(claims(world)) == NAMES)
    wait_for("pods", lambda: len(pods(world)) == 2)


def test_each_gateway_gets_a_claim_that_nobody_owns_and_an_unchanged_world_no_write(
    world: World, operator: OperatorProcess
) -> None:
    claimed(world)
    assert not [each for each in claims(world).values() if "ownerReferences" in each["metadata"]]
    world.wait_until_quiet()
    assert left(world) == []


def test_a_gateway_that_is_scaled_away_leaves_its_claim_and_finds_it_again(
    world: World, operator: OperatorProcess
) -> None:
    claimed(world)
    kept = claims(world)[NAMES[1]]["metadata"]["uid"]
    world.patch("gatewayfleet", "main", {"spec": {"replicas": 1}})
    wait_for("the claim to be named", lambda: left(world) == NAMES[1:])
    assert sorted(claims(world)) == NAMES
    world.patch("gatewayfleet", "main", {"spec": {"replicas": 2}})
    wait_for("no claim to be left", lambda: not left(world))
    assert claims(world)[NAMES[1]]["metadata"]["uid"] == kept


def test_another_size_makes_the_stateful_set_anew_around_its_pods(world: World, operator: OperatorProcess) -> None:
    claimed(world)
    before, running = workload(world)["metadata"]["uid"], {name: each["uid"] for name, each in pods(world).items()}
    world.patch("gatewayfleet", "main", {"spec": {"spool": {"size": "2Gi"}}})
    wait_for("another StatefulSet", lambda: workload(world).get("metadata", {}).get("uid") not in (None, before))
    now = workload(world)
    (template,) = now["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"]["requests"] == {"storage": "2Gi"}

    def adopted() -> bool:
        owners = [each.get("ownerReferences", [{}])[0].get("uid") for each in pods(world).values()]
        return owners == [now["metadata"]["uid"]] * 2

    wait_for("its pods to be found again", adopted)
    assert {name: each["uid"] for name, each in pods(world).items()} == running
    assert {each["spec"]["resources"]["requests"]["storage"] for each in claims(world).values()} == {"1Gi"}
    world.wait_until_quiet()


def test_leaving_claims_and_coming_back_keeps_them(world: World, operator: OperatorProcess) -> None:
    claimed(world)
    kept = {name: each["metadata"]["uid"] for name, each in claims(world).items()}
    world.patch("gatewayfleet", "main", {"spec": {"spool": {"mode": "EmptyDir", "storageClassName": None}}})
    wait_for("a Deployment", lambda: world.get("deployment", "main-gateway"))
    assert workload(world), "its gateways are not ready: they have not taken over"
    # Nothing becomes ready here, so only a fleet of none is ever complete.
    world.patch("gatewayfleet", "main", {"spec": {"replicas": 0}})
    wait_for("no StatefulSet", lambda: not workload(world))
    wait_for("both claims to be named", lambda: left(world) == NAMES)
    world.patch("gatewayfleet", "main", {"spec": {"replicas": 2, "spool": CLAIMED}})
    wait_for("no claim to be left", lambda: len(pods(world)) >= 2 and not left(world))
    assert {name: each["metadata"]["uid"] for name, each in claims(world).items()} == kept


def test_claims_outlive_their_fleet(world: World, operator: OperatorProcess) -> None:
    claimed(world)
    world.delete("gatewayfleet", "main")
    wait_for("no StatefulSet", lambda: not workload(world))
    world.wait_until_quiet()
    assert sorted(claims(world)) == NAMES


def test_a_stateful_set_for_an_autoscaler_begins_with_as_many_gateways_as_there_are(
    world: World, operator: OperatorProcess
) -> None:
    world.fleet(replicas=3, scheduling=NOWHERE)
    wait_for("three gateways", lambda: len(pods(world)) == 3)
    world.patch(
        "gatewayfleet",
        "main",
        {"spec": {"replicas": None, "autoscaling": {"minReplicas": 1, "maxReplicas": 9}, "spool": CLAIMED}},
    )
    wait_for("a StatefulSet", lambda: workload(world))
    assert workload(world)["spec"]["replicas"] == 3
    world.wait_until_quiet()
    assert workload(world)["spec"]["replicas"] == 3
