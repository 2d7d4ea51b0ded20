"""One cluster, one release and one Kafka for all end-to-end tests; each test has a namespace and topics of its own."""

import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.api import HEADGATE, Api, wait_for
from tests.e2e.images import ensure_images
from tests.e2e.records import create_topic
from tests.e2e.release import NAMESPACE, PROMETHEUS_NAMESPACE, PROMETHEUS_SERVICE, Release
from tests.e2e.repos import profile
from tests.testbed.cluster import Cluster, ensure

PROFILE = "main"
# A follower waits for the Lease of a leader that was killed to run out; the default of 15 s, twenty times, is too long.
QUICK_LEASE = ("--lease-duration=4s", "--lease-renew-deadline=3s", "--lease-retry=1s")


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Progress that is seen although pytest captures output."""
    began = time.monotonic()
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def write(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"[e2e {time.monotonic() - began:5.0f}s] {text}", file=sys.stderr, flush=True)

    return write


@pytest.fixture(scope="session")
def cluster(say: Callable[[str], None]) -> Cluster:
    say("cluster: up, or being set up")
    return ensure()


@pytest.fixture(scope="session")
def release(cluster: Cluster, say: Callable[[str], None]) -> Iterator[Release]:
    """The chart, installed and serving, with a profile for the cluster's Kafka."""
    with Api(cluster.kubeconfig, cluster.kubectl) as api:
        say("images: build and load")
        prometheus = f"http://{PROMETHEUS_SERVICE}.{PROMETHEUS_NAMESPACE}:9090"
        release = Release(cluster, api, ensure_images(cluster), QUICK_LEASE, prometheus)
        say("chart: install")
        release.install(adopt=True)
        release.wait_for_fleet()
        api.apply(profile(PROFILE, cluster.kafka_bootstrap_in_cluster))
        say("chart: installed, fleet ready")
        yield release
        # An operator that stayed would look after the resources of other tests as well.
        if not os.environ.get("HEADGATE_E2E_KEEP"):
            release.remove()


@pytest.fixture
def namespace(release: Release, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for the repos of one test."""
    # A namespace of an earlier run may still be on its way out: each has a name of its own.
    words = re.sub("[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_")).strip("-")
    name = f"e2e-{words[:40].strip('-')}-{secrets.token_hex(2)}"
    release.api.create_namespace(name)
    yield name
    remove_repos(release, name)
    release.api.delete(f"api/v1/namespaces/{name}")


def remove_repos(release: Release, namespace: str) -> None:
    """Delete the repos of a test and wait until their routes are gone, so that the next test finds a world at rest."""
    release.api.delete(f"{HEADGATE}/namespaces/{namespace}/eventrepos")
    routes = f"apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
    wait_for(
        lambda: not release.api.items(routes, f"headgate.dev/repo-namespace={namespace}"),
        "routes of the test are gone",
        60,
    )


@pytest.fixture
def topic(cluster: Cluster, namespace: str) -> str:
    """An empty topic for one test, named after its namespace."""
    create_topic(cluster.kafka_bootstrap, namespace)
    return namespace


@pytest.fixture(scope="session")
def chart() -> Path:
    """The chart's directory."""
    return Path(__file__).resolve().parents[2] / "charts" / "headgate"
