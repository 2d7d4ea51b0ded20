"""The data plane through the edge: every way in, executors, two clusters, dead letters, keys, rates; and what it is
for a canary when an executor is at fault."""

import gzip
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from tests.e2e.api import Manifest, wait_for
from tests.e2e.conftest import PROFILE
from tests.e2e.records import Record, create_topic, read
from tests.e2e.release import Release
from tests.e2e.repos import profile, repo, repo_path, wait_ready
from tests.e2e.rollouts import change, quick_rollout, rollout_of, wait_phase, watching
from tests.e2e.shares import JUDGED_REQUESTS, MARGIN_POINTS, measure
from tests.e2e.traffic import steady_traffic, wait_requests
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster

KEY, NEXT_KEY = "an-api-key-of-thirty-two-characters", "the-key-that-comes-after-the-first"
OTHER_PROFILE = "audit"


def secret(namespace: str, name: str, **entries: str) -> Manifest:
    """A Secret of the team's."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": entries,
    }


def orders(namespace: str, topic: str) -> Manifest:
    """A repo with all of it. Its paths are the test's own."""
    return repo(
        "orders",
        namespace,
        PROFILE,
        topic,
        endpoints=[
            {"path": f"/{namespace}/lines"},
            {"path": f"/{namespace}/putmessage", "format": "JSON", "response": "Empty", "envelope": "BodyData",
             "topicHeader": {"name": "topic", "topics": [f"{topic}-named"]}},
            {"path": f"/{namespace}/post", "format": "JSON", "response": "Offset"},
            {"path": f"/{namespace}/cloudevents", "format": "CloudEvents"},
        ],
        auth={"apiKeys": {"secretRef": {"name": "clients"}}, "basic": {"secretRef": {"name": "people"}}},
        constraint={"matchExpressions": [{"field": "test", "operator": "DoesNotExist"}]},
        executors=[
            {"splitter": {"field": "variant", "separator": "|", "onFailure": "Keep"}},
            {"assigner": {"field": "variant", "names": ["colour", "size"], "onFailure": "Keep"}},
            {"cast": {"fields": [{"field": "total", "type": "Float"}]}},
            {"mask": {"fields": ["email"], "hash": {"secretRef": {"name": "masking"}, "key": "current"}}},
        ],
        kafka={
            "producerProfile": PROFILE,
            "topic": topic,
            "key": {"field": "customer"},
            "topics": [
                {"when": [{"field": "total", "operator": "Ge", "values": [1000]}], "topic": f"{topic}-large",
                 "producerProfile": OTHER_PROFILE},
            ],
            "deadLetter": {"topic": f"{topic}-dead", "producerProfile": OTHER_PROFILE},
        },
    )  # fmt: skip


@pytest.fixture
def served(release: Release, cluster: Cluster, namespace: str, topic: str) -> Manifest:
    """The repo, ready, with its topics and Secrets."""
    for suffix in ("named", "large", "dead"):
        create_topic(cluster.kafka_bootstrap, f"{topic}-{suffix}")
    release.api.apply(
        profile(OTHER_PROFILE, cluster.kafka_bootstrap_in_cluster, acks="leader"),
        secret(namespace, "clients", first=KEY),
        secret(namespace, "people", ann="a password"),
        secret(namespace, "masking", current="a key of at least sixteen bytes"),
        orders(namespace, topic),
    )
    return wait_ready(release, namespace, "orders")


def values(records: list[Record]) -> list[Any]:
    """What records hold, as JSON."""
    return [json.loads(record.value) for record in records]


def test_every_way_in_leads_to_the_records_that_it_says(
    served: Manifest, cluster: Cluster, namespace: str, topic: str
) -> None:
    assert served["status"]["rollout"]["phase"] == "Stable"
    with httpx.Client(
        base_url=f"{cluster.edge_url}/{namespace}", headers={"X-API-Key": KEY}, timeout=20, trust_env=False
    ) as client:
        lines: list[dict[str, Any]] = [
            {"customer": "ann", "variant": "red|xl", "total": "12.5", "email": "ann@example.org"},
            {"customer": "bob", "variant": "blue|s", "total": "2000"},
            {"customer": "eve", "total": "a lot"},
            {"customer": "ann", "test": True},
        ]
        body = b"\n".join(json.dumps(line).encode() for line in lines)
        receipt = client.post("/lines", content=gzip.compress(body), headers={"Content-Encoding": "gzip"})
        put = client.post("/putmessage", content=b'{"path":"/a/b"}', headers={"topic": f"{topic}-named"})
        elsewhere = client.post("/putmessage", content=b"{}", headers={"topic": "somewhere-else"})
        posted = client.post("/post", content=b'{"customer":"ann","total":1}')
        dropped = client.post("/post", content=b'{"customer":"ann","test":1}')
        event = client.post(
            "/cloudevents",
            content=b'{"n": 1}',
            headers={
                "ce-id": "1", "ce-source": "/shop", "ce-specversion": "1.0", "ce-type": "order",
                "Content-Type": "application/json",
            },
        )  # fmt: skip

    assert receipt.status_code == httpx.codes.OK, receipt.text
    counts = {name: receipt.json()[name] for name in ("accepted", "dropped", "rejected", "deadLettered")}
    assert counts["dropped"] == 1
    assert (counts["rejected"], counts["deadLettered"]) == (0, 1)
    assert (put.status_code, put.content) == (200, b"")
    assert (elsewhere.status_code, elsewhere.json()["reason"]) == (403, "TopicNotAllowed")
    assert (posted.status_code, posted.json()["status"]) == (200, "ok")
    assert dropped.content == b'{"status":"ok","partition":0,"Offset":-1}\n'
    assert event.status_code == httpx.codes.OK, event.text

    records = read(cluster.kafka_bootstrap, topic)
    by_position = {(record.partition, record.offset): record for record in records}
    of_ann = [record for record in records if record.key == b"ann"]
    assert values(of_ann)[0].keys() >= {"colour", "size", "email"}
    assert values(of_ann)[0]["total"] == 12.5
    assert values(of_ann)[0]["email"] != lines[0]["email"]
    answered = posted.json()
    assert json.loads(by_position[answered["partition"], answered["Offset"]].value) == {"customer": "ann", "total": 1.0}
    (of_the_event,) = (record for record in records if dict(record.headers).get("ce_type") == b"order")
    assert json.loads(of_the_event.value) == {"n": 1}
    assert values(read(cluster.kafka_bootstrap, f"{topic}-large"))[0]["customer"] == "bob"
    (dead,) = read(cluster.kafka_bootstrap, f"{topic}-dead")
    assert json.loads(dead.value) == lines[2]
    assert dict(dead.headers)["headgate-step"] == b"executors[2].cast"
    (named,) = read(cluster.kafka_bootstrap, f"{topic}-named")
    assert named.value == b'{"body_data":"{\\"path\\":\\"\\/a\\/b\\"}"}'


def test_keys_and_passwords_open_and_rotate_without_a_restart(
    served: Manifest, release: Release, cluster: Cluster, namespace: str
) -> None:
    url = f"{cluster.edge_url}/{namespace}/lines"

    def status(**how: Any) -> int:
        return httpx.post(url, content=b'{"customer":"ann","total":1}', timeout=20, trust_env=False, **how).status_code

    before = {pod["metadata"]["uid"] for pod in release.gateway_pods()}
    assert status() == status(headers={"X-API-Key": "wrong"}) == httpx.codes.UNAUTHORIZED
    assert status(auth=("ann", "another password")) == httpx.codes.UNAUTHORIZED
    assert status(headers={"Authorization": f"Bearer {KEY}"}) == httpx.codes.OK
    assert status(auth=("ann", "a password")) == httpx.codes.OK

    release.api.merge(f"api/v1/namespaces/{namespace}/secrets/clients", {"stringData": {"second": NEXT_KEY}})
    wait_for(lambda: _both(status, NEXT_KEY, 200), "the new key opens", 60)
    assert status(headers={"X-API-Key": KEY}) == httpx.codes.OK
    release.api.merge(f"api/v1/namespaces/{namespace}/secrets/clients", {"data": {"first": None}})
    wait_for(lambda: _both(status, KEY, 401), "the old key opens no more", 60)
    assert status(headers={"X-API-Key": NEXT_KEY}) == httpx.codes.OK

    assert {pod["metadata"]["uid"] for pod in release.gateway_pods()} == before
    now = release.api.get(repo_path(namespace, "orders")) or {}
    assert now["status"]["revision"] == served["status"]["revision"]


def _both(status: Callable[..., int], key: str, wanted: int) -> bool:
    """Whether requests are answered so again and again, whichever gateway they meet."""
    return all(status(headers={"X-API-Key": key}) == wanted for _ in range(8))


def test_who_sends_too_fast_is_told_when_to_come_again(
    release: Release, cluster: Cluster, namespace: str, topic: str
) -> None:
    limits = {"perGateway": {"requestsPerSecond": 2}}
    release.api.apply(repo("paced", namespace, PROFILE, topic, limits=limits))
    wait_ready(release, namespace, "paced")
    url = f"{cluster.edge_url}/log/repo/paced"

    answers = [httpx.post(url, content=b"{}", timeout=20, trust_env=False) for _ in range(30)]

    refused = [answer for answer in answers if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE]
    assert refused
    assert {answer.json()["reason"] for answer in refused} == {"RateLimited"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    accepted = [answer for answer in answers if answer.status_code == httpx.codes.OK]
    assert len(accepted) + len(refused) == len(answers)
    time.sleep(int(refused[-1].headers["Retry-After"]))
    assert httpx.post(url, content=b"{}", timeout=20, trust_env=False).status_code == httpx.codes.OK
    assert len(read(cluster.kafka_bootstrap, topic)) == len(accepted) + 1


def test_an_executor_that_refuses_lines_goes_back_and_touches_a_tenth(
    release: Release, cluster: Cluster, namespace: str, topic: str, say: Callable[[str], None]
) -> None:
    """`key` is text, so that to cast it to an integer refuses every line, or sends it to the dead letter."""
    create_topic(cluster.kafka_bootstrap, f"{topic}-dead")
    lenient = {"rejected": {"max": "95%"}, "deadLettered": {"max": "95%"}}
    how = quick_rollout(10, 50, hold="60s", metrics=lenient)
    dead = {"producerProfile": PROFILE, "topic": topic, "deadLetter": {"topic": f"{topic}-dead"}}
    release.api.apply(
        repo("refusing", namespace, PROFILE, topic, rollout=how),
        repo("burying", namespace, PROFILE, topic, rollout=how, kafka=dead),
    )
    stable = {}
    for name in ("refusing", "burying"):
        wait_ready(release, namespace, name)
        stable[name] = rollout_of(release, namespace, name)["stable"]

    with ExitStack() as stack:
        flows = {
            name: stack.enter_context(steady_traffic(f"{cluster.edge_url}/log/repo/{name}", topic, 100))
            for name in stable
        }
        seen = {name: stack.enter_context(watching(release, namespace, name)) for name in stable}
        wait_requests(flows["refusing"], 60)
        for name in stable:
            change(release, namespace, name, executors=[{"cast": {"fields": [{"field": "key", "type": "Integer"}]}}])
        ended = {name: wait_phase(release, namespace, name, "RolledBack") for name in stable}

    buried = {json.loads(record.value)["n"] for record in read(cluster.kafka_bootstrap, f"{topic}-dead")}
    refused = flows["refusing"].answered.keys() - flows["refusing"].acknowledged
    assert all(flows["refusing"].answered[number] == 400 for number in refused)
    assert flows["burying"].failures == []
    for name, met in (("refusing", refused), ("burying", buried)):
        found = measure(flows[name], seen[name], met)
        say(f"executor, {name}: {found}: {ended[name]['message']}")
        assert seen[name].weights == [0, 10, 0]
        assert ended[name]["stable"] == stable[name]
        assert found.requests >= JUDGED_REQUESTS
        assert found.share <= 10 + MARGIN_POINTS
