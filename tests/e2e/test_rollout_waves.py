"""An edit of a profile is a wave over the repos that use it; when it breaks the first of them, the others never begin."""

from collections.abc import Callable

import pytest
from tests.e2e.api import wait_for
from tests.e2e.fleets import PROFILE, own_fleet
from tests.e2e.records import create_topic
from tests.e2e.release import Release
from tests.e2e.repos import wait_ready
from tests.e2e.rollouts import canary_pods, quick_rollout, rollout_of, wait_phase
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster

REPOS = ("first", "second", "third")
QUIET = quick_rollout(40, hold="1s", min_requests=10, onInconclusive="Promote", deadline="1s")


def test_a_wave_stops_at_its_failure_budget_and_is_over_once_the_profile_is_mended(
    release: Release, cluster: Cluster, say: Callable[[str], None]
) -> None:
    with own_fleet(release, replicas=1, rollouts={"maxConcurrent": 1, "failureBudget": 1}) as fleet:
        namespace = fleet.namespace
        create_topic(cluster.kafka_bootstrap, namespace)
        release.api.apply(fleet.fleet, fleet.profile(), *(fleet.repo(name, namespace, rollout=QUIET) for name in REPOS))
        fleet.wait_ready()
        for name in REPOS:
            wait_ready(release, namespace, name)
        stable = {name: rollout_of(release, namespace, name)["stable"] for name in REPOS}

        login = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": namespace}}
        sasl = {"mechanism": "SCRAM-SHA-256", "secretRef": {"name": "login"}}
        release.api.apply({**login, "stringData": {"username": "headgate", "password": "wrong"}})
        release.api.merge(
            fleet.path("kafkaproducerprofiles", PROFILE),
            {"spec": {"bootstrapServers": [cluster.kafka_sasl_in_cluster], "sasl": sasl}},
        )
        refused = wait_phase(release, namespace, "first", "RolledBack")
        waiting = [wait_phase(release, namespace, name, "Waiting") for name in REPOS[1:]]
        wait_for(
            lambda: all("stopped" in rollout_of(release, namespace, name)["message"] for name in REPOS[1:]),
            "the wave has stopped",
            30,
        )
        say(f"wave: {refused['message']}; then: {rollout_of(release, namespace, 'third')['message']}")
        assert refused["reason"] == "PreflightFailed"
        assert {block["stable"] for block in (refused, *waiting)} == set(stable.values())
        assert f"{namespace}/first" in rollout_of(release, namespace, "third")["message"]
        wait_for(lambda: not canary_pods(release, fleet.key), "the only canary of the wave is gone", 60)

        release.api.merge(
            fleet.path("kafkaproducerprofiles", PROFILE),
            {"spec": {"bootstrapServers": [cluster.kafka_bootstrap_in_cluster], "sasl": None}},
        )
        for name in REPOS:
            # The repo's own generation is the old one: its status says when the profile's edit has been seen.
            assert wait_phase(release, namespace, name, "Stable")["stable"] == stable[name]
            wait_ready(release, namespace, name)
