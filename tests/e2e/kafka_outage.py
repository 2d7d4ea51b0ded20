"""Kafka goes away and comes back with all that it had: the cluster's broker is given a directory of its node for that."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.api import wait_for
from tests.e2e.release import Release
from tests.testbed.cluster_kafka import NAMESPACE

STATEFUL_SET = f"apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/kafka"
POD = f"api/v1/namespaces/{NAMESPACE}/pods/kafka-0"
FOLDER = "/var/lib/headgate-e2e-kafka"


@contextmanager
def lasting_kafka(release: Release) -> Iterator[None]:
    """For as long as the block runs the broker's data outlives its pod. Topics of before and of within are gone after."""
    node = (release.api.get(POD) or {})["spec"]["nodeName"]
    release.cluster.docker.call("exec", node, "rm", "-rf", FOLDER)
    disk = {"name": "data", "hostPath": {"path": FOLDER, "type": "DirectoryOrCreate"}}
    _replace(release, disk, {"kubernetes.io/hostname": node})
    try:
        yield
    finally:
        _replace(release, {"name": "data", "emptyDir": {}}, None)
        release.cluster.docker.call("exec", node, "rm", "-rf", FOLDER)


def stop_kafka(release: Release) -> None:
    """Scale the broker to none, and wait until its pod is gone."""
    _scale(release, 0)
    wait_for(lambda: release.api.get(POD) is None, "the broker is gone", 60)


def start_kafka(release: Release) -> None:
    """Bring it back, and wait until it takes clients."""
    _scale(release, 1)
    _wait_until_ready(release)


def _replace(release: Release, data: dict[str, Any], selector: dict[str, str] | None) -> None:
    """Give the broker this volume; a merge patch replaces lists as a whole."""
    live = release.api.get(STATEFUL_SET) or {}
    volumes = live["spec"]["template"]["spec"]["volumes"]
    kept = [data if each["name"] == "data" else each for each in volumes]
    stop_kafka(release)
    pod = {"volumes": kept, "nodeSelector": selector}
    release.api.merge(STATEFUL_SET, {"spec": {"replicas": 1, "template": {"spec": pod}}})
    _wait_until_ready(release)


def _scale(release: Release, replicas: int) -> None:
    release.api.merge(STATEFUL_SET, {"spec": {"replicas": replicas}})


def _wait_until_ready(release: Release) -> None:
    def ready() -> bool:
        live = release.api.get(STATEFUL_SET) or {}
        status = live.get("status") or {}
        current = status.get("observedGeneration") == live["metadata"]["generation"]
        return bool(current and status.get("readyReplicas") == 1)

    wait_for(ready, "the broker is ready", 120)
