"""Between `replicas` and `autoscaling`, against a real API server: the number of gateways never falls to a default."""

from typing import Any

import pytest
from tests.integration.operator.process import OperatorProcess
from tests.integration.operator.world import World, wait_for

pytestmark = pytest.mark.cluster

AUTOSCALING = {"minReplicas": 2, "maxReplicas": 9}
# Nothing may start here: no node has this label, so the pods stay Pending.
NOWHERE = {"nodeSelector": {"headgate.dev/nowhere": "true"}}


def deployment(world: World) -> dict[str, Any]:
    return world.get("deployment", "main-gateway") or {}


def size(world: World) -> int | None:
    replicas: int | None = deployment(world).get("spec", {}).get("replicas")
    return replicas


def resizes(world: World) -> list[str]:
    """What the Deployment's controller says of each change of size."""
    events = world.list("events.events.k8s.io")
    return [each["note"] for each in events if each["reason"] == "ScalingReplicaSet"]


def test_an_autoscaler_takes_the_fleet_over_at_its_size(world: World, operator: OperatorProcess) -> None:
    world.fleet(replicas=3, scheduling=NOWHERE)
    wait_for("three gateways", lambda: size(world) == 3)
    world.wait_until_quiet()
    assert len(resizes(world)) == 1

    world.patch("gatewayfleet", "main", {"spec": {"replicas": None, "autoscaling": AUTOSCALING}})
    wait_for("autoscaler", lambda: world.get("hpa", "main-gateway"))
    world.wait_until_quiet()
    assert size(world) == 3
    assert len(resizes(world)) == 1, "it was not even changed and put back"

    # The autoscaler's word stands, whatever else of the Deployment changes.
    world.cluster.run_kubectl("scale", "deployment/main-gateway", "-n", world.namespace, "--replicas=7")
    world.patch("gatewayfleet", "main", {"spec": {"podMetadata": {"labels": {"team": "a"}}}})
    wait_for("the label", lambda: "team" in deployment(world)["spec"]["template"]["metadata"]["labels"])
    world.wait_until_quiet()
    assert size(world) == 7

    # And back: the fleet's own number is set, and the autoscaler goes.
    world.patch("gatewayfleet", "main", {"spec": {"replicas": 4, "autoscaling": None}})
    wait_for("four gateways", lambda: size(world) == 4)
    wait_for("no autoscaler", lambda: world.get("hpa", "main-gateway") is None)
    world.wait_until_quiet()
    assert size(world) == 4
