"""A demo begins anew from anything that was left of its quickstart, also from a quickstart that was taken back."""

import io
import time

import pytest
from tests.demo.change import NAMESPACE, REPO
from tests.demo.show import Show
from tests.demo.up import TOPIC, quickstart
from tests.e2e.api import Manifest
from tests.e2e.records import create_topic
from tests.e2e.release import Release
from tests.e2e.repos import repo_path, status_at_least, wait_ready
from tests.e2e.rollouts import change, command, rollout_of, wait_phase
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster
OF_QUICKSTART, OTHER = 400, 450


@pytest.fixture
def taken_back(release: Release, cluster: Cluster) -> str:
    """The quickstart's own revision, aborted before any request met it; another one is served."""
    create_topic(cluster.kafka_bootstrap, TOPIC)
    quickstart(Show(io.StringIO()), release)
    change(release, NAMESPACE, REPO, constraint=status_at_least(OTHER), rollout={"strategy": "Immediate"})
    wait_ready(release, NAMESPACE, REPO)
    canary: Manifest = {"strategy": "Canary", "steps": [{"weight": 10, "hold": "Manual"}]}
    change(release, NAMESPACE, REPO, constraint=status_at_least(OF_QUICKSTART), rollout=canary)
    revision = str(wait_phase(release, NAMESPACE, REPO, "Progressing")["candidate"])
    command(release, NAMESPACE, REPO, "abort", revision, f"abort-{time.time_ns()}")
    assert wait_phase(release, NAMESPACE, REPO, "RolledBack")["candidate"] == revision
    return revision


def test_a_quickstart_that_was_taken_back_is_served_by_the_next_demo(release: Release, taken_back: str) -> None:
    shown = io.StringIO()

    quickstart(Show(shown), release)

    found = release.api.get(repo_path(NAMESPACE, REPO)) or {}
    assert found["status"]["rollout"]["stable"] == found["status"]["revision"] == taken_back
    assert rollout_of(release, NAMESPACE, REPO)["phase"] == "Stable"
    assert "rollout" not in found["spec"], "its own policy is the default one again"
    assert f"retry {taken_back}" in shown.getvalue()
