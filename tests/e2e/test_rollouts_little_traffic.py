"""No traffic, little traffic, traffic that stops halfway: nothing is promoted or taken back for want of requests, but by policy."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

import pytest
from tests.e2e.api import Manifest, wait_for
from tests.e2e.conftest import PROFILE
from tests.e2e.release import Release
from tests.e2e.repos import repo, status_at_least, wait_ready
from tests.e2e.rollouts import (
    Watched,
    change,
    command,
    quick_rollout,
    rollout_of,
    route_weight,
    wait_phase,
    wait_settled,
    watching,
)
from tests.e2e.traffic import steady_traffic
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster

HOLD, DEADLINE = 2, 3
"""Seconds."""


@dataclass(frozen=True)
class Case:
    """A repo with too few requests to judge, and what its policy makes of them."""

    policy: str
    rate: float
    phase: str
    """Where it ends, or waits."""


CASES = {
    "without": Case("Hold", 0, "Paused"),
    "little-holds": Case("Hold", 4, "Paused"),
    "little-goes-on": Case("Promote", 4, "Stable"),
    "little-goes-back": Case("RollBack", 4, "RolledBack"),
    "halfway": Case("Hold", 20, "Paused"),
}


def policy_of(name: str) -> Manifest:
    """One step that few requests cannot pass; two for the one whose traffic lasts for the first."""
    timing = {"deadline": f"{DEADLINE}s", "onInconclusive": CASES[name].policy}
    if name == "halfway":
        return quick_rollout(30, 45, hold=f"{HOLD}s", min_requests=30, **timing)
    return quick_rollout(40, hold=f"{HOLD}s", min_requests=1_000, **timing)


def seconds_undecided(watched: Watched) -> float:
    """From the start of the last step's clock until it was undecided no longer, which is when the policy spoke."""
    undecided = {"phase": "Progressing", "stage": "Undecided"}
    last = max(index for index, (_, block) in enumerate(watched.blocks) if undecided.items() <= block.items())
    clock = datetime.fromisoformat(watched.blocks[last][1]["stepStartedAt"]).timestamp()
    return watched.blocks[last + 1][0] - clock


def stop_halfway(release: Release, namespace: str, url: str) -> int:
    """Send until the first step has passed and the second has its weight; how many requests that took."""
    with steady_traffic(url, "before", CASES["halfway"].rate) as traffic:
        wait_for(lambda: route_weight(release, namespace, "halfway") == 45, "the second step's weight", 90, every=0.05)
    assert traffic.failures == []
    return len(traffic.sent)


def test_too_few_requests_are_no_verdict_and_the_policy_decides_at_the_deadline(
    release: Release, cluster: Cluster, namespace: str, topic: str, say: Callable[[str], None]
) -> None:
    release.api.apply(*(repo(name, namespace, PROFILE, topic, rollout=policy_of(name)) for name in CASES))
    for name in CASES:
        wait_ready(release, namespace, name)
    stable = {name: rollout_of(release, namespace, name)["stable"] for name in CASES}
    urls = {name: f"{cluster.edge_url}/log/repo/{name}" for name in CASES}

    with ExitStack() as stack:
        flows = [
            stack.enter_context(steady_traffic(urls[name], name, case.rate))
            for name, case in CASES.items()
            if name.startswith("little")
        ]
        seen = {name: stack.enter_context(watching(release, namespace, name)) for name in CASES}
        for name in CASES:
            change(release, namespace, name, constraint=status_at_least(100))
        before = stop_halfway(release, namespace, urls["halfway"])
        ended = {
            name: wait_phase(release, namespace, name, case.phase)
            for name, case in CASES.items()
            if name != "little-goes-on"
        }
        ended["little-goes-on"] = wait_settled(release, namespace, "little-goes-on")
        wait_for(
            lambda: all(seen[name].phases[-1] == case.phase for name, case in CASES.items()), "all ends are seen", 20
        )

    for name, case in CASES.items():
        took = seconds_undecided(seen[name])
        say(f"{name}: {ended[name]['phase']} {took:.1f} s after its clock started: {ended[name]['message'][:100]}")
        assert HOLD + DEADLINE - 1 <= took < HOLD + DEADLINE + 30
        assert "Fail" not in seen[name].verdicts
        assert (ended[name]["phase"] == "Stable") == (ended[name]["stable"] != stable[name])
        assert ended[name]["reason"] == ("Promoted" if case.policy == "Promote" else "Inconclusive")
    assert [traffic.failures for traffic in flows] == [[], [], []]
    assert ended["without"]["verified"] == "Unverified"
    assert seen["halfway"].weights == [0, 30, 45], f"after {before} requests"

    _goes_on_when_traffic_is_back(release, namespace, urls["halfway"], ended["halfway"]["candidate"])
    command(release, namespace, "without", "promote", ended["without"]["candidate"], namespace)
    promoted = wait_settled(release, namespace, "without", timeout=60)
    assert (promoted["phase"], promoted["stable"]) == ("Stable", ended["without"]["candidate"])
    assert promoted["command"]["token"] == namespace


def _goes_on_when_traffic_is_back(release: Release, namespace: str, url: str, candidate: str) -> None:
    with steady_traffic(url, "after", CASES["halfway"].rate) as traffic:
        command(release, namespace, "halfway", "resume", candidate, namespace)
        ended = wait_settled(release, namespace, "halfway")
    assert (ended["phase"], ended["stable"]) == ("Stable", candidate)
    assert traffic.failures == []
