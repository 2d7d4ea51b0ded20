"""A rollout that is promoted and one that goes back, in a fleet of Shared routes with an autoscaler, all of it from files.

Nothing that the files own is changed, what is live is what `headgate render` says of them, the repo has a route of its own
only while it has a canary, and the stable side never shrinks meanwhile.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from tests.e2e.api import Manifest, is_pod_ready, wait_for
from tests.e2e.fleets import NAME, PROFILE, SideFleet, own_fleet
from tests.e2e.records import create_topic
from tests.e2e.release import Release
from tests.e2e.rendering import differences, render
from tests.e2e.repos import status_at_least, wait_ready
from tests.e2e.rollouts import quick_rollout, repo_route, rollout_of, route_weight, wait_settled
from tests.e2e.traffic import Traffic, steady_traffic, wait_requests
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster

REPO = "owned-by-git"
GATEWAYS = 2
"""More than the autoscaler's minimum: what it would shrink to, were it not held."""
RATE = 40
POLICY = quick_rollout(50, hold="3s", metrics={"droppedMax": "85%"})
STABLE_KINDS = ("Deployment", "ConfigMap")
"""What serves everybody, which nothing touches before promotion."""


@dataclass
class Git:
    """The files, what the API server had of them when they were applied, and what was seen afterwards."""

    fleet: SideFleet
    folder: Path
    topic: str
    applied: dict[str, Manifest] = field(default_factory=dict)
    """The three resources as they were right after the last apply, by path."""
    altered: list[str] = field(default_factory=list)
    """What was not so any more when a rollout had ended."""
    unlike: list[str] = field(default_factory=list)
    """Where the cluster was not as the files render."""
    routes: list[tuple[str, bool]] = field(default_factory=list)
    """Whether the repo had a route of its own, by moment."""
    least: list[tuple[str, int]] = field(default_factory=list)
    """The autoscaler's minimum, by moment."""
    phases: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def commit(self, minimum: int) -> None:
        """Write the files, with the constraint that keeps lines of at least this status, and apply them."""
        repo = self.fleet.repo(REPO, self.topic, constraint=status_at_least(minimum), rollout=POLICY)
        for name, manifest in (("fleet", self.fleet.fleet), ("profile", self.fleet.profile()), ("repo", repo)):
            (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(manifest))
        self.fleet.release.api.kubectl("apply", "-f", str(self.folder))
        self.applied = self.owned()

    def owned(self) -> dict[str, Manifest]:
        """All of the three resources but their status, and who has written it and when."""
        found = {}
        for plural, name in (("gatewayfleets", NAME), ("kafkaproducerprofiles", PROFILE), ("eventrepos", REPO)):
            path = self.fleet.path(plural, name)
            whole = self.fleet.release.api.get(path) or {}
            fields = whole["metadata"].pop("managedFields")
            del whole["metadata"]["resourceVersion"]  # a status moves it too
            whole.pop("status", None)
            found[path] = {**whole, "writers": [each for each in fields if each.get("subresource") != "status"]}
        return found

    def look(self, moment: str) -> None:
        """Note what the repo's route and the autoscaler are at this moment."""
        release, namespace = self.fleet.release, self.fleet.namespace
        scaler = release.api.get(f"apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers/{NAME}-gateway")
        self.least.append((moment, (scaler or {}).get("spec", {}).get("minReplicas", 0)))
        self.routes.append((moment, repo_route(release, namespace, REPO, self.fleet.key) is not None))

    def compare(self, moment: str, rendered: dict[tuple[str, str], Manifest], *kinds: str) -> None:
        """Note where the cluster is not as the files render."""
        found = differences(self.fleet.release.api, rendered, self.fleet.key, *kinds)
        self.unlike += [f"{moment}: {each}" for each in found]

    def check_ownership(self, moment: str) -> None:
        """Note what has changed since the files were applied."""
        now = self.owned()
        self.altered += [f"{moment}: {path}: {now[path]}" for path in now if now[path] != self.applied[path]]


def roll_out(git: Git, traffic: Traffic, minimum: int, moment: str) -> None:
    """Apply a change, look at everything while it has weight, and wait for its end."""
    release, namespace = git.fleet.release, git.fleet.namespace
    before = render(git.folder)
    git.commit(minimum)
    try:
        wait_for(lambda: route_weight(release, namespace, REPO, git.fleet.key) == 50, f"{moment} has weight", 60, 0.05)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {rollout_of(release, namespace, REPO)}") from None
    git.look(f"{moment} under way")
    git.compare(f"{moment} under way", before, *STABLE_KINDS)
    ended = wait_settled(release, namespace, REPO)
    git.phases.append(ended["phase"])
    git.check_ownership(f"{moment} over")
    git.look(f"{moment} over")
    git.compare(f"{moment} over", render(git.folder) if ended["phase"] == "Stable" else before)
    wait_requests(traffic, len(traffic.answered) + 20)


@pytest.fixture(scope="module")
def git(
    release: Release, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]
) -> Iterator[Git]:
    """A good change and a bad one, both over, with requests from before the first to after the last."""
    spec = {"autoscaling": {"minReplicas": 1, "maxReplicas": 3}, "routing": {"routes": "Shared"}}
    with own_fleet(release, **spec) as fleet:
        git = Git(fleet, tmp_path_factory.mktemp("git"), fleet.namespace)
        create_topic(cluster.kafka_bootstrap, git.topic)
        git.commit(100)
        fleet.wait_ready()
        release.api.kubectl("scale", "-n", fleet.namespace, f"deployment/{NAME}-gateway", f"--replicas={GATEWAYS}")
        wait_for(lambda: sum(map(is_pod_ready, fleet.stable_pods())) == GATEWAYS, "two gateways are ready", 60)
        wait_ready(release, fleet.namespace, REPO)
        git.look("before")
        git.compare("before", render(git.folder))
        with steady_traffic(f"{cluster.edge_url}/log/repo/{REPO}", git.topic, RATE, fleet.host) as traffic:
            wait_requests(traffic, 40)
            roll_out(git, traffic, 200, "good change")
            roll_out(git, traffic, 1_000, "bad change")
        git.failures = traffic.failures
        say(f"a good change and a bad one from files: {git.phases}; {traffic.latency}")
        yield git


def test_a_good_change_is_promoted_and_a_bad_one_taken_back_without_a_failed_request(git: Git) -> None:
    assert git.phases == ["Stable", "RolledBack"]
    assert git.failures == []


def test_nothing_that_the_files_own_is_changed(git: Git) -> None:
    assert git.altered == []
    writers = {each["manager"] for whole in git.owned().values() for each in whole["writers"]}
    assert not [each for each in writers if each.startswith("headgate")]
    assert not [whole for whole in git.owned().values() if "finalizers" in whole["metadata"]]


def test_what_is_live_is_what_the_files_render(git: Git) -> None:
    assert git.unlike == []


def test_a_repo_on_a_shared_route_has_its_own_only_while_it_has_a_canary(git: Git) -> None:
    assert git.routes == [
        ("before", False),
        ("good change under way", True),
        ("good change over", False),
        ("bad change under way", True),
        ("bad change over", False),
    ]


def test_the_autoscalers_minimum_is_what_serves_while_a_change_is_under_way(git: Git) -> None:
    assert git.least == [
        ("before", 1),
        ("good change under way", GATEWAYS),
        ("good change over", 1),
        ("bad change under way", GATEWAYS),
        ("bad change over", 1),
    ]
