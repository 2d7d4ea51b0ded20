"""What others do to the fleet's objects, or put in their place, against a real API server."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration.operator.process import OperatorProcess, running
from tests.integration.operator.world import World, wait_for

from headgate_gateway.config import shard_of
from headgate_operator.api.names import FIELD_MANAGER, shard_name

pytestmark = pytest.mark.cluster

GATEWAY = "main-gateway"
ROUTING = {
    "provider": "GatewayAPI",
    "hostnames": ["hgop.example.com"],
    "gatewayAPI": {"parentRefs": [{"name": "edge", "namespace": "edge"}]},
}


def build_world(world: World) -> None:
    world.fleet(routing=ROUTING)
    world.profile()
    world.repo("access", topic="web")
    world.repo("audit")


def wait_for_objects(world: World) -> None:
    wait_for("routes", lambda: len(world.list("httproutes")) == 2)
    wait_for("deployment", lambda: world.get("deployment", GATEWAY))
    wait_for("acceptance", lambda: world.conditions("eventrepo", "audit").get("Accepted") == ("True", "Accepted"))


def edit(world: World, kind: str, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """What `kubectl edit` does: fields can go as well as come."""
    live = world.get(kind, name)
    assert live
    change(live)
    del live["metadata"]["resourceVersion"]  # the operator may repair an earlier edit at any moment
    world.cluster.run_kubectl("replace", "--field-manager=a-person", "-f", "-", stdin=json.dumps(live))


def our_entries(world: World, kind: str, name: str) -> list[str]:
    """The operations under which the operator owns fields of an object."""
    text = world.cluster.run_kubectl("get", kind, name, "-n", world.namespace, "-o", "json", "--show-managed-fields")
    entries = json.loads(text)["metadata"]["managedFields"]
    return [entry["operation"] for entry in entries if entry["manager"] == FIELD_MANAGER]


def without_counters(contents: dict[tuple[str, str, str], str]) -> dict[tuple[str, str, str], str]:
    # The Deployment's controller counts templates.
    return {
        key: text.replace('"deployment.kubernetes.io/revision": "3"', '"deployment.kubernetes.io/revision": "1"')
        for key, text in contents.items()
    }


def container(live: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = live["spec"]["template"]["spec"]["containers"][0]
    return found


def test_what_changes_the_meaning_of_ours_is_repaired(world: World, log: Path) -> None:
    build_world(world)
    shard, route = shard_name("main", shard_of(world.namespace, "access")), f"main.{world.namespace}.access"
    with running(world, log, "--secret-poll=1s") as operator:
        wait_for_objects(world)
        world.wait_until_quiet()
        before = world.contents()
        edit(world, "configmap", shard, lambda live: live["data"].update({"shard-99.json": "{}"}))
        edit(world, "secret", "main-credentials", lambda live: live.update({"data": {"credential.stray": "AA=="}}))
        edit(world, "service", GATEWAY, lambda live: live["spec"]["selector"].update({"also": "this"}))
        edit(world, "service", GATEWAY, lambda live: live["spec"].update(ports=[{"name": "http", "port": 81}]))
        edit(world, "httproute", route, lambda live: live["spec"]["rules"][0].update({"name": "mine"}))
        edit(
            world,
            "deployment",
            GATEWAY,
            lambda live: container(live)["securityContext"].pop("allowPrivilegeEscalation"),
        )
        edit(world, "serviceaccount", GATEWAY, lambda live: live.pop("automountServiceAccountToken"))
        wait_for("the former content", lambda: without_counters(world.contents()) == before)
        quiet = world.wait_until_quiet()
        for kind, name in (("service", GATEWAY), ("configmap", shard), ("secret", "main-credentials")):
            assert our_entries(world, kind, name) == ["Apply"], kind
        assert operator.end() == 0
    with running(world, log) as second:
        second.wait_until_leading()
        wait_for("a reconcile", lambda: second.metric("headgate_reconcile_duration_seconds_count") >= 1)
        world.wait_until_quiet()
        assert second.metric("headgate_writes_total") == 0
        assert world.versions() == quiet


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        ("Secret", "main-credentials", {"data": {"password": base64.b64encode(b"theirs").decode()}}),
        ("Service", GATEWAY, {"spec": {"ports": [{"port": 5432}], "selector": {"app": "database"}}}),
    ],
    ids=["Secret", "Service"],
)
def test_a_users_object_of_the_same_name_is_untouched_and_the_fleet_says_so(
    world: World, log: Path, kind: str, name: str, content: dict[str, Any]
) -> None:
    metadata = {"name": name, "namespace": world.namespace}
    world.apply({"apiVersion": "v1", "kind": kind, "metadata": metadata, **content})
    before = world.get(kind, name)
    build_world(world)
    with running(world, log, "--resync=5s"):
        wait_for("the rest", lambda: world.get("deployment", GATEWAY))
        world.wait_for_condition("gatewayfleet", "main", "Ready", "False", "ApplyFailed")
        conditions = (world.get("gatewayfleet", "main") or {})["status"]["conditions"]
        message = next(each["message"] for each in conditions if each["type"] == "Ready")
        assert f"{kind} {name}" in message
        assert "delete or rename it" in message
        world.wait_until_quiet()
        assert world.get(kind, name) == before
        world.delete(kind, name)
        wait_for("our own", lambda: "ownerReferences" in (world.get(kind, name) or {"metadata": {}})["metadata"])


def test_a_shard_that_loses_its_label_keeps_what_it_serves_and_gets_the_label_back(
    world: World, operator: OperatorProcess
) -> None:
    build_world(world)
    wait_for_objects(world)
    shard = shard_name("main", shard_of(world.namespace, "access"))
    world.repo("access", kafka={"producerProfile": "nobody", "topic": "web"})
    wait_for("refusal", lambda: world.conditions("eventrepo", "access").get("Accepted", ("",))[0] == "False")
    world.wait_until_quiet()
    served = (world.get("configmap", shard) or {})["data"]
    assert '"access"' in str(served)
    for _ in range(2):
        world.cluster.run_kubectl("label", "configmap", shard, "-n", world.namespace, "headgate.dev/fleet-")
        wait_for("label", lambda: "headgate.dev/fleet" in (world.get("configmap", shard) or {})["metadata"]["labels"])
        world.wait_until_quiet(1.0)
        assert (world.get("configmap", shard) or {})["data"] == served
    # Known again, it is repaired and prunable like any other.
    writes = operator.metric("headgate_writes_total")
    world.wait_until_quiet()
    assert operator.metric("headgate_writes_total") == writes
    world.delete("configmap", shard)
    wait_for("what it served", lambda: (world.get("configmap", shard) or {"data": None})["data"] == served)
