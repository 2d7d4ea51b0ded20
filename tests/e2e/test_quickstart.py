"""What a reader of the README does first, through a real Envoy into a real Kafka."""

import json
from pathlib import Path

import httpx
import pytest
from tests.e2e.records import create_topic, end_offsets, read
from tests.e2e.release import Release
from tests.e2e.repos import repo_path, wait_ready
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster
QUICKSTART = Path(__file__).resolve().parents[2] / "examples" / "quickstart"
TOPIC = "nginx-access"


@pytest.fixture(scope="module", autouse=True)
def _at_once(release: Release) -> None:
    """A demo may have left the repo with another constraint: the quickstart's replaces it without a canary."""
    path = repo_path("default", "nginx-access")
    if release.api.get(path) is not None:
        release.api.merge(path, {"spec": {"rollout": {"strategy": "Immediate", "steps": None, "analysis": None}}})


def test_the_quickstart_keeps_failures_and_drops_the_rest(release: Release, cluster: Cluster) -> None:
    create_topic(cluster.kafka_bootstrap, TOPIC)
    release.api.kubectl("apply", "-f", str(QUICKSTART))
    wait_ready(release, "default", "nginx-access")
    before = end_offsets(cluster.kafka_bootstrap, TOPIC)
    lines = [
        json.dumps({"remote_addr": f"10.0.0.{n % 7}", "status": (200, 301, 404, 500)[n % 4], "n": n}).encode()
        for n in range(400)
    ]

    answer = httpx.post(
        f"{cluster.edge_url}/log/repo/nginx-access", content=b"\n".join(lines), timeout=20, trust_env=False
    )

    assert answer.status_code == httpx.codes.OK, answer.text
    receipt = answer.json()
    kept = [line for line in lines if json.loads(line)["status"] >= 400]
    records = read(cluster.kafka_bootstrap, TOPIC, since=before)
    assert sorted(record.value for record in records) == sorted(kept)
    assert all(record.key == json.loads(record.value)["remote_addr"].encode() for record in records)
    assert receipt["accepted"] == len(kept)
    assert receipt["dropped"] == len(lines) - len(kept)
    assert receipt["durability"] == "kafka"


def test_what_the_edge_does_not_know_is_404_and_other_methods_are_405(release: Release, cluster: Cluster) -> None:
    release.api.kubectl("apply", "-f", str(QUICKSTART))
    wait_ready(release, "default", "nginx-access")

    unknown = httpx.post(f"{cluster.edge_url}/log/repo/no-such-repo", content=b"{}", trust_env=False)
    wrong_method = httpx.get(f"{cluster.edge_url}/log/repo/nginx-access", trust_env=False)

    assert unknown.status_code == httpx.codes.NOT_FOUND
    assert wrong_method.status_code == httpx.codes.METHOD_NOT_ALLOWED


def test_a_malformed_line_is_named_by_its_number_and_nothing_is_sent(release: Release, cluster: Cluster) -> None:
    create_topic(cluster.kafka_bootstrap, TOPIC)
    release.api.kubectl("apply", "-f", str(QUICKSTART))
    wait_ready(release, "default", "nginx-access")
    before = end_offsets(cluster.kafka_bootstrap, TOPIC)

    answer = httpx.post(
        f"{cluster.edge_url}/log/repo/nginx-access", content=b'{"status":500}\n{"status":\n', trust_env=False
    )

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert [problem["line"] for problem in answer.json()["lines"]] == [2]
    assert read(cluster.kafka_bootstrap, TOPIC, since=before) == []
