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
from tests.e2e.repos import profile, repo, repo_path, status_at_least, wait_ready
from tests.e2e.rollouts import (
    canary_pods,
    change,
    quick_rollout,
    repo_route,
    rollout_of,
    route_weight,
    wait_phase,
    wait_settled,
    watching,
)
from tests.e2e.shares import BOUND_SECONDS, JUDGED_REQUESTS, MARGIN_POINTS, measure
from tests.e2e.traffic import Traffic, steady_traffic, wait_requests
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster

RATE = 60
QUICKLY = 100
"""Requests a second that give the bad revisions their 2,000 in half a minute."""


def numbers(records: list[Record]) -> Counter[int]:
    """How often each event of steady traffic is among the records."""
    return Counter(json.loads(record.value)["n"] for record in records)


def revisions(records: list[Record]) -> Counter[str]:
    """How many records each revision wrote, as their provenance headers say."""
    return Counter(dict(record.headers).get("headgate-revision", b"").decode() for record in records)


def provenance(profile_name: str, topic: str) -> Manifest:
    """Where lines go, each with the revision that sent it."""
    return {"producerProfile": profile_name, "topic": topic, "provenance": True}


def neighbours_route(release: Release, namespace: str) -> Manifest:
    """The spec and generation of another repo's route."""
    found = repo_route(release, namespace, "neighbour") or {}
    return {"generation": found["metadata"]["generation"], "spec": found["spec"]}


def stable_pods(release: Release) -> dict[str, int]:
    """Restarts of each gateway that serves everybody, by uid."""
    return {
        pod["metadata"]["uid"]: restarts(pod)
        for pod in release.gateway_pods()
        if pod["metadata"]["labels"].get("headgate.dev/track") == "stable"
    }


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
    pods = stable_pods(release)
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
    assert stable_pods(release) == pods
    wait_for(lambda: not canary_pods(release), "the canary is gone", 90)


def bad_changes() -> dict[str, tuple[Manifest, Manifest]]:
    """Constraints that fit no event, by repo: what is judged how, and what the constraint does."""
    nothing = status_at_least(1_000)
    # Rejecting is found within some ten requests by default. Where a team allows it, finding it takes long enough to
    # see what share of a long run of requests it touches.
    lenient = {"rejected": {"max": "95%"}}
    return {
        "dropping": (quick_rollout(10, 50, hold="60s"), nothing),
        "rejecting": (quick_rollout(10, 50, hold="60s", metrics=lenient), {**nothing, "onMismatch": "Reject"}),
        "rejecting-at-once": (quick_rollout(10, 50, hold="60s"), {**nothing, "onMismatch": "Reject"}),
    }


def met(traffic: Traffic) -> set[int]:
    """Events that a bad constraint dropped or rejected; nothing else may have gone wrong."""
    assert not traffic.broken
    refused = traffic.answered.keys() - traffic.acknowledged
    assert all(traffic.answered[number] == 400 and "Mismatch" in traffic.bodies[number] for number in refused)
    return refused | traffic.dropped


def test_constraints_that_drop_or_reject_everything_go_back_and_touch_a_tenth(
    release: Release, cluster: Cluster, namespace: str, topic: str, say: Callable[[str], None]
) -> None:
    changes = bad_changes()
    release.api.apply(*(repo(name, namespace, PROFILE, topic, rollout=how) for name, (how, _) in changes.items()))
    for name in changes:
        wait_ready(release, namespace, name)
    stable = {name: rollout_of(release, namespace, name)["stable"] for name in changes}
    rates = dict.fromkeys(changes, QUICKLY) | {"rejecting-at-once": 30}

    with ExitStack() as stack:
        flows = {
            name: stack.enter_context(steady_traffic(f"{cluster.edge_url}/log/repo/{name}", topic, rates[name]))
            for name in changes
        }
        seen = {name: stack.enter_context(watching(release, namespace, name)) for name in changes}
        wait_requests(flows["dropping"], 60)
        for name, (_, constraint) in changes.items():
            change(release, namespace, name, constraint=constraint)
        ended = {name: wait_phase(release, namespace, name, "RolledBack") for name in changes}

    found = {name: measure(flows[name], seen[name], met(flows[name])) for name in changes}
    for name in changes:
        say(f"{name}: {found[name]}: {ended[name]['message']}")
        assert seen[name].weights == [0, 10, 0]
        assert ended[name]["stable"] == stable[name]
        assert found[name].from_answer < BOUND_SECONDS
        assert _fails(ended[name]) == ["dropped" if name == "dropping" else "rejected"]
    for name in ("dropping", "rejecting"):
        assert found[name].requests >= JUDGED_REQUESTS
        assert found[name].share <= 10 + MARGIN_POINTS
    conditions = {each["type"]: each["status"] for each in _status(release, namespace, "dropping")["conditions"]}
    assert conditions["Ready"] == "False"
    assert conditions["Stalled"] == conditions["Serving"] == "True"


def _fails(rollout: Manifest) -> list[str]:
    return [each["name"] for each in rollout["measurements"] if each["verdict"] == "Fail"]


def _status(release: Release, namespace: str, name: str) -> Manifest:
    status: Manifest = (release.api.get(repo_path(namespace, name)) or {})["status"]
    return status


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


def test_after_a_rollback_status_names_what_the_revision_has_written(
    release: Release, cluster: Cluster, namespace: str, topic: str, say: Callable[[str], None]
) -> None:
    """The change drops most events and writes the others: what it wrote is told by its records' own headers."""
    how = quick_rollout(50, metrics={"droppedMax": "50%"})
    release.api.apply(repo("telling", namespace, PROFILE, topic, rollout=how, kafka=provenance(PROFILE, topic)))
    wait_ready(release, namespace, "telling")
    few = {"matchExpressions": [{"field": "key", "operator": "In", "values": ["k1", "k2"]}]}

    with steady_traffic(f"{cluster.edge_url}/log/repo/telling", topic, RATE) as traffic:
        wait_requests(traffic, 30)
        change(release, namespace, "telling", constraint=few)
        ended = wait_phase(release, namespace, "telling", "RolledBack")

    by_header: dict[int, list[int]] = {}
    for record in read(cluster.kafka_bootstrap, topic):
        if dict(record.headers)["headgate-revision"].decode() == ended["candidate"]:
            by_header.setdefault(record.partition, []).append(record.offset)
    told = {each["partition"]: each for each in ended["written"]}
    say(f"written by the revision that went back: {ended['written']}")
    assert by_header
    assert {each["topic"] for each in ended["written"]} == {topic}
    assert {number: (each["firstOffset"], each["lastOffset"]) for number, each in told.items()} == {
        number: (min(offsets), max(offsets)) for number, offsets in by_header.items()
    }
    assert {number: each["records"] for number, each in told.items()} == {
        number: len(offsets) for number, offsets in by_header.items()
    }
