"""A real API server judges our CRDs, and the same table of objects as the Python types."""

import json
from typing import Any

import pytest
from tests.golden.judged_objects import BAD, GOOD, JudgedObject
from tests.integration.api.conftest import ApiServer

from headgate_operator.api.names import API_VERSION

pytestmark = pytest.mark.cluster


def manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def repo(name: str, **spec: Any) -> dict[str, Any]:
    return manifest("EventRepo", name, {"kafka": {"producerProfile": "main", "topic": "access"}} | spec)


@pytest.mark.parametrize("kind", ["gatewayfleets", "kafkaproducerprofiles", "eventrepos"])
def test_the_schema_is_structural_and_its_names_are_taken(api_server: ApiServer, kind: str) -> None:
    conditions = api_server.ask(
        "get", "crd", f"{kind}.headgate.dev", "-o", "jsonpath={range .status.conditions[*]}{.type}={.status} {end}"
    ).split()
    assert "NamesAccepted=True" in conditions
    assert "Established=True" in conditions
    assert "NonStructuralSchema=True" not in conditions


@pytest.mark.parametrize("judged", GOOD, ids=lambda judged: judged.id)
def test_good_objects_are_taken(server: ApiServer, judged: JudgedObject) -> None:
    answer = server.judge(judged.manifest)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("judged", BAD, ids=lambda judged: judged.id)
def test_bad_objects_are_refused_with_a_message(server: ApiServer, judged: JudgedObject) -> None:
    answer = server.judge(judged.manifest)
    if judged.server is None:
        assert answer.returncode == 0, "the API server has learned to tell: move the rule into the schema"
        return
    assert answer.returncode != 0
    assert judged.server in answer.stderr


def test_defaults_are_filled_in(server: ApiServer) -> None:
    fleet = server.create(manifest("GatewayFleet", "defaults", {"image": "gateway:1", "replicas": 0}))
    assert fleet["spec"] == {
        "image": "gateway:1",
        "replicas": 0,
        "imagePullPolicy": "IfNotPresent",
        "service": {"type": "ClusterIP"},
        "terminationGracePeriod": "1m",
        "drainDelay": "8s",
        "routing": {"provider": "None", "routes": "PerRepo"},
        "allowedRepos": {"namespaces": {"from": "Same"}},
        "limits": {"bodyBytes": 8388608, "lineBytes": 524288, "bufferBytes": 134217728},
        "spool": {"mode": "Disabled", "size": 10737418240},
        "rollouts": {"maxConcurrent": 5, "revisionHistoryLimit": 10, "failureBudget": 1},
        "upgrade": {"strategy": "Canary", "failureBudget": 1, "progressDeadline": "10m"},
    }
    profile = server.create(manifest("KafkaProducerProfile", "defaults", {"bootstrapServers": ["kafka:9092"]}))
    assert profile["spec"] == {
        "bootstrapServers": ["kafka:9092"],
        "acks": "all",
        "compression": {"type": "lz4"},
        "deliveryTimeout": "30s",
        "maxBufferBytes": 67108864,
        "allowedNamespaces": ["*"],
        "allowedTopics": ["*"],
    }
    stored = server.create(repo("defaults"))
    assert stored["spec"] == {
        "kafka": {
            "producerProfile": "main",
            "topic": "access",
            "delivery": "Sync",
            "onFailure": "Reject",
            "provenance": False,
        },
        "partial": "Reject",
    }


SAME_DEFAULTS = {
    "an endpoint": {"endpoints": [{"path": "/a"}]},
    **{
        judged.id: judged.manifest["spec"]
        for judged in GOOD
        if judged.manifest["kind"] == "EventRepo" and "repo with every" in judged.id
    },
}


@pytest.mark.parametrize(("index", "spec"), list(enumerate(SAME_DEFAULTS.values())), ids=SAME_DEFAULTS)
def test_defaults_of_the_api_server_are_those_of_the_types(server: ApiServer, index: int, spec: dict[str, Any]) -> None:
    from headgate_operator.api.repo import EventRepo

    written = repo(f"same-defaults-{index}", **spec)
    stored = server.create(written)
    assert EventRepo.from_object(stored).spec == EventRepo.from_object(written).spec


@pytest.mark.parametrize("kind", ["GatewayFleet", "KafkaProducerProfile", "EventRepo"])
def test_a_fresh_object_says_that_nobody_has_looked(server: ApiServer, kind: str) -> None:
    """What the creator is answered, since an operator that runs in the cluster may have looked by the next reading."""
    example = next(judged for judged in GOOD if judged.manifest["kind"] == kind).manifest
    if kind == "GatewayFleet":
        example = manifest(kind, "fresh", example["spec"] | {"replicas": 0})
    created = server.create(example | {"metadata": {"name": "fresh"}, "status": {"observedGeneration": 7}})
    assert created["status"] == {"observedGeneration": -1}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"fleetRef": {"name": "one"}}, {"fleetRef": {"name": "two"}}),
        ({"fleetRef": {"name": "one"}}, {"fleetRef": None}),
        ({}, {"fleetRef": {"name": "one"}}),
        ({"fleetRef": {"name": "one"}}, {"fleetRef": {"name": "one", "namespace": "elsewhere"}}),
    ],
    ids=["changed", "removed", "added", "moved"],
)
def test_fleet_ref_is_immutable(server: ApiServer, request: pytest.FixtureRequest, before: Any, after: Any) -> None:
    name = f"immutable-{request.node.callspec.id}"
    server.create(repo(name, **before))
    words = ("patch", "--namespace", server.namespace, "eventrepo", name, "--type=merge", "-p")
    answer = server.run(*words, json.dumps({"spec": after}))
    assert answer.returncode != 0
    assert "fleetRef is immutable: delete the EventRepo and create it in the other fleet" in answer.stderr
    server.ask(*words, json.dumps({"spec": {"kafka": {"topic": "other"}}}))


def test_get_shows_whether_it_is_fine(server: ApiServer) -> None:
    server.create(repo("shown"))
    header, row = _shown_with_status(
        server,
        "er",
        fleet="headgate/default",
        gateways="2/2",
        revision="0123456789abcdef",
        rollout={"phase": "Progressing", "step": "1/2", "weight": 10},
    )
    assert header == [
        *("NAME", "READY", "PHASE", "STEP", "WEIGHT", "REVISION", "GATEWAYS"),
        *("REASON", "TOPIC", "FLEET", "MESSAGE", "AGE"),
    ]
    assert row[:-1] == [
        *("shown", "True", "Progressing", "1/2", "10", "0123456789abcdef", "2/2"),
        *("Ready", "access", "headgate/default", "well"),
    ]


def test_get_shows_profiles_and_fleets(server: ApiServer) -> None:
    server.create(manifest("KafkaProducerProfile", "shown", {"bootstrapServers": ["a:1", "b:2"]}))
    header, row = _shown_with_status(server, "kpp", repos=3)
    assert header == ["NAME", "READY", "REASON", "BROKERS", "REPOS", "MESSAGE", "AGE"]
    assert row[:-1] == ["shown", "True", "Ready", '["a:1","b:2"]', "3", "well"]
    # No gateways: they would have no image to start from.
    server.create(manifest("GatewayFleet", "shown", {"image": "gateway:1", "replicas": 0}))
    upgrade = {"phase": "Upgrading", "moved": "3/5"}
    spool = {"state": "Ready", "backlogRecords": 7, "backlogBytes": 700, "oldestSeconds": 3}
    header, row = _shown_with_status(server, "gwf", gateways="0/0", repos=1, upgrade=upgrade, spool=spool)
    assert header == [
        *("NAME", "READY", "REASON", "GATEWAYS", "REPOS", "IMAGE"),
        *("UPGRADE", "MOVED", "BACKLOG", "MESSAGE", "AGE"),
    ]
    assert row[:-1] == [
        *("shown", "True", "Ready", "0/0", "1", "gateway:1"),
        *("Upgrading", "3/5", "7", "well"),
    ]


def test_the_name_of_a_fleet_with_claims_leaves_room_for_a_hash(server: ApiServer) -> None:
    def named(length: int) -> dict[str, Any]:
        return manifest("GatewayFleet", "f" * length, {"image": "g", "spool": {"mode": "VolumeClaim"}})

    assert server.judge(named(44)).returncode == 0
    answer = server.judge(named(45))
    assert answer.returncode != 0
    assert "has a name of 44 characters at most" in answer.stderr


def test_the_narrow_table_leaves_out_what_is_long(server: ApiServer) -> None:
    server.create(repo("narrow"))
    table = server.ask("get", "--namespace", server.namespace, "er", "narrow").splitlines()
    assert table[0].split() == ["NAME", "READY", "PHASE", "STEP", "WEIGHT", "REVISION", "GATEWAYS", "AGE"]


def test_the_category_names_all_three(server: ApiServer) -> None:
    for kind in ("GatewayFleet", "KafkaProducerProfile", "EventRepo"):
        example = next(judged for judged in GOOD if judged.manifest["kind"] == kind).manifest
        spec = example["spec"] | ({"replicas": 0} if kind == "GatewayFleet" else {})
        server.create(manifest(kind, "categorised", spec))
    listed = server.ask("get", "--namespace", server.namespace, "headgate", "-o", "name").splitlines()
    assert {line.split("/")[0] for line in listed if line.endswith("/categorised")} == {
        "gatewayfleet.headgate.dev",
        "kafkaproducerprofile.headgate.dev",
        "eventrepo.headgate.dev",
    }


def _shown_with_status(server: ApiServer, kind: str, **status: Any) -> tuple[list[str], list[str]]:
    """Header and row of `get -o wide` for the object `shown` with this status.

    An operator that runs in the cluster writes its own status over it, so the two are tried until one reading is ours.
    """
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "Ready",
        "message": "well",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    patch = json.dumps({"status": status | {"observedGeneration": 1, "conditions": [ready]}})
    words = (
        "patch",
        "--namespace",
        server.namespace,
        kind,
        "shown",
        "--subresource=status",
        "--type=merge",
        "-p",
        patch,
    )
    for _ in range(50):
        server.ask(*words)
        header, row = server.ask("get", "--namespace", server.namespace, kind, "shown", "-o", "wide").splitlines()
        if "well" in row.split():
            return header.split(), row.split()
    raise AssertionError(f"somebody else writes the status of {kind} all the time: {row}")
