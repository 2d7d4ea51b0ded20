"""Queries of a real Prometheus judge a rollout beside the built-in measurements."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.e2e.api import Manifest
from tests.e2e.conftest import PROFILE
from tests.e2e.prometheus import program, running_prometheus
from tests.e2e.release import Release
from tests.e2e.repos import repo, status_at_least, wait_ready
from tests.e2e.rollouts import Watched, change, quick_rollout, wait_phase, wait_settled, watching
from tests.e2e.traffic import steady_traffic
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster

OF_CANARY = '{repo="{{ repo }}",track="{{ track }}"'
QUERIES = {
    "good-query": {
        "name": "rejected-lines",
        "query": f'sum(headgate_lines_total{OF_CANARY},fate="rejected"}})',
        "max": "0",
    },
    "bad-query": {"name": "received-lines", "query": f"sum(headgate_lines_received_total{OF_CANARY}}})", "max": "0.5"},
}
"""Both have a value only where Prometheus has scraped the canary itself; the second is outside its range as soon as it has."""


def test_a_query_within_its_range_promotes_and_one_outside_takes_back(
    release: Release, cluster: Cluster, namespace: str, topic: str, tmp_path: Path, say: Callable[[str], None]
) -> None:
    program()
    with ExitStack() as stack:
        stack.enter_context(running_prometheus(release, tmp_path))
        for name, query in QUERIES.items():
            how = quick_rollout(40, hold="2s", min_requests=30, queries=[query])
            release.api.apply(repo(name, namespace, PROFILE, topic, rollout=how))
        for name in QUERIES:
            wait_ready(release, namespace, name)
        flows = [
            stack.enter_context(steady_traffic(f"{cluster.edge_url}/log/repo/{name}", name, 30)) for name in QUERIES
        ]
        seen = {name: stack.enter_context(watching(release, namespace, name)) for name in QUERIES}
        for name in QUERIES:
            change(release, namespace, name, constraint=status_at_least(100))
        bad = wait_phase(release, namespace, "bad-query", "RolledBack")
        good = wait_settled(release, namespace, "good-query")

    found = {name: measured(seen[name], query["name"]) for name, query in QUERIES.items()}
    say(f"queries: {found}: {bad['message']}")
    assert good["phase"] == "Stable"
    assert (found["good-query"]["verdict"], found["good-query"]["value"]) == ("Pass", "0")
    assert bad["reason"] == "AnalysisFailed"
    assert found["bad-query"]["verdict"] == "Fail"
    assert [each["name"] for each in bad["measurements"] if each["verdict"] == "Fail"] == ["received-lines"]
    assert [flow.failures for flow in flows] == [[], []]


def measured(watched: Watched, name: str) -> Manifest:
    """What status showed last of one measurement."""
    shown = [each for _, block in watched.blocks for each in block.get("measurements", ()) if each["name"] == name]
    found: Manifest = shown[-1]
    return found
