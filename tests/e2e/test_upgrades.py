"""A new gateway image reaches the repos one by one; one that crashes, fails or dawdles goes back with all that had moved."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.api import Manifest, wait_for
from tests.e2e.conftest import PROFILE
from tests.e2e.gateway_images import MARK, build_variant
from tests.e2e.records import read
from tests.e2e.release import FLEET_PATH, NAMESPACE, Release
from tests.e2e.repos import repo, wait_ready
from tests.e2e.rollouts import Watched, quick_rollout, watching
from tests.e2e.shares import BOUND_SECONDS, JUDGED_REQUESTS, MARGIN_POINTS, Touched, measure, measure_briefly
from tests.e2e.traffic import Traffic, steady_traffic, wait_requests
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster

REPOS = ("upgraded-a", "upgraded-b")
STABLE = f"apis/apps/v1/namespaces/{NAMESPACE}/deployments/default-gateway"
UPGRADE = f"apis/apps/v1/namespaces/{NAMESPACE}/deployments/default-upgrade"
SETTLED = ("Stable", "RolledBack")
RATE = 130
"""Requests a second to each repo, where the share that a bad image touches is judged."""
MAX_TRIES = 8


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


@dataclass(frozen=True)
class Flow:
    """A repo under steady traffic, what its route and status went through, and where its records are."""

    traffic: Traffic
    watched: Watched
    bootstrap: str
    topic: str


@pytest.fixture
def repos(release: Release, namespace: str, topic: str, judged: None) -> tuple[str, ...]:
    """Two repos that answer for the image. A 500 is found within some ten requests by default: where nearly all may
    fail, finding it takes long enough to see what share of a long run of requests it touches.
    """
    del judged
    lenient = quick_rollout(10, 50, hold="4s", metrics={"serverErrors": {"max": "95%"}})
    release.api.apply(*(repo(name, namespace, PROFILE, topic, rollout=lenient) for name in REPOS))
    for name in REPOS:
        wait_ready(release, namespace, name)
    return REPOS


@contextmanager
def flowing(release: Release, cluster: Cluster, namespace: str, topic: str, *rates: float) -> Iterator[list[Flow]]:
    """Requests to the repos at these rates, for as long as the block runs."""
    with ExitStack() as stack:
        urls = [f"{cluster.edge_url}/log/repo/{name}" for name in REPOS]
        sent = [stack.enter_context(steady_traffic(url, url, rate)) for url, rate in zip(urls, rates, strict=True)]
        seen = [stack.enter_context(watching(release, namespace, name)) for name in REPOS]
        wait_requests(sent[0], 40)
        yield [Flow(*pair, cluster.kafka_bootstrap, topic) for pair in zip(sent, seen, strict=True)]


def again(release: Release, revision: str) -> None:
    """Try the refused image again, and wait until that has begun."""
    annotation = {"headgate.dev/command": f"retry {revision} - {time.monotonic_ns()}"}
    release.api.merge(FLEET_PATH, {"metadata": {"annotations": annotation}})
    wait_for(lambda: upgrade_of(release).get("phase") == "Upgrading", "the upgrade has begun again", 30)


@pytest.mark.timeout(480)
@pytest.mark.usefixtures("repos")
def test_a_good_image_moves_repo_by_repo_and_costs_no_request(
    release: Release, cluster: Cluster, namespace: str, topic: str, tmp_path: Path, say: Callable[[str], None]
) -> None:
    image = build_variant(release, tmp_path, "same")
    with flowing(release, cluster, namespace, topic, 40, 30) as flows:
        begin(release, image)
        assert image_of(release, STABLE) == release.images.gateway
        ended = wait_settled(release)

    say(f"good image: {ended}; weights {[flow.watched.weights for flow in flows]}")
    assert ended["phase"] == "Stable"
    assert image_of(release, STABLE) == image
    assert image_of(release, UPGRADE) is None
    assert [flow.watched.weights for flow in flows] == [[0, 10, 50, 100, 0]] * 2
    assert [flow.traffic.failures for flow in flows] == [[], []]


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("repos")
def test_an_image_that_crashes_at_start_meets_no_request(
    release: Release, cluster: Cluster, namespace: str, topic: str, tmp_path: Path, say: Callable[[str], None]
) -> None:
    image = build_variant(release, tmp_path, "crashing")
    with flowing(release, cluster, namespace, topic, 40, 30) as flows:
        begin(release, image)
        ended = wait_settled(release)

    say(f"crashing image: {ended['message']}")
    assert ended["phase"] == "RolledBack"
    assert image_of(release, STABLE) == release.images.gateway
    assert [flow.watched.weights for flow in flows] == [[0], [0]]
    assert [flow.traffic.failures for flow in flows] == [[], []]


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("repos")
@pytest.mark.parametrize("variant", ["failing", "slow"])
def test_an_image_that_fails_or_dawdles_goes_back_and_touches_a_tenth_at_most(
    release: Release,
    cluster: Cluster,
    namespace: str,
    topic: str,
    tmp_path: Path,
    say: Callable[[str], None],
    variant: str,
) -> None:
    image = build_variant(release, tmp_path, variant)
    with flowing(release, cluster, namespace, topic, RATE, RATE) as flows:
        begin(release, image)
        ended = wait_settled(release)
        tries = 1
        # No bound hides a slow answer for long: its few requests are gathered over several tries.
        while sum(judged_requests(flows, variant)) < JUDGED_REQUESTS and tries < MAX_TRIES:
            again(release, ended["revision"])
            ended = wait_settled(release)
            tries += 1

    found = [judge(flow, variant) for flow in flows]
    for each in found:
        say(f"{variant} image, {tries} tries: {each}: {ended['failed'][0]['message']}")
    assert ended["phase"] == "RolledBack"
    assert ended["failed"]
    assert image_of(release, STABLE) == release.images.gateway
    assert sum(each.requests for each in found) >= JUDGED_REQUESTS
    assert 100 * sum(each.touched for each in found) / sum(each.requests for each in found) <= 10 + MARGIN_POINTS
    assert max(each.from_answer for each in found) < BOUND_SECONDS
    if variant == "slow":
        assert [flow.traffic.failures for flow in flows] == [[], []]


def judge(flow: Flow, variant: str) -> Touched:
    """What the image did to one repo: it answered with an error, or marked the records of what it answered late."""
    traffic = flow.traffic
    if variant == "failing":
        return measure(traffic, flow.watched, set(traffic.answered) - traffic.acknowledged)
    marked = (
        json.loads(each.value) for each in read(flow.bootstrap, flow.topic) if dict(each.headers).keys() == {MARK}
    )
    return measure_briefly(traffic, flow.watched, {each["n"] for each in marked if each["run"] == traffic.name})


def judged_requests(flows: list[Flow], variant: str) -> list[int]:
    """Requests that were sent so far while the image had weight, by repo."""
    return [judge(flow, variant).requests for flow in flows]
