"""A resource that cannot work says why in its conditions, and takes nothing away from its neighbours."""

import time

import httpx
import pytest
from tests.e2e.api import HEADGATE
from tests.e2e.conftest import PROFILE
from tests.e2e.records import create_topic
from tests.e2e.release import NAMESPACE, Release
from tests.e2e.repos import profile, repo, repo_path, wait_condition, wait_ready
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster
DELIVERY_SECONDS = 3


def test_a_profile_without_brokers_answers_503_in_time_and_its_neighbours_go_on(
    release: Release, cluster: Cluster, namespace: str, topic: str
) -> None:
    # A name that resolves to nothing: no packet leaves the cluster.
    nowhere = profile("nowhere", "no-such-broker.kafka.svc:9092", deliveryTimeout=f"{DELIVERY_SECONDS}s")
    release.api.apply(
        nowhere,
        repo("into-nowhere", namespace, "nowhere", topic),
        repo("beside-nowhere", namespace, PROFILE, topic),
    )
    wait_ready(release, namespace, "beside-nowhere")
    wait_condition(release, repo_path(namespace, "into-nowhere"), "Programmed", "True")

    began = time.monotonic()
    lost = httpx.post(f"{cluster.edge_url}/log/repo/into-nowhere", content=b'{"n":1}', timeout=30, trust_env=False)
    took = time.monotonic() - began
    kept = httpx.post(f"{cluster.edge_url}/log/repo/beside-nowhere", content=b'{"n":2}', timeout=30, trust_env=False)

    assert lost.status_code == httpx.codes.SERVICE_UNAVAILABLE, lost.text
    assert int(lost.headers["retry-after"]) > 0
    assert took < DELIVERY_SECONDS + 2
    assert kept.status_code == httpx.codes.OK, kept.text
    release.api.delete(f"{HEADGATE}/namespaces/{NAMESPACE}/kafkaproducerprofiles/nowhere")


def test_of_two_repos_with_one_path_the_older_keeps_it_and_the_other_is_told_who(
    release: Release, cluster: Cluster, namespace: str, topic: str
) -> None:
    path = [{"path": "/shared/path"}]
    release.api.apply(repo("first-holder", namespace, PROFILE, topic, endpoints=path))
    wait_ready(release, namespace, "first-holder")
    release.api.apply(repo("late-comer", namespace, PROFILE, topic, endpoints=path))

    refused = wait_condition(release, repo_path(namespace, "late-comer"), "Accepted", "False")

    assert refused["reason"] == "Conflict"
    assert f"{namespace}/first-holder" in refused["message"]
    answer = httpx.post(f"{cluster.edge_url}/shared/path", content=b'{"n":1}', timeout=20, trust_env=False)
    assert answer.status_code == httpx.codes.OK, answer.text


@pytest.mark.parametrize(
    ("spec", "reason", "named"),
    [
        pytest.param({"fleetRef": {"name": "no-such-fleet"}}, "FleetNotFound", "no-such-fleet", id="fleet"),
        pytest.param(
            {"kafka": {"producerProfile": "no-such-profile", "topic": "t"}},
            "ProfileNotFound",
            "no-such-profile",
            id="profile",
        ),
    ],
)
def test_a_repo_that_names_what_is_not_there_says_so(
    release: Release, namespace: str, spec: dict[str, object], reason: str, named: str
) -> None:
    release.api.apply(repo("mistaken", namespace, PROFILE, "t", **spec))

    refused = wait_condition(release, repo_path(namespace, "mistaken"), "Accepted", "False")

    assert refused["reason"] == reason
    assert named in refused["message"]


def test_a_profile_whose_secret_is_not_there_says_so_and_works_once_it_is(
    release: Release, cluster: Cluster, namespace: str
) -> None:
    create_topic(cluster.kafka_bootstrap, "t")
    wanting = profile("wanting", "no-such-broker.kafka.svc:9092", tls={"caSecretRef": {"name": "late-ca"}})
    release.api.apply(wanting, repo("waits-for-secret", namespace, "wanting", "t"))
    path = f"{HEADGATE}/namespaces/{NAMESPACE}/kafkaproducerprofiles/wanting"
    refused = wait_condition(release, path, "Accepted", "False")
    assert refused["reason"] == "SecretNotFound"
    assert "late-ca" in refused["message"]
    told = wait_condition(release, repo_path(namespace, "waits-for-secret"), "Accepted", "False")
    assert told["reason"] == "ProfileNotAccepted"

    secret = {"name": "late-ca", "namespace": NAMESPACE}

    release.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": {"ca.crt": "not yet"}})
    wait_condition(release, path, "Accepted", "True", timeout=90)

    release.api.delete(path)
    release.api.delete(f"api/v1/namespaces/{NAMESPACE}/secrets/late-ca")
