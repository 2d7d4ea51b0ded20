"""A change of a repo reaches every gateway within seconds, costs no request and restarts nothing."""

import json
import statistics
from collections import Counter
from collections.abc import Callable

import pytest
from tests.e2e.api import restarts, wait_for
from tests.e2e.conftest import PROFILE
from tests.e2e.records import read
from tests.e2e.release import Release
from tests.e2e.repos import (
    loaded_shard,
    repo,
    repo_path,
    seconds_until_served,
    shard_name,
    status_at_least,
    wait_ready,
)
from tests.e2e.traffic import steady_traffic
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster
CHANGES = 20
MEDIAN_SECONDS = 3.0


def numbers_of(cluster: Cluster, topic: str) -> Counter[int]:
    """How often each event of steady traffic is in Kafka."""
    return Counter(json.loads(record.value)["n"] for record in read(cluster.kafka_bootstrap, topic))


def test_twenty_changes_reach_every_gateway_in_seconds_and_cost_no_request(
    release: Release, cluster: Cluster, namespace: str, topic: str, say: Callable[[str], None]
) -> None:
    release.api.apply(repo("changing", namespace, PROFILE, topic, constraint=status_at_least(100)))
    wait_ready(release, namespace, "changing")
    pods = {pod["metadata"]["uid"]: restarts(pod) for pod in release.gateway_pods()}
    shard = shard_name(namespace, "changing")
    took: list[float] = []

    with steady_traffic(f"{cluster.edge_url}/log/repo/changing", name=topic) as traffic:
        for number in range(CHANGES):
            before = loaded_shard(release, shard)
            release.api.merge(repo_path(namespace, "changing"), {"spec": {"constraint": status_at_least(101 + number)}})
            took.append(seconds_until_served(release, shard, before))
    wait_ready(release, namespace, "changing", timeout=20)

    say(
        f"{CHANGES} changes: median {statistics.median(took):.2f} s, slowest {max(took):.2f} s; "
        f"beside them {traffic.latency}"
    )
    assert traffic.failures == []
    assert statistics.median(took) < MEDIAN_SECONDS, took
    assert {pod["metadata"]["uid"]: restarts(pod) for pod in release.gateway_pods()} == pods
    assert numbers_of(cluster, topic) == Counter(traffic.acknowledged)


def test_a_changed_constraint_decides_the_very_next_event(
    release: Release, cluster: Cluster, namespace: str, topic: str
) -> None:
    release.api.apply(repo("deciding", namespace, PROFILE, topic, constraint=status_at_least(100)))
    wait_ready(release, namespace, "deciding")
    url = f"{cluster.edge_url}/log/repo/deciding"
    with steady_traffic(url, name="before") as before:
        _wait_for_events(before.answered, 20)
    release.api.merge(repo_path(namespace, "deciding"), {"spec": {"constraint": status_at_least(501)}})
    wait_ready(release, namespace, "deciding")

    with steady_traffic(url, name="after") as after:
        _wait_for_events(after.answered, 20)

    assert before.failures == after.failures == []
    runs = Counter(json.loads(record.value)["run"] for record in read(cluster.kafka_bootstrap, topic))
    assert runs == {"before": len(before.acknowledged)}


def _wait_for_events(answered: dict[int, int], count: int) -> None:
    wait_for(lambda: len(answered) >= count, f"{count} events are answered", 20, every=0.05)
