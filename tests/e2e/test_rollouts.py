"""A change reaches a tenth of its repo's traffic, then half, then all; a bad one goes back by itself, and in time."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from tests.e2e.api import Manifest, restarts, wait_for
from tests.e2e.conftest import PROFILE
from tests.e2e.records import Record, create_topic, end_offsets, read
from tests.e2e.release import NAMESPACE, Release
from tests.e2e.repos import profile, repo, repo_path, status_at_least, wait_condition, wait_ready
from tests.e2e.rollouts import (
    ROUTES,
    canary_pods,
    quick_rollout,
    rollout_of,
    route_weight,
    wait_phase,
    wait_settled,
    watching,
)
from tests.e2e.traffic import Traffic, steady_traffic
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster

JUDGED_REQUESTS = 2_000
"""Shares are judged over at least so many requests."""
MARGIN_POINTS = 5
RATE = 60


def numbers(records: list[Record]) -> Counter[int]:
    """How often each event of steady traffic is among the records."""
    return Counter(json.loads(record.value)["n"] for record in records)


def revisions(records: list[Record]) -> Counter[str]:
    """How many records each revision wrote, as their provenance headers say."""
    return Counter(dict(record.headers).get("headgate-revision", b"").decode() for record in records)


def provenance(profile_name: str, topic: str) -> Manifest:
    """Where lines go, each with the revision that sent it."""
    return {"producerProfile": profile_name, "topic": topic, "provenance": True}


def change(release: Release, namespace: str, name: str, **spec: object) -> None:
    """Edit a repo's spec, as a user would."""
    release.api.merge(repo_path(namespace, name), {"spec": spec})


def neighbours_route(release: Release, namespace: str) -> Manifest:
    """The spec and generation of another repo's route."""
    found = release.api.get(f"{ROUTES}/default.{namespace}.neighbour") or {}
    return {"generation": found["metadata"]["generation"], "spec": found["spec"]}


def share_touched(traffic: Traffic, touched: int) -> float:
    """Per cent of all requests."""
    sent = len(traffic.answered) + len(traffic.broken)
    assert sent >= JUDGED_REQUESTS
    return 100 * touched / sent


def wait_requests(traffic: Traffic, count: int, timeout: float = 120) -> None:
    """Until so many requests have been answered."""
    wait_for(lambda: len(traffic.answered) >= count, f"{count} requests are answered", timeout)


def test_a_good_change_is_promoted_step_by_step_and_costs_nothing(
    release: Release, cluster: Cluster, namespace: str, topic: str, say: Callable[[str], None]
) -> None:
    beside = f"{topic}-beside"
    create_topic(cluster.kafka_bootstrap, beside)
    common = {"rollout": quick_rollout(10, 50)}
    release.api.apply(
        repo("walking", namespace, PROFILE, topic, **common, kafka=provenance(PROFILE, topic)),
        repo("neighbour", namespace, PROFILE, beside, **common),
    )
    wait_ready(release, namespace, "walking")
    wait_ready(release, namespace, "neighbour")
    before = rollout_of(release, namespace, "walking")["stable"]
    pods = {pod["metadata"]["uid"]: restarts(pod) for pod in release.gateway_pods()}
    route = neighbours_route(release, namespace)
    since = end_offsets(cluster.kafka_bootstrap, topic)

    with ExitStack() as stack:
        traffic = stack.enter_context(steady_traffic(f"{cluster.edge_url}/log/repo/walking", topic, RATE))
        others = stack.enter_context(steady_traffic(f"{cluster.edge_url}/log/repo/neighbour", beside, 15))
        watched = stack.enter_context(watching(release, namespace, "walking"))
        wait_requests(traffic, 60)
        change(release, namespace, "walking", constraint=status_at_least(400))
        wait_phase(release, namespace, "walking", "Progressing")
        ended = wait_settled(release, namespace, "walking")
        wait_requests(traffic, len(traffic.answered) + 60)

    after = ended["stable"]
    written = read(cluster.kafka_bootstrap, topic, since)
    say(f"good change: weights {watched.weights}, phases {watched.phases}, {traffic.latency}")
    assert ended["phase"] == "Stable"
    assert after != before
    assert watched.weights == [0, 10, 50, 0]
    assert watched.phases == ["Stable", "Progressing", "Promoting", "Stable"]
    assert traffic.failures == others.failures == []
    assert numbers(written) == Counter(traffic.acknowledged)
    assert set(revisions(written)) == {before, after}
    assert numbers(read(cluster.kafka_bootstrap, beside)) == Counter(others.acknowledged)
    assert neighbours_route(release, namespace) == route
    stable = {pod["metadata"]["uid"]: restarts(pod) for pod in release.gateway_pods() if _is_stable(pod)}
    assert stable == {uid: count for uid, count in pods.items() if uid in stable}
    assert stable.keys() == pods.keys()
    wait_for(lambda: not canary_pods(release), "the canary is gone", 90)


def test_a_constraint_that_drops_everything_goes_back(
    release: Release, cluster: Cluster, namespace: str, topic: str, say: Callable[[str], None]
) -> None:
    release.api.apply(repo("dropping", namespace, PROFILE, topic, rollout=quick_rollout(10, 50, hold="60s")))
    wait_ready(release, namespace, "dropping")
    stable = rollout_of(release, namespace, "dropping")["stable"]

    with (
        steady_traffic(f"{cluster.edge_url}/log/repo/dropping", topic, RATE) as traffic,
        watching(release, namespace, "dropping") as watched,
    ):
        wait_requests(traffic, 60)
        change(release, namespace, "dropping", constraint=status_at_least(1_000))
        ended = wait_phase(release, namespace, "dropping", "RolledBack")
        wait_requests(traffic, JUDGED_REQUESTS)

    share = share_touched(traffic, len(traffic.dropped))
    took = watched.moments["RollingBack"] - watched.moments["weight 10"]
    say(
        f"drops everything: {share:.1f} % touched, {took:.1f} s from the first weight to going back: {ended['message']}"
    )
    assert watched.weights == [0, 10, 0]
    assert share <= 10 + MARGIN_POINTS
    assert ended["stable"] == stable
    assert traffic.failures == []
    assert any(each["name"] == "dropped" and each["verdict"] == "Fail" for each in ended["measurements"])
    found = release.api.get(repo_path(namespace, "dropping"))
    assert found is not None
    conditions = {each["type"]: each["status"] for each in found["status"]["conditions"]}
    assert conditions["Ready"] == "False"
    assert conditions["Stalled"] == conditions["Serving"] == "True"


def test_a_missing_topic_and_a_wrong_password_are_found_before_any_request_meets_them(
    release: Release, cluster: Cluster, namespace: str, topic: str
) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{namespace}-login", "namespace": NAMESPACE}}
    release.api.apply(
        {**secret, "stringData": {"username": "headgate", "password": "wrong"}},
        profile(
            namespace,
            cluster.kafka_sasl_in_cluster,
            sasl={"mechanism": "SCRAM-SHA-256", "secretRef": {"name": f"{namespace}-login"}},
        ),
        repo("to-nowhere", namespace, PROFILE, topic, rollout=quick_rollout()),
        repo("locked-out", namespace, PROFILE, topic, rollout=quick_rollout()),
    )
    for name in ("to-nowhere", "locked-out"):
        wait_ready(release, namespace, name)

    with (
        steady_traffic(f"{cluster.edge_url}/log/repo/to-nowhere", topic, 20) as first,
        steady_traffic(f"{cluster.edge_url}/log/repo/locked-out", topic, 20) as second,
        watching(release, namespace, "to-nowhere") as nowhere,
        watching(release, namespace, "locked-out") as locked,
    ):
        change(release, namespace, "to-nowhere", kafka={"producerProfile": PROFILE, "topic": f"{topic}-nosuch"})
        change(release, namespace, "locked-out", kafka={"producerProfile": namespace, "topic": topic})
        missing = wait_phase(release, namespace, "to-nowhere", "RolledBack")
        refused = wait_phase(release, namespace, "locked-out", "RolledBack")

    assert f"{topic}-nosuch" in missing["message"]
    assert "authenticat" in refused["message"].lower()
    assert nowhere.weights == locked.weights == [0]
    assert first.failures == second.failures == []


def test_a_spec_set_back_ends_the_rollout_at_once(
    release: Release, cluster: Cluster, namespace: str, topic: str
) -> None:
    original = status_at_least(100)
    release.api.apply(
        repo("reverting", namespace, PROFILE, topic, constraint=original, rollout=quick_rollout(hold="120s"))
    )
    wait_ready(release, namespace, "reverting")
    stable = rollout_of(release, namespace, "reverting")["stable"]

    with steady_traffic(f"{cluster.edge_url}/log/repo/reverting", topic, 20) as traffic:
        change(release, namespace, "reverting", constraint=status_at_least(200))
        wait_for(lambda: route_weight(release, namespace, "reverting") == 10, "the first step's weight", 60)
        change(release, namespace, "reverting", constraint=original)
        ended = wait_settled(release, namespace, "reverting", timeout=60)

    assert ended["phase"] == "Stable"
    assert ended["stable"] == stable
    assert traffic.failures == []
    wait_ready(release, namespace, "reverting")


def test_without_traffic_a_step_is_inconclusive_and_waits_for_somebody(
    release: Release, namespace: str, topic: str
) -> None:
    quiet = quick_rollout(hold="2s", deadline="3s", onInconclusive="Hold")
    release.api.apply(repo("quiet", namespace, PROFILE, topic, rollout=quiet))
    wait_ready(release, namespace, "quiet")
    change(release, namespace, "quiet", constraint=status_at_least(100))

    paused = wait_phase(release, namespace, "quiet", "Paused")

    assert "nconclusive" in paused["reason"]
    assert paused["verified"] == "Unverified"
    command = f"promote {paused['candidate']} - {namespace}"
    release.api.merge(repo_path(namespace, "quiet"), {"metadata": {"annotations": {"headgate.dev/command": command}}})
    ended = wait_settled(release, namespace, "quiet", timeout=60)
    assert (ended["phase"], ended["stable"]) == ("Stable", paused["candidate"])
    assert ended["command"]["token"] == namespace


def test_nothing_that_git_owns_is_written_during_a_rollout(
    release: Release, cluster: Cluster, namespace: str, topic: str
) -> None:
    release.api.apply(repo("owned-by-git", namespace, PROFILE, topic, rollout=quick_rollout(50, hold="3s")))
    wait_ready(release, namespace, "owned-by-git")
    with steady_traffic(f"{cluster.edge_url}/log/repo/owned-by-git", topic, RATE):
        release.api.apply(
            repo(
                "owned-by-git",
                namespace,
                PROFILE,
                topic,
                constraint=status_at_least(100),
                rollout=quick_rollout(50, hold="3s"),
            )
        )
        wait_phase(release, namespace, "owned-by-git", "Progressing")
        wait_settled(release, namespace, "owned-by-git")

    path = repo_path(namespace, "owned-by-git")
    found = release.api.get(path)
    assert found is not None
    ours = [each for each in found["metadata"]["managedFields"] if each["manager"].startswith("headgate-operator")]
    assert {each.get("subresource") for each in ours} == {"status"}
    assert "finalizers" not in found["metadata"]
    assert not [name for name in found["metadata"].get("annotations", {}) if name.startswith("headgate.dev/")]
    wait_condition(release, path, "Ready", "True")


def _is_stable(pod: Manifest) -> bool:
    return bool(pod["metadata"]["labels"].get("headgate.dev/track") == "stable")
