"""A new gateway image reaches the repos one by one; one that crashes, fails or dawdles goes back with all that had moved."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.e2e.api import Manifest, wait_for
from tests.e2e.conftest import PROFILE
from tests.e2e.gateway_images import build_variant
from tests.e2e.records import create_topic
from tests.e2e.release import FLEET_PATH, NAMESPACE, Release
from tests.e2e.repos import repo, wait_ready
from tests.e2e.rollouts import quick_rollout, route_weight
from tests.e2e.test_rollouts import JUDGED_REQUESTS, MARGIN_POINTS, wait_requests
from tests.e2e.traffic import Traffic, steady_traffic
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster

REPOS = ("upgraded-a", "upgraded-b")
STABLE = f"apis/apps/v1/namespaces/{NAMESPACE}/deployments/default-gateway"
UPGRADE = f"apis/apps/v1/namespaces/{NAMESPACE}/deployments/default-upgrade"
SETTLED = ("Stable", "RolledBack")


@pytest.fixture
def judged(release: Release) -> Iterator[None]:
    """A fleet whose images are canaries; it has its own image again afterwards."""
    release.api.merge(FLEET_PATH, {"spec": {"upgrade": {"strategy": "Canary", "progressDeadline": "60s"}}})
    yield
    back = {"image": release.images.gateway, "upgrade": {"strategy": "Immediate"}}
    release.api.merge(FLEET_PATH, {"spec": back})
    wait_for(lambda: upgrade_of(release).get("phase", "Stable") == "Stable", "the fleet is as it was", 120)
    release.wait_for_fleet()


def upgrade_of(release: Release) -> Manifest:
    """The fleet's upgrade, of its newest generation; empty before the operator has looked."""
    fleet = release.fleet() or {}
    status = fleet.get("status", {})
    if status.get("observedGeneration") != fleet.get("metadata", {}).get("generation"):
        return {"phase": "NotSeen"}
    found: Manifest = status.get("upgrade") or {}
    return found


def image_of(release: Release, path: str) -> str | None:
    """The gateway image of a Deployment; None where there is none."""
    found = release.api.get(path)
    return found["spec"]["template"]["spec"]["containers"][0]["image"] if found else None


def begin(release: Release, image: str) -> None:
    """Ask for an image and wait until the upgrade has begun."""
    release.api.merge(FLEET_PATH, {"spec": {"image": image}})
    wait_for(lambda: upgrade_of(release).get("to") == image, "the upgrade has begun", 30)


def wait_settled(release: Release, timeout: float = 240) -> Manifest:
    """The upgrade once it has ended."""

    def settled() -> Manifest | None:
        found = upgrade_of(release)
        return found if found.get("phase") in SETTLED else None

    try:
        return wait_for(settled, "the upgrade has ended", timeout)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {upgrade_of(release)}") from None


@pytest.fixture
def flows(
    release: Release, cluster: Cluster, namespace: str, topic: str, judged: None
) -> Iterator[tuple[Traffic, Traffic]]:
    """Two repos under steady traffic, one with more of it than the other."""
    del judged
    other = f"{topic}-b"
    create_topic(cluster.kafka_bootstrap, other)
    for name, target in zip(REPOS, (topic, other), strict=True):
        release.api.apply(repo(name, namespace, PROFILE, target, rollout=quick_rollout(10, 50, hold="4s")))
        wait_ready(release, namespace, name)
    with ExitStack() as stack:
        first = stack.enter_context(steady_traffic(f"{cluster.edge_url}/log/repo/{REPOS[0]}", topic, 40))
        second = stack.enter_context(steady_traffic(f"{cluster.edge_url}/log/repo/{REPOS[1]}", other, 30))
        wait_requests(first, 40)
        yield first, second


@pytest.mark.timeout(480)
def test_a_good_image_moves_repo_by_repo_and_costs_no_request(
    release: Release, namespace: str, flows: tuple[Traffic, Traffic], tmp_path: Path, say: Callable[[str], None]
) -> None:
    image = build_variant(release, tmp_path, "same")
    begin(release, image)
    assert image_of(release, STABLE) == release.images.gateway

    ended = wait_settled(release)

    say(f"good image: {ended}")
    assert ended["phase"] == "Stable"
    assert image_of(release, STABLE) == image
    assert image_of(release, UPGRADE) is None
    assert [route_weight(release, namespace, name) for name in REPOS] == [0, 0]
    assert [traffic.failures for traffic in flows] == [[], []]


@pytest.mark.timeout(300)
def test_an_image_that_crashes_at_start_meets_no_request(
    release: Release, flows: tuple[Traffic, Traffic], tmp_path: Path, say: Callable[[str], None]
) -> None:
    begin(release, build_variant(release, tmp_path, "crashing"))
    ended = wait_settled(release)

    say(f"crashing image: {ended['message']}")
    assert ended["phase"] == "RolledBack"
    assert image_of(release, STABLE) == release.images.gateway
    assert [traffic.failures for traffic in flows] == [[], []]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("variant", ["failing", "slow"])
def test_an_image_that_fails_or_dawdles_goes_back_and_touches_a_tenth_at_most(
    release: Release, flows: tuple[Traffic, Traffic], tmp_path: Path, say: Callable[[str], None], variant: str
) -> None:
    begin(release, build_variant(release, tmp_path, variant))
    ended = wait_settled(release)
    for traffic in flows:
        wait_requests(traffic, JUDGED_REQUESTS)

    touched = [
        100
        * (len(traffic.failures) if variant == "failing" else sum(took > 0.4 for took in traffic.seconds.values()))
        / len(traffic.answered)
        for traffic in flows
    ]
    say(f"{variant} image: {touched[0]:.1f} % and {touched[1]:.1f} % touched: {ended['failed']}")
    assert ended["phase"] == "RolledBack"
    assert ended["failed"]
    assert image_of(release, STABLE) == release.images.gateway
    assert max(touched) <= 10 + MARGIN_POINTS
    if variant == "slow":
        assert [traffic.failures for traffic in flows] == [[], []]
