"""The world converges, an unchanged one is not written to, and drift is repaired: against a real API server."""

import signal
import time
from pathlib import Path

import pytest
from tests.integration.operator.process import OperatorProcess, running
from tests.integration.operator.world import World, wait_for

from headgate_gateway.config import shard_of
from headgate_operator.api.names import shard_name

pytestmark = pytest.mark.cluster

ROUTING = {
    "provider": "GatewayAPI",
    "hostnames": ["hgop.example.com"],
    "gatewayAPI": {"parentRefs": [{"name": "edge", "namespace": "edge"}]},
}


def build_world(world: World) -> None:
    world.fleet(routing=ROUTING, resources={"requests": {"cpu": "1000m", "memory": "1024Mi"}})
    world.profile()
    world.repo("access", topic="web")
    world.repo("audit")


def wait_for_objects(world: World) -> None:
    wait_for("route of both repos", lambda: len(world.list("httproutes")) == 2)
    wait_for("deployment", lambda: world.get("deployment", "main-gateway"))
    wait_for("repos accepted", lambda: world.conditions("eventrepo", "audit").get("Accepted") == ("True", "Accepted"))


def test_an_unchanged_world_is_not_written_to_and_neither_is_it_by_a_restart(world: World, log: Path) -> None:
    build_world(world)
    with running(world, log) as operator:
        wait_for_objects(world)
        before = world.wait_until_quiet()
        writes = operator.metric("headgate_writes_total")
        time.sleep(20)  # two polls of Secrets, and the listing that follows the first one
        assert world.versions() == before
        assert operator.metric("headgate_writes_total") == writes
        assert operator.end() == 0
    with running(world, log) as second:
        second.wait_until_leading()
        wait_for("a reconcile", lambda: second.metric("headgate_reconcile_duration_seconds_count") >= 1)
        time.sleep(5)
        assert second.metric("headgate_writes_total") == 0
        assert world.versions() == before


def test_drift_is_repaired(world: World, operator: OperatorProcess) -> None:
    build_world(world)
    wait_for_objects(world)
    world.wait_until_quiet()
    before = world.contents()
    shard = shard_name("main", shard_of(world.namespace, "access"))
    route = f"main.{world.namespace}.access"
    world.patch("configmap", shard, {"data": {f"{shard.replace('main-', '')}.json": "{}"}})
    world.patch("deployment", "main-gateway", {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}})
    world.patch("service", "main-gateway", {"spec": {"ports": [{"port": 81, "name": "http"}]}})
    world.delete("httproute", route)
    world.delete("configmap", shard_name("main", 3))
    ignored = "deployment.kubernetes.io/revision"  # the Deployment's controller counts templates

    def repaired() -> bool:
        now = {key: text.replace(f'"{ignored}": "3"', f'"{ignored}": "1"') for key, text in world.contents().items()}
        return now == before

    wait_for("the former content", repaired)


def test_a_deleted_credentials_secret_comes_back_within_the_poll(world: World, log: Path) -> None:
    build_world(world)
    with running(world, log, "--secret-poll=1s"):
        wait_for_objects(world)
        world.wait_until_quiet()
        world.delete("secret", "main-credentials")
        wait_for("credentials", lambda: world.get("secret", "main-credentials"), 5)


def test_what_is_no_longer_wanted_is_pruned_and_nothing_else(world: World, operator: OperatorProcess) -> None:
    build_world(world)
    wait_for_objects(world)
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "spool", "namespace": world.namespace, "labels": {"headgate.dev/fleet": "main"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    somebodys = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "mine", "namespace": world.namespace, "labels": {"headgate.dev/fleet": "main"}},
    }
    world.apply(claim, somebodys)
    world.delete("eventrepo", "audit")
    wait_for("pruned route", lambda: world.get("httproute", f"main.{world.namespace}.audit") is None)
    assert world.get("httproute", f"main.{world.namespace}.access")
    world.wait_until_quiet()
    assert world.get("persistentvolumeclaim", "spool")
    assert world.get("configmap", "mine")
    reasons = {each["reason"] for each in world.list("events.events.k8s.io")}
    assert "Pruned" in reasons


def test_an_operator_killed_amid_changes_converges_to_the_same_objects(world: World, log: Path) -> None:
    build_world(world)
    with running(world, log) as operator:
        operator.wait_until_leading()
        for number in range(6):
            world.repo(f"more-{number}", topic="later")
        operator.end(signal.SIGKILL)
    world.repo("more-0", topic="last")
    world.delete("eventrepo", "more-1")
    with running(world, log) as second:
        second.wait_until_leading()
        wait_for("seven routes", lambda: len(world.list("httproutes")) == 7)
        shard = shard_name("main", shard_of(world.namespace, "more-0"))
        wait_for("the last change", lambda: '"topic":"last"' in str((world.get("configmap", shard) or {})["data"]))
        world.wait_until_quiet()
        converged = world.contents()
        assert second.end() == 0
    # A third one, on a world that nobody disturbed, is of the same opinion.
    with running(world, log) as third:
        third.wait_until_leading()
        wait_for("a reconcile", lambda: third.metric("headgate_reconcile_duration_seconds_count") >= 1)
        time.sleep(3)
        assert third.metric("headgate_writes_total") == 0
        assert world.contents() == converged


def test_changing_one_repo_writes_one_shard(world: World, operator: OperatorProcess) -> None:
    build_world(world)
    wait_for_objects(world)
    before = world.wait_until_quiet()
    world.repo("access", topic="other")
    wait_for("the new revision", lambda: world.versions()["EventRepo", "access"] != before["EventRepo", "access"])
    after = world.wait_until_quiet()
    changed = {key for key in after if after[key] != before.get(key) and key[0] != "Event"}
    assert changed == {
        ("ConfigMap", shard_name("main", shard_of(world.namespace, "access"))),
        ("ConfigMap", f"main.{world.namespace}.access.rollout"),  # what is promoted now
        ("EventRepo", "access"),
    }
