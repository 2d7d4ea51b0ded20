"""Gateways come and go; requests through the edge do not notice, and nothing acknowledged is lost."""

from collections.abc import Callable

import pytest
from tests.e2e.api import Manifest, wait_for
from tests.e2e.conftest import PROFILE
from tests.e2e.release import PODS_PATH, Release
from tests.e2e.repos import repo, wait_ready
from tests.e2e.test_changes import numbers_of
from tests.e2e.traffic import steady_traffic
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster


def replace_pod(release: Release, pod: Manifest, count: int) -> None:
    """Delete a gateway as a drain of its node would, and wait until it is gone and another has taken its place."""
    path = f"{PODS_PATH}/{pod['metadata']['name']}"
    release.api.delete(path)
    wait_for(lambda: release.api.get(path) is None, f"{path} is gone", 90)
    wait_for(lambda: len(release.gateway_pods()) == count, f"{count} gateways are ready", 90)


def test_gateways_deleted_one_by_one_cost_no_request_and_lose_no_event(
    release: Release, cluster: Cluster, namespace: str, topic: str, say: Callable[[str], None]
) -> None:
    release.api.apply(repo("steady", namespace, PROFILE, topic))
    wait_ready(release, namespace, "steady")
    pods = release.gateway_pods()

    with steady_traffic(f"{cluster.edge_url}/log/repo/steady", name=topic) as traffic:
        for pod in pods:
            replace_pod(release, pod, len(pods))

    say(f"{len(pods)} gateways replaced; beside it {traffic.latency}")
    assert {pod["metadata"]["uid"] for pod in pods}.isdisjoint(pod["metadata"]["uid"] for pod in release.gateway_pods())
    assert traffic.failures == []
    found = numbers_of(cluster, topic)
    assert traffic.acknowledged - found.keys() == set()
    assert [number for number, times in found.items() if times > 1] == []
