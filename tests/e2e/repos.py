"""Profiles and repos as tests write them, and the moment at which every gateway serves what was written."""

import time
from typing import Any

from tests.e2e.api import HEADGATE, Manifest, condition, conditions_line, wait_for
from tests.e2e.release import NAMESPACE, Release

from headgate_gateway.config import shard_of

API_VERSION = "headgate.dev/v1alpha1"


def profile(name: str, *servers: str, **spec: Any) -> Manifest:
    """A KafkaProducerProfile of the default fleet."""
    return {
        "apiVersion": API_VERSION,
        "kind": "KafkaProducerProfile",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"bootstrapServers": list(servers), "deliveryTimeout": "10s", **spec},
    }


def repo(name: str, namespace: str, profile_name: str, topic: str, **spec: Any) -> Manifest:
    """An EventRepo of the default fleet; its changes go to all requests at once unless `rollout` says otherwise."""
    return {
        "apiVersion": API_VERSION,
        "kind": "EventRepo",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "kafka": {"producerProfile": profile_name, "topic": topic},
            "rollout": {"strategy": "Immediate"},
            **spec,
        },
    }


def status_at_least(minimum: int) -> Manifest:
    """The constraint that keeps lines of at least this status."""
    return {"matchExpressions": [{"field": "status", "operator": "Ge", "values": [minimum]}]}


def repo_path(namespace: str, name: str) -> str:
    """Where the API server keeps a repo."""
    return f"{HEADGATE}/namespaces/{namespace}/eventrepos/{name}"


def wait_ready(release: Release, namespace: str, name: str, timeout: float = 90, every: float = 0.1) -> Manifest:
    """The repo, once it is Ready at its newest generation."""
    path = repo_path(namespace, name)

    def ready() -> Manifest | None:
        found = release.api.get(path)
        return found if condition(found, "Ready").get("status") == "True" else None

    try:
        return wait_for(ready, f"{namespace}/{name} is Ready", timeout, every)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {conditions_line(release.api.get(path) or {})}") from None


def wait_condition(release: Release, path: str, kind: str, status: str, timeout: float = 60) -> Manifest:
    """The condition of a resource once it has a status; it speaks of the newest generation."""

    def reached() -> Manifest | None:
        found = condition(release.api.get(path), kind)
        return found if found.get("status") == status else None

    try:
        return wait_for(reached, f"{path} has {kind}={status}", timeout)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {conditions_line(release.api.get(path) or {})}") from None


def loaded_shard(release: Release, shard: str) -> set[str | None]:
    """The hashes of one shard that ready gateways have loaded, asked of the gateways themselves; one if they agree."""
    return {(release.api.pod_status(pod) or {}).get("shards", {}).get(shard) for pod in release.gateway_pods()}


def shard_name(namespace: str, name: str) -> str:
    """The shard that holds a repo, as /status names it."""
    return f"{shard_of(namespace, name):02d}"


def seconds_until_served(release: Release, shard: str, before: set[str | None], timeout: float = 60) -> float:
    """Seconds from now until every ready gateway has loaded one and the same new content of a shard."""
    began = time.monotonic()

    def served() -> bool:
        now = loaded_shard(release, shard)
        return len(now) == 1 and not now & (before | {None})

    wait_for(served, f"every gateway has a new shard {shard}", timeout, every=0.05)
    return time.monotonic() - began
