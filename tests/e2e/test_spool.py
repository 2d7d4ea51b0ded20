"""Fleets whose gateways have a claim each: Kafka goes away under traffic, gateways come and go, and nothing is lost."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.e2e.api import Manifest, is_pod_ready, restarts, wait_for
from tests.e2e.fleets import NAME, SideFleet, own_fleet
from tests.e2e.kafka_outage import lasting_kafka, start_kafka, stop_kafka
from tests.e2e.records import create_topic, read
from tests.e2e.release import Release
from tests.e2e.repos import wait_ready
from tests.e2e.traffic import Traffic, steady_traffic, wait_requests
from tests.e2e.volumes import local_volumes

pytestmark = pytest.mark.cluster

REPO = "kept"


@contextmanager
def fleet_with(release: Release, storage: str = "", grace: str = "20s", **spool: Any) -> Iterator[SideFleet]:
    """A fleet of two gateways, serving one repo that keeps on disk what Kafka does not take."""
    leaving = {"terminationGracePeriod": grace, "drainDelay": "3s"}
    with own_fleet(release, replicas=2, spool={"size": "1Gi", **spool}, **leaving) as side:
        create_topic(release.cluster.kafka_bootstrap, side.namespace)
        if "claimName" in spool:
            release.api.apply(_claim(side, spool["claimName"], storage))
        kept = {"producerProfile": "side", "topic": side.namespace, "onFailure": "Spool"}
        release.api.apply(side.fleet, side.profile(deliveryTimeout="3s"), side.repo(REPO, "unused", kafka=kept))
        side.wait_ready()
        wait_ready(release, side.namespace, REPO)
        yield side


def _claim(side: SideFleet, name: str, storage: str) -> Manifest:
    """One that all gateways share, as a platform team makes it."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": side.namespace},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": storage,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


@pytest.fixture
def sharing(release: Release) -> Iterator[SideFleet]:
    """One whose gateways share a claim."""
    with (
        lasting_kafka(release),
        local_volumes(release, per_node=1, access="ReadWriteMany") as storage,
        fleet_with(release, storage, mode="SharedClaim", claimName="spools") as side,
    ):
        yield side


@pytest.fixture
def side(release: Release) -> Iterator[SideFleet]:
    """One whose gateways have a claim each."""
    with (
        lasting_kafka(release),
        local_volumes(release) as storage,
        fleet_with(release, mode="VolumeClaim", storageClassName=storage) as side,
    ):
        yield side


@pytest.fixture
def on_nodes(release: Release) -> Iterator[SideFleet]:
    """One whose gateways have their spools on their nodes."""
    with lasting_kafka(release), fleet_with(release, mode="EmptyDir") as side:
        yield side


@pytest.fixture
def patient_on_nodes(release: Release) -> Iterator[SideFleet]:
    """The same; those that go may take their time."""
    with lasting_kafka(release), fleet_with(release, mode="EmptyDir", grace="4m") as side:
        yield side


def status_of(side: SideFleet) -> dict[str, Any]:
    """What the fleet says of its spools."""
    fleet = side.release.api.get(side.path("gatewayfleets", NAME)) or {}
    found: dict[str, Any] = (fleet.get("status") or {}).get("spool") or {}
    return found


def backlog(side: SideFleet) -> int:
    return int(status_of(side).get("backlogRecords", 0))


def left(side: SideFleet) -> dict[str, int]:
    """Records on each claim that has no gateway."""
    return {each["name"]: each.get("backlogRecords", 0) for each in status_of(side).get("leftClaims") or ()}


def change(side: SideFleet, **spec: Any) -> None:
    side.release.api.merge(side.path("gatewayfleets", NAME), {"spec": spec})


def ready_pods(side: SideFleet) -> list[Manifest]:
    return [pod for pod in side.stable_pods() if is_pod_ready(pod)]


def wait_for_gateways(side: SideFleet, count: int, fits: Callable[[Manifest], bool] = lambda _: True) -> None:
    """Until there are so many, all of them ready and as they should be."""

    def there() -> bool:
        pods = side.stable_pods()
        return len(pods) == count and all(is_pod_ready(pod) and fits(pod) for pod in pods)

    wait_for(there, f"{count} gateways are ready", 120)


def replace_one(side: SideFleet) -> None:
    """Delete a gateway, and wait until another has its name, and its claim."""
    pod = ready_pods(side)[0]["metadata"]
    side.release.api.delete(f"api/v1/namespaces/{side.namespace}/pods/{pod['name']}")
    wait_for_gateways(side, 2, lambda each: bool(each["metadata"]["uid"] != pod["uid"]))


def roll(side: SideFleet) -> None:
    """Another pod template for all of them."""
    change(side, podMetadata={"labels": {"generation": "second"}})
    wait_for_gateways(side, 2, lambda each: each["metadata"]["labels"].get("generation") == "second")


def drain_a_node(side: SideFleet) -> None:
    """Evict the fleet's gateways from one node, as a drain does; they come back to their volumes once it is open again."""
    pod = ready_pods(side)[0]
    node, selector = pod["spec"]["nodeName"], f"headgate.dev/fleet={NAME},headgate.dev/component=gateway"
    kubectl = side.release.api.kubectl
    try:
        kubectl(
            "drain", node, f"--pod-selector={selector}", "--ignore-daemonsets", "--delete-emptydir-data",
            "--timeout=110s",
        )  # fmt: skip
        uid = pod["metadata"]["uid"]
        wait_for(lambda: all(each["metadata"]["uid"] != uid for each in ready_pods(side)), "it is evicted", 60)
    finally:
        kubectl("uncordon", node)
    wait_for_gateways(side, 2)


def kill_process(side: SideFleet, pod: Manifest) -> None:
    """SIGKILL for a gateway, from outside of its container: nothing within could send it to process 1."""
    (container,) = pod["status"]["containerStatuses"]
    name = container["containerID"].removeprefix("containerd://")
    side.release.cluster.docker.call(
        "exec", pod["spec"]["nodeName"], "ctr", "--namespace=k8s.io", "tasks", "kill", "--signal=SIGKILL", name
    )


def held_by(side: SideFleet, pod: Manifest) -> int:
    """Records on the disk of one gateway, by its own word."""
    status = wait_for(lambda: side.release.api.pod_status(pod), f"{pod['metadata']['name']} answers", 30)
    return int(status["spool"]["backlogRecords"])


def wait_until_empty(side: SideFleet) -> None:
    wait_for(lambda: status_of(side) and backlog(side) == 0, "all of it is in Kafka", 180)


def found_in_kafka(side: SideFleet) -> Counter[int]:
    """How often each event is there."""
    records = read(side.release.cluster.kafka_bootstrap, side.namespace)
    return Counter(json.loads(record.value)["n"] for record in records)


@contextmanager
def traffic_without_kafka(release: Release, side: SideFleet) -> Iterator[Traffic]:
    """Requests to the fleet's repo, of which some were answered before Kafka was stopped."""
    url = f"{release.cluster.edge_url}/log/repo/{REPO}"
    with steady_traffic(url, name=side.namespace, rate=20, host=side.host) as traffic:
        wait_requests(traffic, 60)
        stop_kafka(release)
        yield traffic


def assert_nothing_is_lost(side: SideFleet, traffic: Traffic) -> None:
    found = found_in_kafka(side)
    assert traffic.acknowledged - found.keys() == set()
    assert found.keys() <= traffic.sent.keys()


def test_gateways_come_and_go_while_kafka_is_away_and_nothing_acknowledged_is_lost(
    release: Release, side: SideFleet, say: Callable[[str], None]
) -> None:
    with traffic_without_kafka(release, side) as traffic:
        wait_for(lambda: backlog(side) > 0, "the fleet tells of events on disk", 60)
        say("Kafka is away")
        replace_one(side)
        roll(side)
        say(f"one gateway deleted, all replaced; {backlog(side)} records on disk")
        change(side, replicas=1)
        claim = f"spool-{NAME}-gateway-1"
        wait_for(lambda: left(side).get(claim, 0) > 0, "the claim that is left is named, with what it holds", 90)
        change(side, replicas=2)
        wait_for_gateways(side, 2)
        wait_for(lambda: not left(side), "its gateway is back", 60)
        say("scaled down and up")
        start_kafka(release)
        wait_until_empty(side)
    say(f"{len(traffic.acknowledged)} of {len(traffic.sent)} acknowledged; {traffic.latency}")
    assert len(traffic.acknowledged) > 100
    assert_nothing_is_lost(side, traffic)


def test_gateways_on_a_shared_claim_come_and_go_while_kafka_is_away_and_others_take_over(
    release: Release, sharing: SideFleet, say: Callable[[str], None]
) -> None:
    side = sharing
    with traffic_without_kafka(release, side) as traffic:
        first = {pod["metadata"]["uid"] for pod in wait_for_both(side)}
        replace_one(side)
        wait_for(lambda: adopted(side) & first, "a spool of a pod that is gone is taken over", 120)
        say("one gateway deleted, and its spool taken over")
        roll(side)
        change(side, replicas=1)
        wait_for_gateways(side, 1)
        wait_for(lambda: adopted(side) >= first, "the last gateway has what all others had", 180)
        say(f"all replaced, and scaled down; {backlog(side)} records on disk")
        start_kafka(release)
        wait_until_empty(side)
    wait_for(lambda: not adopted(side), "what was taken over is delivered", 120)
    assert len(traffic.acknowledged) > 100
    assert_nothing_is_lost(side, traffic)


def adopted(side: SideFleet) -> set[str]:
    """Pods whose spools others have taken over, by the word of those."""
    said = [side.release.api.pod_status(pod) for pod in ready_pods(side)]
    rows = [row for each in said if each for row in each["spool"]["adopted"]]
    return {row["directory"].partition(".adopted.")[2] for row in rows}


def test_a_node_that_is_drained_while_kafka_is_away_keeps_what_its_gateways_had(
    release: Release, side: SideFleet, say: Callable[[str], None]
) -> None:
    with traffic_without_kafka(release, side) as traffic:
        wait_for(lambda: backlog(side) > 0, "the fleet tells of events on disk", 60)
        drain_a_node(side)
        say("drained and open again")
        start_kafka(release)
        wait_until_empty(side)
    assert_nothing_is_lost(side, traffic)


def test_a_fleet_that_gives_up_its_claims_empties_them_first_and_keeps_them(
    release: Release, side: SideFleet, say: Callable[[str], None]
) -> None:
    workload = f"apis/apps/v1/namespaces/{side.namespace}/{{}}/{NAME}-gateway"
    with traffic_without_kafka(release, side) as traffic:
        wait_for(lambda: status_of(side).get("oldestSeconds", 0) > 10, "events are on disk for a while", 60)
        change(side, spool={"mode": "EmptyDir", "storageClassName": None})
        wait_for(lambda: release.api.get(workload.format("deployments")), "a Deployment is there", 30)
        wait_for_gateways(side, 4)
        assert release.api.get(workload.format("statefulsets")) is not None, "its gateways hold events"
        say("both kinds of gateways serve")
        start_kafka(release)
        wait_for(lambda: release.api.get(workload.format("statefulsets")) is None, "the StatefulSet is gone", 180)
        wait_for_gateways(side, 2)
        wait_until_empty(side)
    assert_nothing_is_lost(side, traffic)
    assert set(left(side)) == {f"spool-{NAME}-gateway-{index}" for index in range(2)}


def test_a_spool_on_the_node_outlives_the_gateways_process_and_goes_with_its_pod(
    release: Release, on_nodes: SideFleet, say: Callable[[str], None]
) -> None:
    side = on_nodes
    with traffic_without_kafka(release, side) as traffic:
        for pod in wait_for_both(side):
            kill_process(side, pod)
        wait_for_gateways(side, 2, lambda pod: restarts(pod) > 0)
    gone, kept = ready_pods(side)
    held = held_by(side, gone), held_by(side, kept)
    say(f"killed and back with {held} records on disk; the first pod goes now")
    assert min(held) > 0
    release.api.delete(f"api/v1/namespaces/{side.namespace}/pods/{gone['metadata']['name']}")
    uid = gone["metadata"]["uid"]
    wait_for_gateways(side, 2, lambda pod: bool(pod["metadata"]["uid"] != uid))
    start_kafka(release)
    wait_until_empty(side)
    # Records whose fate was unknown when Kafka went may be there all the same.
    assert 0 < len(traffic.acknowledged - found_in_kafka(side).keys()) <= held[0]


def test_gateways_with_their_spools_on_nodes_that_are_replaced_wait_for_kafka_and_lose_nothing(
    release: Release, patient_on_nodes: SideFleet, say: Callable[[str], None]
) -> None:
    side = patient_on_nodes
    with traffic_without_kafka(release, side) as traffic:
        old = wait_for_both(side)
        change(side, podMetadata={"labels": {"generation": "second"}})
        wait_for(lambda: all(is_leaving(side, pod) and held_by(side, pod) > 0 for pod in old), "both are to go", 120)
        held = [held_by(side, pod) for pod in old]
        say(f"both gateways are replaced, and stay with {held} records on disk")
        assert min(held) > 0
        start_kafka(release)
        wait_for(lambda: not any(found(side, pod) for pod in old), "they are gone", 150)
        wait_until_empty(side)
    assert len(traffic.acknowledged) > 100
    assert_nothing_is_lost(side, traffic)


def wait_for_both(side: SideFleet) -> list[Manifest]:
    """Both gateways, once they have events on disk."""

    def there() -> list[Manifest] | None:
        pods = ready_pods(side)
        return pods if len(pods) == 2 and all(held_by(side, pod) > 20 for pod in pods) else None

    return wait_for(there, "both have events on disk", 60)


def found(side: SideFleet, pod: Manifest) -> Manifest | None:
    """A gateway as it is now; None: it is gone."""
    return side.release.api.get(f"api/v1/namespaces/{side.namespace}/pods/{pod['metadata']['name']}")


def is_leaving(side: SideFleet, pod: Manifest) -> bool:
    """Whether it has been told to stop, and has not yet."""
    live = found(side, pod)
    return live is not None and "deletionTimestamp" in live["metadata"]
