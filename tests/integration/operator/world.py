"""One test's namespaces on the real API server, and what a person would do there with kubectl. Starts no operator."""

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from tests.testbed.cluster import Cluster
from tests.testbed.errors import CommandError

T = TypeVar("T")
API_VERSION = "headgate.dev/v1alpha1"
CHILD_KINDS = "configmaps,services,serviceaccounts,deployments,statefulsets,poddisruptionbudgets,httproutes,secrets"
OWN_KINDS = "gatewayfleets,kafkaproducerprofiles,eventrepos"

PREFIX = "hgop-"
"""Of the names of the tests' namespaces."""


def resource(kind: str, namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def wait_for(what: str, look: Callable[[], T], seconds: float = 30.0) -> T:
    """The first truthy answer; AssertionError with the last one after so many seconds."""
    until, found = time.monotonic() + seconds, look()
    while not found:
        assert time.monotonic() < until, f"no {what} within {seconds} s: {found!r}"
        time.sleep(0.1)
        found = look()
    return found


class World:
    """A namespace, and what is done in it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.namespace = f"{PREFIX}{secrets.token_hex(3)}"
        self.namespaces = [self.namespace]
        cluster.run_kubectl("create", "namespace", self.namespace)

    def add_namespace(self, **labels: str) -> str:
        name = f"{self.namespace}-{len(self.namespaces)}"
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        self.namespaces.append(name)
        return name

    def apply(self, *manifests: dict[str, Any]) -> None:
        listing = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.cluster.run_kubectl(
            "apply", "--server-side", "--field-manager=a-person", "-f", "-", stdin=json.dumps(listing)
        )

    def fleet(self, name: str = "main", **spec: Any) -> None:
        self.apply(
            resource("GatewayFleet", self.namespace, name, {"image": "example.invalid/none", "replicas": 0, **spec})
        )

    def profile(self, name: str = "local", **spec: Any) -> None:
        self.apply(resource("KafkaProducerProfile", self.namespace, name, {"bootstrapServers": ["kafka:9092"], **spec}))

    def repo(self, name: str, namespace: str = "", fleet: str = "main", topic: str = "events", **spec: Any) -> None:
        reference = {"name": fleet, "namespace": self.namespace}
        kafka = {"producerProfile": "local", "topic": topic}
        # Changes go to all requests at once: no kubelet here would ever make a canary ready.
        immediate = {"strategy": "Immediate"}
        spec = {"fleetRef": reference, "kafka": kafka, "rollout": immediate, **spec}
        spec = {key: value for key, value in spec.items() if value is not None}
        self.apply(resource("EventRepo", namespace or self.namespace, name, spec))

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        with contextlib.suppress(CommandError):
            text = self.cluster.run_kubectl("get", kind, name, "-n", namespace or self.namespace, "-o", "json")
            found: dict[str, Any] = json.loads(text)
            return found
        return None

    def list(self, kinds: str) -> list[dict[str, Any]]:
        items = []
        for namespace in self.namespaces:
            items += json.loads(self.cluster.run_kubectl("get", kinds, "-n", namespace, "-o", "json"))["items"]
        return items

    def patch(self, kind: str, name: str, patch: dict[str, Any], *arguments: str) -> None:
        text = json.dumps(patch)
        self.cluster.run_kubectl("patch", kind, name, "-n", self.namespace, "--type=merge", "-p", text, *arguments)

    def delete(self, kind: str, name: str, *arguments: str) -> None:
        self.cluster.run_kubectl("delete", kind, name, "-n", self.namespace, *arguments)

    def versions(self) -> dict[tuple[str, str], str]:
        """resourceVersion of everything that the operator could write; the lease aside."""
        found = self.list(f"{CHILD_KINDS},{OWN_KINDS},pods,events.events.k8s.io")
        return {(each["kind"], each["metadata"]["name"]): each["metadata"]["resourceVersion"] for each in found}

    def contents(self) -> dict[tuple[str, str, str], str]:
        """Content of every child, without what the API server and other controllers add."""
        found = {}
        for each in self.list(CHILD_KINDS):
            metadata = each["metadata"]
            kept = {key: metadata.get(key) for key in ("labels", "annotations")}
            rest = {key: value for key, value in each.items() if key not in ("metadata", "status")}
            found[each["kind"], metadata["namespace"], metadata["name"]] = json.dumps([kept, rest], sort_keys=True)
        return found

    def conditions(self, kind: str, name: str, namespace: str = "") -> dict[str, tuple[str, str]]:
        """(status, reason) by type; empty before the newest generation has been looked at."""
        found = self.get(kind, name, namespace) or {}
        status = found.get("status") or {}
        if status.get("observedGeneration") != found.get("metadata", {}).get("generation"):
            return {}
        return {each["type"]: (each["status"], each["reason"]) for each in status.get("conditions") or ()}

    def wait_for_condition(
        self, kind: str, name: str, type_: str, status: str, reason: str, namespace: str = ""
    ) -> None:
        wanted = (status, reason)
        wait_for(
            f"{type_}={wanted} of {kind} {name}: {self.conditions(kind, name, namespace)}",
            lambda: self.conditions(kind, name, namespace).get(type_) == wanted,
        )

    def wait_until_quiet(self, seconds: float = 3.0) -> dict[tuple[str, str], str]:
        """Wait until nothing has been written for so long, and answer the versions then."""
        until, before = time.monotonic() + 60, self.versions()
        while time.monotonic() < until:
            time.sleep(seconds)
            now = self.versions()
            if now == before:
                return now
            before = now
        raise AssertionError("the world does not become quiet")

    def remove(self) -> None:
        self.cluster.run_kubectl("delete", "namespace", "--wait=false", *self.namespaces)


@contextlib.contextmanager
def opened(cluster: Cluster) -> Iterator[World]:
    world = World(cluster)
    try:
        yield world
    finally:
        world.remove()


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
